"""Naming a clip by its nearest exemplars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An exemplar near a clip.

    Attributes:
        label: Its action.
        similarity: Cosine of the vectors, or likeness of the sequences; at most 1.
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
        similarity: That of the nearest exemplar of that action.
        margin: By how much that exceeds the nearest exemplar of any other action; None if there
            is no other.
        neighbours: The exemplars that voted, nearest first.
    """

    label: str
    similarity: float
    margin: float | None
    neighbours: tuple[Neighbour, ...]


def vote(
    labels: Sequence[str], similarities: Sequence[float], *, temperature: float | None = None
) -> str:
    """The label that most neighbours have; a tie goes to the larger sum of similarities.

    This is the papers' n-nearest-neighbour vote; they do not say how ties end.

    Args:
        labels: Labels of the n nearest exemplars, nearest first.
        similarities: Theirs to the clip.
        temperature: If given, a neighbour's vote counts exp(-gap / temperature), for the gap
            between its similarity and that of the nearest.
    """
    names = sorted(set(labels))
    numbers = np.array([[names.index(label) for label in labels]], np.intp)
    table = np.array([similarities], np.float64)
    return names[int(votes(numbers, table, temperature=temperature)[0])]


def votes(
    labels: NDArray[np.intp],
    similarities: NDArray[np.floating[Any]],
    *,
    temperature: float | None = None,
) -> NDArray[np.intp]:
    """`vote` for many clips at once, with class numbers for labels.

    Args:
        labels: Classes of each clip's n nearest exemplars, nearest first, (N, n).
        similarities: Theirs, (N, n).
        temperature: As in `vote`.

    Returns:
        The class of each clip, (N,).
    """
    rows, n = labels.shape
    near = similarities.astype(np.float64)
    weights = (
        np.ones_like(near) if temperature is None else np.exp((near - near[:, :1]) / temperature)
    )
    counts = np.zeros((rows, n))
    totals = np.zeros((rows, n))
    for other in range(n):
        same = labels == labels[:, other, None]
        counts += np.where(same, weights[:, other, None], 0.0)
        totals += np.where(same, near[:, other, None], 0.0)
    most = counts == counts.max(axis=1, keepdims=True)
    winner = np.where(most, totals, -np.inf).argmax(axis=1)
    return np.asarray(labels[np.arange(rows), winner])


def predict(
    nearest: Sequence[Neighbour], k: int, *, temperature: float | None = None
) -> Prediction:
    """Name a clip from its nearest exemplars.

    Args:
        nearest: Exemplars, nearest first; they should reach as far as a second label, for the
            margin.
        k: How many of them vote.
        temperature: As in `vote`.
    """
    voters = nearest[:k]
    label = vote([n.label for n in voters], [n.similarity for n in voters], temperature=temperature)
    best = next(n.similarity for n in nearest if n.label == label)
    other = next((n.similarity for n in nearest if n.label != label), None)
    return Prediction(
        label=label,
        similarity=best,
        margin=None if other is None else best - other,
        neighbours=tuple(voters),
    )
