"""Frames of a stream as lines of JSON, in the forms of `.jsonl` files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import LEAST_CONFIDENCE
from stars_infer.clips.convention import STANDARD, Convention, to_standard
from stars_infer.errors import ClipError, UsageError
from stars_infer.layouts import get_layout
from stars_infer.readers.json import (
    DESCRIPTION,
    FLAT_FRAME_FORMS,
    FRAME_FORMS,
    KNOWN_FORMS,
    TIMES,
    frame_form_of,
    header_convention,
    parse_json,
)
from stars_infer.readers.poses import Pose

_LATEST = 1e18
"""Largest time of a frame, in whatever unit; microseconds since 1970 are far below it."""
MAX_LINE = 1_000_000
"""Longest line, bytes: twice that of a hundred bodies of a hundred joints."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One frame of a stream.

    Attributes:
        bodies: Joint positions (M, V, 3), meters, y up, right-handed; NaN where a joint is unknown.
            M is 0 if nobody is seen.
        time: Time of the frame, seconds; None if the line does not say it.
        layout: Name of the joint layout.
        identities: Who each body is; None where the line does not say it.
    """

    bodies: FloatArray
    time: float | None
    layout: str
    identities: tuple[str | None, ...] = ()


class FrameReader:
    """Reads lines such as `{"joints": [[x, y, z], …], "time": s}`, or other forms of `.jsonl`.

    What the first line says of layout, units, axes and rate holds for all of the stream. A later
    header that says something else is refused, and changes nothing.

    Args:
        wanted: What is known of the stream, which counts more than what it says.
    """

    def __init__(self, wanted: Convention | None = None) -> None:
        self._wanted = wanted or Convention()
        if self._wanted.layout is not None:
            get_layout(self._wanted.layout)
        self._stated = Convention()
        self._begun: Convention | None = None
        """What holds since the first frame or header."""

    @property
    def fps(self) -> float:
        """Frames per second of lines that do not say their time."""
        return self._wanted.over(self._stated).over(STANDARD).fps or 30.0

    def read(self, line: bytes, *, source: str) -> Frame | None:
        """Read a line as a frame; None for a header, and for nobody before layout or body is known.

        Args:
            line: JSON, UTF-8.
            source: Name of the line in messages.

        Raises:
            ClipError: If the line is no frame.
            UsageError: If nothing says which joint layout the stream has, from its beginning.
        """
        if len(line) > MAX_LINE:
            raise ClipError(source, f"longer than {MAX_LINE:,} bytes: send one frame a line")
        try:
            value = parse_json(line.decode("utf-8-sig"), source)
        except UnicodeDecodeError as error:
            raise ClipError(source, f"not UTF-8 text ({error.reason})") from error
        form = frame_form_of(value)
        if form is None and isinstance(value, dict) and any(key in value for key in DESCRIPTION):
            self._begin(header_convention(value, source), source)
            return None
        if form is None and value != []:
            raise ClipError(source, f"no frame. {KNOWN_FORMS}")
        forms = FLAT_FRAME_FORMS if self._wanted.flat else FRAME_FORMS
        poses_of, default = forms[form or "bodies"]
        poses = poses_of(value, "the frame", source) if form else []
        convention = self._wanted.over(self._stated).over(default).over(STANDARD)
        if not poses and self._begun is not None:
            convention = self._begun
        if not poses and convention.layout is None:
            return None  # nobody is seen yet, so nothing says which joints there will be
        if self._begun is not None and self._begun.layout not in (None, convention.layout):
            raise ClipError(
                source,
                f"a frame of another kind: the stream began with layout {self._begun.layout!r}, "
                "and keeps it. Send other frames to a watch of their own",
            )
        if convention.layout is None:
            raise UsageError(
                "the stream does not say which joints these are: pass --layout "
                "(`stars layouts` lists them)"
            )
        made = Frame(
            bodies=_positions(poses, convention, source),
            time=_time(value, source),
            layout=convention.layout,
            identities=tuple(pose.identity for pose in poses),
        )
        self._begun = self._begun or convention
        return made

    def _begin(self, header: Convention, source: str) -> None:
        """Take the first header; refuse a later one that says something else.

        Raises:
            ClipError: If it does.
        """
        if self._begun is None:
            self._stated = header
            self._begun = self._wanted.over(header).over(STANDARD)
            return
        other = [
            f"{field} {said} instead of {holds}"
            for field in DESCRIPTION
            if (said := getattr(header, field)) is not None
            and getattr(self._wanted, field) is None
            and said != (holds := getattr(self._begun, field))
        ]
        if other:
            raise ClipError(
                source,
                f"a header with {', '.join(other)}: a stream keeps what it began with. Send other "
                "frames to a watch of their own",
            )


def _time(value: object, source: str) -> float | None:
    """The time of a frame, seconds, if it says it."""
    if not isinstance(value, dict):
        return None
    for key, seconds in TIMES.items():
        said = value.get(key)
        if said is None:
            continue
        if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) <= _LATEST:
            raise ClipError(source, f"{key!r} must be a number, got {_short(said)}")
        return float(said) * seconds
    return None


def _short(value: object) -> str:
    """A value in a message; of numbers with thousands of digits Python makes no text."""
    if isinstance(value, int) and abs(value) > _LATEST:
        return "one of very many digits"
    return repr(str(value)[:24])


def _positions(poses: Sequence[Pose], convention: Convention, source: str) -> FloatArray:
    """Bodies (M, V, 3), as clips have them; NaN for points of low confidence."""
    assert convention.layout is not None
    joints = len(get_layout(convention.layout).joints)
    result = np.full((len(poses), joints, 3), np.nan, np.float32)
    for row, pose in zip(result, poses, strict=True):
        if len(pose.points) != joints:
            raise ClipError(
                source,
                f"{len(pose.points)} joints, but layout {convention.layout!r} has {joints}: pass "
                "the right --layout",
            )
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is missing
            row[:] = to_standard(pose.points[:, :3], convention)
        if pose.points.shape[1] > 3:
            row[~(pose.points[:, 3] >= LEAST_CONFIDENCE)] = np.nan
    return result
