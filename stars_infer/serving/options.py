"""What may stand in the query of a request: the options of the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stars_infer.classification.classifiers import CLASSIFIERS, DEFAULT_CLASSIFIER
from stars_infer.classification.mirroring import AUTO, MIRROR_CHOICES
from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.clips.convention import Convention
from stars_infer.clips.people import POOLED, WAYS
from stars_infer.errors import UsageError
from stars_infer.layouts import get_layout
from stars_infer.segmentation.segment import MERGE_GAP, MIN_CONFIDENCE, SegmentOptions
from stars_infer.segmentation.windows import LENGTHS, WindowGrid

_MOST_WINDOWS = 16
_LONGEST_WINDOW = 60.0
Number = Annotated[float, Field(allow_inf_nan=False)]


class ConventionQuery(BaseModel):
    """What is known of clips, where their files do not say it."""

    model_config = ConfigDict(extra="forbid")

    layout: str | None = Field(None, description="A joint layout that comes with the package.")
    units: str | None = Field(None, description="m, cm, mm, in, or the meters in a unit.")
    up: str | None = Field(None, description="The axis that points up: x, y, z, -x, -y, -z, auto.")
    handedness: str | None = Field(None, description="Of the axes: right or left.")
    fps: Number | None = Field(None, description="Frames per second.")
    flat: bool | None = Field(None, description="Whether clips are in 2D, or taken so.")

    def convention(self) -> Convention:
        """The same as the library has it.

        Raises:
            UsageError: If an option means nothing, or the layout is a path.
        """
        if self.layout is not None:
            if self.layout.lower().endswith(".toml"):
                raise UsageError(
                    f"layout {self.layout[:40]!r}: a server opens no files that clients name; name "
                    "a layout that comes with the package"
                )
            get_layout(self.layout)
        return Convention(
            layout=self.layout,
            units=self.units,
            up=self.up,
            handedness=self.handedness,
            fps=self.fps,
            flat=self.flat,
        )


class ClipQuery(ConventionQuery):
    """How clips are read."""

    name: str | None = Field(
        None,
        max_length=255,
        description="Name of the file that the body is, if it is no form: its ending is its type.",
    )


class PeopleQuery(ClipQuery):
    """How clips are read, and for whom there are answers."""

    people: str = Field(POOLED, description=f"For whom there are answers: {', '.join(WAYS)}.")


class ViewsQuery(ClipQuery):
    """How clips are read and compared."""

    views: list[str] = Field(
        [], max_length=2, description="Changed copies to compare, too: mirror, crops."
    )


class ChancesQuery(ViewsQuery):
    """How clips are named."""

    classifier: str = Field(DEFAULT_CLASSIFIER, description=f"{', '.join(CLASSIFIERS)}.")
    k: int | None = Field(None, description="Examples that vote, for vote and majority.")
    mirror: str = Field(
        AUTO, description=f"Whether mirror images count: {', '.join(MIRROR_CHOICES)}."
    )

    def options(self) -> ClassifyOptions:
        """The same as the library has it.

        Raises:
            UsageError: If an option means nothing.
        """
        return ClassifyOptions(classifier=self.classifier, k=self.k, mirror=self.mirror)


class ClassifyQuery(ChancesQuery, PeopleQuery):
    """How clips are named, and for whom."""

    false_accept_rate: Number | None = Field(
        None,
        description="Share of clips of unknown actions that may be named, above 0 and below 1; "
        "what the index keeps if not given.",
    )

    def options(self) -> ClassifyOptions:
        """As for `ChancesQuery`."""
        return ClassifyOptions(
            classifier=self.classifier,
            k=self.k,
            mirror=self.mirror,
            false_accept_rate=self.false_accept_rate,
        )


class SearchQuery(ViewsQuery):
    """How clips are read, and how many neighbors are wanted."""

    k: int = Field(5, ge=1, le=1000, description="How many of the nearest examples.")


class AddQuery(ClipQuery):
    """How clips are read, and what they show."""

    label: str = Field(description="The action that the clips show.", examples=["wave"])


class SegmentQuery(PeopleQuery):
    """How recordings are read and divided."""

    min_confidence: Number = Field(
        MIN_CONFIDENCE, description="Confidence that a segment must exceed, 0 to 1."
    )
    window: list[Number] = Field(
        [], max_length=_MOST_WINDOWS, description="Lengths of windows, seconds."
    )
    merge_gap: Number = Field(
        MERGE_GAP, description="Longest gap in one segment, between parts of one action, seconds."
    )
    min_duration: Number = Field(0.0, description="Shortest segment, seconds.")
    mirror: str = Field(AUTO, description="Whether mirror images count.")

    def options(self) -> SegmentOptions:
        """The same as the library has it.

        Raises:
            UsageError: If an option means nothing.
        """
        if any(length > _LONGEST_WINDOW for length in self.window):
            raise UsageError(f"window: at most {_LONGEST_WINDOW:g} s")
        return SegmentOptions(
            grid=WindowGrid(lengths=tuple(self.window or LENGTHS)),
            min_confidence=self.min_confidence,
            merge_gap=self.merge_gap,
            min_duration=self.min_duration,
            mirror=self.mirror,
        )


class WatchQuery(ConventionQuery):
    """How a stream is read and named."""

    people: str = Field(POOLED, description=f"For whom there are answers: {', '.join(WAYS)}.")
    mirror: str = Field(AUTO, description="Whether mirror images count.")
    interval: Number = Field(0.2, ge=0.05, le=60, description="Seconds between two answers.")
    every_answer: bool = Field(False, description="Send every answer, not only changes.")
    replay: bool = Field(
        False, description="Nothing is dropped: frames come as fast as they are taken."
    )
