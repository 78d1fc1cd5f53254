"""One classification of several samplings of a clip (Skeleton2vec, section 4.2).

The paper averages scores: each sampling is classified, and the probabilities of the classes are
averaged, as in the public code of DG-STGCN, whose sampling the paper uses. The other form averages
the features and classifies their mean. Before a linear layer both nearly agree; before the head of
fine-tuning, which is not linear, they do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from stars_infer.errors import UsageError

AVERAGES = SCORES, FEATURES = "scores", "features"
"""What is averaged over the samplings of a clip."""


def classify_samplings(
    classify: Callable[[Tensor], Tensor], features: Tensor, average: str = SCORES
) -> Tensor:
    """Classify clips by the features of their samplings.

    Args:
        classify: Maps features (N, F) to logits (N, C).
        features: Features of each sampling of each clip, (B, S, F).
        average: `scores` or `features`.

    Returns:
        (B, C). Logits; with `scores` and several samplings, logarithms of mean probabilities.

    Raises:
        UsageError: If `average` is neither.
    """
    if average not in AVERAGES:
        raise UsageError(f"--average is {' or '.join(AVERAGES)}, not {average!r}")
    clips, samplings, _ = features.shape
    if samplings == 1 or average == FEATURES:
        return classify(features.mean(dim=1)).float()
    logits = classify(features.flatten(0, 1)).float().unflatten(0, (clips, samplings))
    return logits.log_softmax(dim=2).logsumexp(dim=1) - math.log(samplings)
