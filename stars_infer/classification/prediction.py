"""What a clip shows, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stars_infer.classification.classifiers import DEFAULT_CLASSIFIER, make_classifier
from stars_infer.classification.mirroring import AUTO, check_mirror
from stars_infer.errors import ClipError, check_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNKNOWN = "unknown"
"""The answer to a clip of an action that the index does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """An exemplar near a clip.

    Attributes:
        label: Its action.
        similarity: Cosine of the vectors, similarity of the sequences, or both joined; at most 1.
        source: Where it comes from.
        id: Its number in the index; None if nobody said. `to_dict` leaves it out.
    """

    label: str
    similarity: float
    source: str
    id: int | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, object]:
        """The attributes, as plain types."""
        return {
            "label": self.label,
            "similarity": float(self.similarity),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
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
        likeliest: The likeliest actions and the chance of each, likeliest first; that of `label` is
            its confidence. What is missing to 1 is the chance of other actions.
        source: Where the clip comes from; empty if nobody said.
        bodies: How many bodies of the clip were looked at; None if nobody said.
        frames: How many frames the clip has; None if nobody said.
        notes: What was mended in the clip, and what is odd about it, in words.
        fit: Similarity to the nearest exemplar of the label if halves of clips are not compared;
            None if nobody asked.
        parts: Parts of the comparison, and the action that fits best by each alone; empty if nobody
            asked.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Recognizer
        >>> from stars_infer.synthetic.actions import perform
        >>> random = np.random.default_rng(0)
        >>> actions = Recognizer(device="cpu")
        >>> for action in ("wave", "squat", "kick"):
        ...     _ = actions.add(action, [perform(action, random) for _ in range(3)])
        >>> prediction = actions.predict(perform("squat", random))
        >>> prediction.label, prediction.known
        ('squat', True)
        >>> sorted(prediction.to_dict())[:5]
        ['answer', 'bodies', 'chance_known', 'confidence', 'frames']
    """

    label: str
    known: bool
    chance_known: float
    confidence: float
    second: str | None
    similarity: float
    margin: float | None
    neighbors: tuple[Neighbor, ...]
    likeliest: tuple[tuple[str, float], ...] = ()
    source: str = ""
    bodies: int | None = None
    frames: int | None = None
    notes: tuple[str, ...] = ()
    fit: float | None = None
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def answer(self) -> str:
        """The label, or `UNKNOWN`."""
        return self.label if self.known else UNKNOWN

    def __str__(self) -> str:
        if self.known:
            return f"{self.label} ({self.confidence:.2f})"
        return f"{UNKNOWN} (nearest: {self.label}, {self.confidence:.2f})"

    def __repr__(self) -> str:
        return f"<Prediction {self}{f' of {self.source}' if self.source else ''}>"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain types, as `stars classify --json` prints it."""
        return {
            "source": self.source,
            "answer": self.answer,
            "label": self.label,
            "known": bool(self.known),
            "confidence": float(self.confidence),
            "chance_known": float(self.chance_known),
            "second": self.second,
            "similarity": float(self.similarity),
            "margin": None if self.margin is None else float(self.margin),
            "neighbors": [neighbor.to_dict() for neighbor in self.neighbors],
            "likeliest": [
                {"label": label, "chance": float(chance)} for label, chance in self.likeliest
            ],
            "bodies": self.bodies,
            "frames": self.frames,
            "notes": list(self.notes),
        }

    def to_dataframe(self) -> Any:
        """A table of one row; see `Predictions.to_dataframe`."""
        return Predictions([self]).to_dataframe()

    def plot(self) -> Figure:
        """Draw how likely which actions are, and the nearest exemplars.

        Returns:
            A figure of Matplotlib, which notebooks show; `figure.savefig("answer.png")` saves it.

        Raises:
            MissingExtraError: If Matplotlib is not installed.
        """
        from stars_infer.classification.display import figure_of

        return figure_of(self.to_dict(), str(self))

    def _repr_html_(self) -> str:
        from stars_infer.classification.display import html_of

        return html_of([self.to_dict()])


class Predictions(list[Prediction]):
    """Predictions of several clips, in the order of the clips.

    Args:
        predictions: One for each clip that could be used.
        failures: Why the other clips could not be used.

    Attributes:
        failures: As given.
    """

    def __init__(
        self, predictions: Iterable[Prediction] = (), failures: Iterable[ClipError] = ()
    ) -> None:
        super().__init__(predictions)
        self.failures = tuple(failures)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"<Predictions [{', '.join(map(str, self))}]{failed}>"

    def to_dict(self) -> list[dict[str, Any]]:
        """`Prediction.to_dict` of each."""
        return [prediction.to_dict() for prediction in self]

    def to_json(self, *, indent: int | None = None) -> str:
        """A JSON list of `Prediction.to_dict`.

        Args:
            indent: Spaces by which each level is indented; all in one line if not given.
        """
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def to_dataframe(self) -> Any:
        """A table with a row for each clip: a polars DataFrame, or a pandas one.

        The columns are the keys of `Prediction.to_dict`, except that `likeliest` is left out, and
        of the neighbors all but the nearest: `nearest` (its action), `nearest_source` and
        `nearest_similarity`. What the program has imported already is preferred, then polars.

        Raises:
            MissingExtraError: If neither polars nor pandas is installed.
        """
        from stars_infer.classification.display import dataframe_of

        return dataframe_of(self.to_dict())

    def _repr_html_(self) -> str:
        from stars_infer.classification.display import html_of

        return html_of(self.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyOptions:
    """How clips are named.

    Attributes:
        classifier: One of `stars_infer.classification.classifiers.CLASSIFIERS`.
        k: Exemplars that vote, where they vote; if None, as many as the smallest class has (the
            papers' n of n-shot), at most `MAX_DEFAULT_VOTERS`.
        false_accept_rate: Share of unknown clips that may be named, 0 to 1; None for "more likely
            known than not".
        together: Learn from the clips that are asked together which share of them is unknown,
            unless it was said: the chance that each is known follows from it.
        mirror: Whether mirror images count, one of
            `stars_infer.classification.mirroring.MIRROR_CHOICES`.
        fit: Find out how well whole clips fit, `Prediction.fit`.
    """

    classifier: str = DEFAULT_CLASSIFIER
    k: int | None = None
    false_accept_rate: float | None = None
    together: bool = False
    mirror: str = AUTO
    fit: bool = False

    def __post_init__(self) -> None:
        make_classifier(self.classifier, n=1)
        check_mirror(self.mirror)
        check_range("false_accept_rate", self.false_accept_rate, above=0, below=1)
        check_range("k", self.k, at_least=1, whole=True)
