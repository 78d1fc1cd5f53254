"""C3D, `.c3d`: labeled points of optical motion capture, in binary form (www.c3d.org).

The package `c3d` reads the file, in Python throughout: a damaged file raises an exception. (The
faster `ezc3d` ends the whole process on some.) A point with a negative residual is not seen.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import check_frame_count
from stars_infer.clips.convention import LEAST_FPS, MOST_FPS, Convention
from stars_infer.errors import ClipError, MissingExtraError, StarsError
from stars_infer.readers.bounds import size_of
from stars_infer.readers.points import recording_of_points
from stars_infer.readers.recording import Recording, convention_in, empty_tracks

DEFAULTS = Convention(units="mm", up="z", handedness="right")
_UNITS = {"mm": "mm", "cm": "cm", "m": "m", "in": "in"}


def read_c3d(path: Path) -> tuple[Recording, ...]:
    """Read the points of a file as joints, or joints from its markers.

    Raises:
        ClipError: If the file is damaged, or its points are neither joints nor a known set of
            markers.
        MissingExtraError: If the package c3d is not installed.
    """
    try:
        import c3d
    except ImportError as error:
        raise MissingExtraError("reading .c3d", "mocap", "c3d") from error
    source = str(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = c3d.Reader(file)
            labels = _labels(reader)
            points, notes = _points(reader, len(labels), source, size_of(file))
            rate = float(reader.point_rate)
            convention = convention_in(
                source,
                fps=rate if LEAST_FPS <= rate <= MOST_FPS else None,
                units=_UNITS.get(_text(reader, "POINT:UNITS").lower()),
                up=_up(_text(reader, "POINT:Y_SCREEN")),
            )
    except (StarsError, OSError):
        raise
    except Exception as error:  # damage fails in the package in many ways
        problem = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise ClipError(source, f"not a readable C3D file ({problem}): export it again") from error
    return (
        recording_of_points(
            labels, points, source=source, stated=convention, default=DEFAULTS, notes=notes
        ),
    )


def _points(
    reader: Any, labels: int, source: str, size: int
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Positions (T, P, 3) of the labeled points, NaN where one is not seen; and notes."""
    frames = int(reader.last_frame) - int(reader.first_frame) + 1
    check_frame_count(frames, source=source, recording=True)
    if labels > int(reader.point_used):
        raise ClipError(source, f"{labels} labels, but {int(reader.point_used)} points")
    points = empty_tracks(1, frames, labels, source=source, size=size)[0]
    read = 0
    for _, frame, _ in reader.read_frames(copy=False, analog_transform=False):
        seen = frame[:labels, 3] >= 0
        points[read, seen] = frame[:labels][seen, :3]
        read += 1
    if not read:
        raise ClipError(source, "cut short: no whole frame in it; copy it again")
    short = (f"cut short: {read:,} of {frames:,} frames are there",) if read < frames else ()
    return points[:read], short


def _labels(reader: Any) -> list[str]:
    """The labels of the points; more than 255 are in several parameters."""
    labels: list[str] = []
    for number in range(1, 10):
        parameter = reader.get(f"POINT:LABELS{'' if number == 1 else number}")
        if parameter is None:
            break
        labels += [str(label).strip() for label in parameter.string_array]
    return labels[: int(reader.point_used)]


def _text(reader: Any, name: str) -> str:
    """A parameter as text; empty if it is not there."""
    parameter = reader.get(name)
    if parameter is None or not parameter.total_bytes:
        return ""
    return str(parameter.string_value).split("\0")[0].strip()


def _up(axis: str) -> str | None:
    """The axis that points up on the screen, as `x`, `-z`; None if that is not said."""
    axis = axis.lower().removeprefix("+")
    return axis if axis.removeprefix("-") in ("x", "y", "z") and axis else None
