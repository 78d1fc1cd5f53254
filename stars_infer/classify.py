"""What a clip shows, and why."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "unknown"
"""The answer to a clip of an action that the index does not hold."""


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
        label: The action of the index that fits best, even if none fits well; see `answer`.
        known: Whether it is likely enough that the action is in the index at all.
        chance_known: How likely that is, 0 to 1.
        confidence: Calibrated chance that `label` is right, 0 to 1.
        second: The action that fits next best; None if the index holds no other.
        similarity: That of the nearest exemplar of the label.
        margin: By how much that exceeds the nearest exemplar of any other action; None if there
            is no other.
        neighbours: The nearest exemplars of any action, nearest first.
    """

    label: str
    known: bool
    chance_known: float
    confidence: float
    second: str | None
    similarity: float
    margin: float | None
    neighbours: tuple[Neighbour, ...]

    @property
    def answer(self) -> str:
        """The label, or `UNKNOWN`."""
        return self.label if self.known else UNKNOWN
