"""What a clip shows, and why."""

from __future__ import annotations

from dataclasses import dataclass

from stars_infer.classification.classifiers import DEFAULT_CLASSIFIER, classifier_named
from stars_infer.errors import check_range

UNKNOWN = "unknown"
"""The answer to a clip of an action that the index does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """An exemplar near a clip.

    Attributes:
        label: Its action.
        similarity: Cosine of the vectors, or similarity of the sequences; at most 1.
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
        neighbors: The nearest exemplars of any action, nearest first.
    """

    label: str
    known: bool
    chance_known: float
    confidence: float
    second: str | None
    similarity: float
    margin: float | None
    neighbors: tuple[Neighbor, ...]

    @property
    def answer(self) -> str:
        """The label, or `UNKNOWN`."""
        return self.label if self.known else UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyOptions:
    """How clips are named.

    Attributes:
        classifier: One of `stars_infer.classification.classifiers.CLASSIFIERS`.
        k: Exemplars that vote, where they vote; if None, as many as the smallest class has (the
            papers' n of n-shot), at most `MAX_DEFAULT_VOTERS`.
        false_accept_rate: Share of unknown clips that may be named, 0 to 1; None for "more likely
            known than not".
    """

    classifier: str = DEFAULT_CLASSIFIER
    k: int | None = None
    false_accept_rate: float | None = None

    def __post_init__(self) -> None:
        classifier_named(self.classifier, n=1)
        check_range("false_accept_rate", self.false_accept_rate, above=0, below=1)
        check_range("k", self.k, at_least=1)
