"""Cut what a camera or a video shows into examples of an action, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, NobodyError, check_range
from stars_infer.pose.people import SeenFrame
from stars_infer.readers.poses import Pose
from stars_infer.readers.recording import clip_of
from stars_infer.readers.video import poses_of_frame, recording_of_people

LEAST_SEEN = 0.5
"""Share of the pictures of a take in which somebody has to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When examples are taken.

    Attributes:
        length: Length of an example, seconds.
        every: Time from the start of one example to that of the next, seconds.
        first: Start of the first, seconds after the first picture.
        count: Most examples; None for as many as there are.
    """

    length: float
    every: float
    first: float = 0.0
    count: int | None = None

    def __post_init__(self) -> None:
        check_range("length", self.length, above=0)
        check_range("every", self.every, at_least=self.length)
        check_range("first", self.first, at_least=0)
        check_range("count", self.count, at_least=1, whole=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where in its schedule a recording is.

    Attributes:
        number: The example that is taken, or that comes next, from 0.
        recording: Whether it is being taken.
        left: Seconds until it begins, or until it ends.
    """

    number: int
    recording: bool
    left: float


@dataclass(slots=True, kw_only=True)
class _Take:
    start: float
    times: list[float] = field(default_factory=list)
    people: list[list[Pose]] = field(default_factory=list)


def record_takes(
    frames: Iterable[SeenFrame],
    schedule: Schedule,
    *,
    layout: str,
    source: str,
    follow: Callable[[SeenFrame, Moment], None] | None = None,
) -> Iterator[Clip | ClipError]:
    """Take examples from frames as they come.

    Args:
        frames: Frames of a video or a camera.
        schedule: When examples are taken.
        layout: Joint layout of the people.
        source: Name of the video or camera; examples are called by it and their times.
        follow: Called with each frame, and where in the schedule it is.

    Yields:
        The clip of each example as soon as it is over, or why it cannot be used.
    """
    take: _Take | None = None
    begin: float | None = None
    number = 0
    for frame in frames:
        begin = frame.time if begin is None else begin
        start = begin + schedule.first + number * schedule.every
        if take is not None and frame.time >= take.start + schedule.length:
            yield _clip_of(take, begin, layout, source)
            take, number = None, number + 1
            start += schedule.every
        if schedule.count is not None and number >= schedule.count:
            return
        if take is None and frame.time >= start:
            take = _Take(start=frame.time)
        if take is not None:
            take.times.append(frame.time)
            take.people.append(poses_of_frame(frame))
        if follow is not None:
            end = start if take is None else take.start + schedule.length
            moment = Moment(number=number, recording=take is not None, left=end - frame.time)
            follow(frame, moment)
    # The last may end a little early.
    if take is not None and take.times[-1] - take.start >= schedule.length / 2:
        yield _clip_of(take, begin or 0.0, layout, source)


def _clip_of(take: _Take, begin: float, layout: str, source: str) -> Clip | ClipError:
    start, end = take.start - begin, take.times[-1] - begin
    name = f"{source}, {start:.1f} to {end:.1f} s"
    seen = sum(map(bool, take.people))
    if seen < LEAST_SEEN * len(take.people):
        return NobodyError(
            name, f"somebody is seen in {seen} of {len(take.people)} pictures only: step back, so "
            "that the whole body is in the picture"
        )  # fmt: skip
    try:
        recording = recording_of_people(take.times, take.people, layout=layout, source=name)
        return clip_of(recording, Convention())
    except ClipError as error:
        return error
