"""Few-shot accuracy: n exemplars per class, every other clip named by its n nearest (STARS 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.classify import vote
from stars_infer.clip import FloatArray
from stars_infer.errors import UsageError
from stars_infer.index import unit


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledVectors:
    """Embedded clips of known action.

    Attributes:
        vectors: (N, D).
        labels: Their actions.
        exemplar: Whether a clip may serve as exemplar.
        query: Whether a clip is to be named.
    """

    vectors: FloatArray
    labels: Sequence[str]
    exemplar: NDArray[np.bool_]
    query: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Share of queries named right over random draws of exemplars, per cent."""

    mean: float
    std: float


def evaluate(
    clips: LabelledVectors, *, shots: Sequence[int], draws: int, seed: int = 0
) -> dict[int, Accuracy]:
    """Measure n-shot accuracy with the n-nearest-neighbour vote, for several n.

    A clip that was drawn as exemplar is not a query of that draw.

    Args:
        clips: Embedded clips.
        shots: Numbers of exemplars per class.
        draws: Random draws of exemplars for each.
        seed: Of the draws.

    Raises:
        UsageError: If a class has too few exemplars, or there is nothing to name.
    """
    classes = sorted(set(clips.labels))
    numbers = np.array([classes.index(label) for label in clips.labels])
    pools = [np.flatnonzero((numbers == c) & clips.exemplar) for c in range(len(classes))]
    _check(classes, [len(pool) for pool in pools], clips, shots)
    vectors = unit(clips.vectors)
    similarities = vectors @ vectors.T
    results: dict[int, Accuracy] = {}
    for n in shots:
        random = np.random.default_rng([seed, n])
        accuracies = []
        for _ in range(draws):
            drawn = np.concatenate([random.choice(pool, n, replace=False) for pool in pools])
            queries = np.setdiff1d(np.flatnonzero(clips.query), drawn)
            if not len(queries):
                raise UsageError(f"all clips were drawn as exemplars at {n} shots: none is left")
            right = _named(similarities[np.ix_(queries, drawn)], numbers[drawn], n)
            accuracies.append(100 * float(np.mean(right == numbers[queries])))
        results[n] = Accuracy(mean=float(np.mean(accuracies)), std=float(np.std(accuracies)))
    return results


def _named(similarities: FloatArray, labels: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Class of each query by the vote of its n nearest exemplars."""
    nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :n]
    return np.array(
        [
            int(vote([str(labels[e]) for e in row], [float(line[e]) for e in row]))
            for row, line in zip(nearest, similarities, strict=True)
        ],
        np.intp,
    )


def _check(
    classes: Sequence[str], sizes: Sequence[int], clips: LabelledVectors, shots: Sequence[int]
) -> None:
    if len(classes) < 2:
        raise UsageError(f"few-shot accuracy needs two classes, found {list(classes)}")
    if not clips.query.any():
        raise UsageError("no clip is left to name; check --queries")
    smallest = int(np.argmin(sizes))
    if sizes[smallest] < max(shots):
        raise UsageError(
            f"class {classes[smallest]!r} has {sizes[smallest]} possible exemplars, "
            f"too few for {max(shots)} shots; check --exemplars, or lower --shots"
        )
