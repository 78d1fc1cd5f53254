"""One classification of several samplings of a clip (Skeleton2vec, section 4.2).

The paper averages scores: each sampling is classified, and the scores of the classes are averaged,
before any softmax in its public code. The other form averages the features and classifies their
mean. A linear layer makes the same of both; the head of fine-tuning, which is not linear, does not.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from stars_infer.errors import UsageError

AVERAGES = SCORES, FEATURES = "scores", "features"
"""What is averaged over the samplings of a clip."""


def classify_samplings(
    classify: Callable[[Tensor], Tensor], features: Tensor, average: str = SCORES
) -> Tensor:
    """Class scores (B, C) of clips by the features (B, S, F) of their samplings.

    Args:
        classify: Maps features (N, F) to logits (N, C).
        features: Features of each sampling of each clip.
        average: `scores` or `features`.

    Raises:
        UsageError: If `average` is neither.
    """
    if average not in AVERAGES:
        raise UsageError(f"--average is {' or '.join(AVERAGES)}, not {average!r}")
    if average == FEATURES:
        return classify(features.mean(dim=1)).float()
    scores = classify(features.flatten(0, 1)).float()
    return scores.view(*features.shape[:2], -1).mean(dim=1)
