"""Naming a clip by its nearest exemplars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
