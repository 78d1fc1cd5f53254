"""Few-shot accuracy: n exemplars per class, every other clip named by its n nearest (STARS 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import Classifier, Vote, class_numbers
from stars_infer.errors import UsageError
from stars_infer.similarity.pairwise import Similarity


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledClips:
    """Clips of known action, and how alike they are.

    Attributes:
        similarity: Similarities of clips, by their places.
        labels: Their actions.
        exemplar: Whether a clip may serve as exemplar.
        query: Whether a clip is to be named.
        classifier: Makes the classifier for n exemplars a class; the papers' vote if not given.
    """

    similarity: Similarity
    labels: Sequence[str]
    exemplar: NDArray[np.bool_]
    query: NDArray[np.bool_]
    classifier: Callable[[int], Classifier] = lambda n: Vote(n=n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Share of queries named right over random draws of exemplars, per cent."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What one random draw of exemplars gave.

    Attributes:
        queries: Places of the clips that were named.
        predicted: Their classes, as places in the sorted labels.
        accuracy: Share of them named right, per cent.
    """

    queries: NDArray[np.intp]
    predicted: NDArray[np.intp]
    accuracy: float


def evaluate(
    clips: LabeledClips, *, shots: Sequence[int], draws: int, seed: int = 0
) -> dict[int, Accuracy]:
    """Measure n-shot accuracy with the n-nearest-neighbor vote, for several n.

    A clip that was drawn as exemplar is not a query of that draw.

    Args:
        clips: Clips of known action.
        shots: Numbers of exemplars per class.
        draws: Random draws of exemplars for each.
        seed: Of the draws.

    Raises:
        UsageError: If a class has too few exemplars, or there is nothing to name.
    """
    pools = exemplar_pools(clips, shots)
    return {
        n: accuracy_over(
            [draw.accuracy for draw in name_by_draws(clips, pools, n, draws=draws, seed=seed)]
        )
        for n in shots
    }


def accuracy_over(accuracies: Sequence[float]) -> Accuracy:
    """Mean and deviation of the accuracies of several draws."""
    return Accuracy(mean=float(np.mean(accuracies)), std=float(np.std(accuracies)))


def exemplar_pools(clips: LabeledClips, shots: Sequence[int]) -> list[NDArray[np.intp]]:
    """Places of the possible exemplars of each class, in the order of the sorted labels.

    Raises:
        UsageError: If a class has too few for these shots, or there is nothing to name.
    """
    classes = sorted(set(clips.labels))
    numbers = class_numbers(clips.labels, classes)
    pools = [np.flatnonzero((numbers == c) & clips.exemplar) for c in range(len(classes))]
    _check(classes, [len(pool) for pool in pools], clips, shots)
    return pools


def name_by_draws(
    clips: LabeledClips,
    pools: Sequence[NDArray[np.intp]],
    n: int,
    *,
    draws: int,
    seed: int = 0,
) -> Iterator[Draw]:
    """Name the queries by n exemplars a class, draw after draw.

    Only queries are compared with only the exemplars drawn, so that 50,000 clips are no burden.

    Args:
        clips: Clips of known action.
        pools: From `exemplar_pools`.
        n: Exemplars per class, and neighbors that vote.
        draws: How often exemplars are drawn.
        seed: Of the draws; those of different n are independent.

    Raises:
        UsageError: If all queries were drawn as exemplars.
    """
    numbers = class_numbers(clips.labels, sorted(set(clips.labels)))
    candidates = np.flatnonzero(clips.query)
    random = np.random.default_rng([seed, n])
    for _ in range(draws):
        drawn = np.concatenate([random.choice(pool, n, replace=False) for pool in pools])
        queries = np.setdiff1d(candidates, drawn)
        if not len(queries):
            raise UsageError(f"all clips were drawn as exemplars at {n} shots: none is left")
        fitted = clips.classifier(n).fit(clips.similarity(drawn, drawn), numbers[drawn], len(pools))
        predicted = fitted.scores(clips.similarity(queries, drawn)).argmax(axis=1)
        right = predicted == numbers[queries]
        yield Draw(queries=queries, predicted=predicted, accuracy=100 * float(np.mean(right)))


def _check(
    classes: Sequence[str], sizes: Sequence[int], clips: LabeledClips, shots: Sequence[int]
) -> None:
    if len(classes) < 2:
        raise UsageError(f"few-shot accuracy needs two classes, found {list(classes)}")
    if not clips.query.any():
        raise UsageError("no clip is left to name; check --queries")
    smallest = int(np.argmin(sizes))
    if sizes[smallest] < max(shots):
        raise UsageError(
            f"class {classes[smallest]!r} has {sizes[smallest]} possible exemplars, "
            f"too few for {max(shots)} shots: allow more exemplars, or lower --shots"
        )
