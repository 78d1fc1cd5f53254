"""Naming a clip by its nearest exemplars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.clip import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An exemplar near a clip.

    Attributes:
        label: Its action.
        similarity: Cosine, -1 to 1.
        source: Where it comes from.
    """

    label: str
    similarity: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a clip shows, and why.

    Attributes:
        label: The action.
        similarity: Cosine to the nearest exemplar of that action.
        margin: By how much that exceeds the nearest exemplar of any other action; None if there
            is no other.
        neighbours: The exemplars that voted, nearest first.
    """

    label: str
    similarity: float
    margin: float | None
    neighbours: tuple[Neighbour, ...]


def vote(labels: Sequence[str], similarities: Sequence[float]) -> str:
    """The label that most neighbours have; a tie goes to the larger sum of similarities.

    This is the papers' n-nearest-neighbour vote; they do not say how ties end.

    Args:
        labels: Labels of the n nearest exemplars, nearest first.
        similarities: Their cosines.
    """
    standing: dict[str, tuple[int, float]] = {}
    for label, similarity in zip(labels, similarities, strict=True):
        count, total = standing.get(label, (0, 0.0))
        standing[label] = count + 1, total + similarity
    return max(standing, key=lambda label: standing[label])


def votes(labels: NDArray[np.intp], similarities: FloatArray) -> NDArray[np.intp]:
    """`vote` for many clips at once, with class numbers for labels.

    Args:
        labels: Classes of each clip's n nearest exemplars, nearest first, (N, n).
        similarities: Their cosines, (N, n).

    Returns:
        The class of each clip, (N,).
    """
    rows, n = labels.shape
    counts = np.zeros((rows, n), np.intp)
    totals = np.zeros((rows, n))
    for other in range(n):
        same = labels == labels[:, other, None]
        counts += same
        # Added one by one, nearest first, as `vote` adds: the same rounding, the same ties.
        totals += np.where(same, similarities[:, other, None].astype(np.float64), 0.0)
    most = counts == counts.max(axis=1, keepdims=True)
    winner = np.where(most, totals, -np.inf).argmax(axis=1)
    return np.asarray(labels[np.arange(rows), winner])


def predict(nearest: Sequence[Neighbour], k: int) -> Prediction:
    """Name a clip from its nearest exemplars.

    Args:
        nearest: Exemplars, nearest first; they should reach as far as a second label, for the
            margin.
        k: How many of them vote.
    """
    voters = nearest[:k]
    label = vote([n.label for n in voters], [n.similarity for n in voters])
    best = next(n.similarity for n in nearest if n.label == label)
    other = next((n.similarity for n in nearest if n.label != label), None)
    return Prediction(
        label=label,
        similarity=best,
        margin=None if other is None else best - other,
        neighbours=tuple(voters),
    )
