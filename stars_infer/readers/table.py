"""Read positions from the columns of a table, as `.csv` and `.parquet` files hold them.

A wide table has a row for each frame (and body), and three columns for each joint: `hip_x`,
`hip.y`, `z_hip`, or numbered `x0`, `y0`, `z0`. A long table has a row for each joint of a frame,
with the columns `joint`, `x`, `y` and `z`. Both may have the columns `frame` or `time` (seconds),
`body`, and a confidence for each joint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import MAX_RECORDING_FRAMES
from stars_infer.clips.convention import Convention
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import ClipError
from stars_infer.readers.recording import (
    MOST_BODIES,
    MOST_JOINTS,
    Recording,
    convention_in,
    empty_tracks,
    frame_numbers,
)

DEFAULTS = Convention(units="m", up="y", handedness="right")
_FRAME, _BODY, _JOINT = ("frame", "frame_id"), ("body", "person", "person_id"), ("joint",)
_SECONDS, _MILLISECONDS = ("time", "time_s", "seconds"), ("time_ms", "timestamp_ms")
_SURE = "confidence|conf|visibility|vis|score|c|v"
_AFTER = re.compile(rf"(?P<joint>.+)[ _.:](?P<part>[xyz]|{_SURE})", re.IGNORECASE)
_BEFORE = re.compile(rf"(?P<part>[xyz]|{_SURE})(?:[ _.:](?P<joint>.+)|(?P<number>\d+))",
                     re.IGNORECASE)  # fmt: skip
_MISSING = ("", "na", "n/a", "null", "none", "nan", "-nan", "#n/a")

Cells = Sequence[object] | NDArray[np.generic]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns of a file, all of one length.

    Attributes:
        columns: Names of the columns, as in the file, and their cells.
        source: Name of the file for messages.
        first_line: Line of the first row in the file; None if the file has no lines.
    """

    columns: Mapping[str, Cells]
    source: str
    first_line: int | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def column_named(self, names: Sequence[str]) -> str | None:
        """Find the column with one of these names, in upper or lower case."""
        return next((column for column in self.columns if column.lower() in names), None)

    def numbers(self, column: str) -> Numbers:
        """Parse a column (N,); empty cells, `NA`, `null` and the like become NaN.

        Raises:
            ClipError: If a cell is not a number; the message names its line.
        """
        cells = self.columns[column]
        try:
            values = np.asarray(cells, np.float64)
            if values.ndim == 1:  # no list in a cell
                return values
        except (TypeError, ValueError, OverflowError):
            pass
        made = np.empty(len(cells))
        for row, cell in enumerate(cells):
            text = "" if cell is None else str(cell).strip()
            try:
                made[row] = np.nan if text.lower() in _MISSING else float(text)
            except ValueError:
                raise self.error(row, f"{text[:24]!r} in column {column[:40]!r} is not a number") \
                    from None  # fmt: skip
        return made

    def error(self, row: int, problem: str) -> ClipError:
        """Say what is wrong in a row, counted from 0."""
        place = f"row {row}" if self.first_line is None else f"line {self.first_line + row}"
        return ClipError(self.source, f"{place}: {problem}")


def recording_of_table(table: Table) -> Recording:
    """Read positions, joint names, confidence and frame rate from a table.

    Raises:
        ClipError: If columns are missing or contradict each other; the message names them.
    """
    if not len(table):
        raise ClipError(table.source, "a header but no rows: record it again")
    long = all(table.column_named((name,)) for name in ("joint", "x", "y", "z"))
    frame, fps = _frames(table, joints_a_frame=long)
    body = _bodies(table)
    if long:
        return _long(table, frame, body, fps)
    return _wide(table, frame, body, fps)


def _frames(table: Table, *, joints_a_frame: bool) -> tuple[NDArray[np.intp], float | None]:
    """Find the frame number of each row, from 0, and the frame rate if the table has times."""
    frame, seconds = table.column_named(_FRAME), table.column_named(_SECONDS)
    milliseconds = table.column_named(_MILLISECONDS)
    timed = seconds or milliseconds
    numbers, fps = None, None
    if timed:
        times = table.numbers(timed) * (1 if seconds else 0.001)
        different, back = np.unique(times, return_inverse=True)
        of_time, fps = frame_numbers(different, source=table.source)
        numbers = of_time[back.ravel()]
        fps = fps if len(different) > 1 else None
    if frame:
        numbers = _whole(table, frame)
    if numbers is None:
        if joints_a_frame or table.column_named(_BODY):
            raise ClipError(
                table.source, "several rows a frame, but no column 'frame' (or 'time', in seconds) "
                "that says which belong together: add one"
            )  # fmt: skip
        numbers = np.arange(len(table))
    return numbers, fps


def _whole(table: Table, column: str) -> NDArray[np.intp]:
    """Parse a column of whole numbers (N,), and count from the smallest."""
    values = table.numbers(column).copy()  # those of a Parquet file may be read-only
    odd = ~np.isfinite(values) | (values != np.rint(values))
    if odd.any():
        raise table.error(int(np.argmax(odd)), f"column {column!r} must hold whole numbers")
    values -= values.min()
    if values.max() >= MAX_RECORDING_FRAMES:
        raise ClipError(
            table.source, f"column {column!r} spans {values.max() + 1:,.0f} frames, more than the "
            f"{MAX_RECORDING_FRAMES:,} a recording may have: cut it into parts"
        )  # fmt: skip
    return values.astype(np.intp)


def _bodies(table: Table) -> NDArray[np.intp]:
    """Number the bodies in order of appearance, and give that of each row."""
    column = table.column_named(_BODY)
    if column is None:
        return np.zeros(len(table), np.intp)
    return _number_values(table, column, MOST_BODIES)[0]


def _number_values(table: Table, column: str, most: int) -> tuple[NDArray[np.intp], list[str]]:
    """Number the values of a column in order of appearance: that of each row, and their texts."""
    order: dict[str, int] = {}
    numbers = np.empty(len(table), np.intp)
    for row, cell in enumerate(table.columns[column]):
        numbers[row] = order.setdefault(str(cell).strip(), len(order))
        if len(order) > most:
            raise table.error(row, f"column {column!r} has more than {most} different values")
    return numbers, list(order)


def _wide(
    table: Table, frame: NDArray[np.intp], body: NDArray[np.intp], fps: float | None
) -> Recording:
    """Read a wide table: a row for each frame and body, with the joints side by side."""
    joints, left = _joint_columns(table)
    _check_once(table, frame, body)
    names = sorted(joints, key=int) if all(name.isdigit() for name in joints) else list(joints)
    if names[0].isdigit() and [int(name) for name in names] not in (
        list(range(len(names))), list(range(1, len(names) + 1)),
    ):  # fmt: skip
        raise ClipError(table.source, "numbered joints must run from 0 or 1 without a gap")
    shape = (int(body.max()) + 1, int(frame.max()) + 1, len(names))
    tracks = empty_tracks(*shape, source=table.source)
    sure = np.ones(shape, np.float32)
    for joint, name in enumerate(names):
        for axis, part in enumerate("xyz"):
            _put(tracks, (body, frame, joint, axis), table.numbers(joints[name][part]))
        if "c" in joints[name]:
            sure[body, frame, joint] = table.numbers(joints[name]["c"])
    named = () if names[0].isdigit() else tuple(names)
    certain = any("c" in parts for parts in joints.values())
    return _make_recording(table, tracks, sure if certain else None, named, fps, left)


def _joint_columns(table: Table) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Map joints to their columns x, y, z and perhaps c (confidence); list the other columns."""
    known = {*_FRAME, *_BODY, *_SECONDS, *_MILLISECONDS}
    joints: dict[str, dict[str, str]] = {}
    left = []
    for column in table.columns:
        if column.lower() in known:
            continue
        match = _AFTER.fullmatch(column) or _BEFORE.fullmatch(column)
        if match is None:
            left.append(column)
            continue
        groups = match.groupdict()
        part = match["part"].lower()
        parts = joints.setdefault(groups["joint"] or groups["number"], {})
        if parts.setdefault(part if part in "xyz" else "c", column) != column:
            raise ClipError(table.source, f"columns {column!r} and {parts[part]!r} are the same")
    whole = {name: parts for name, parts in joints.items() if set("xyz") <= parts.keys()}
    for name, parts in joints.items():
        axes = [axis for axis in "xyz" if axis in parts]
        if 0 < len(axes) < 3 and (len(axes) > 1 or not whole):
            lacking = next(axis for axis in "xyz" if axis not in parts)
            raise ClipError(
                table.source, f"joint {name[:40]!r} has no column for {lacking}: positions in 3D "
                "are needed"
            )  # fmt: skip
        if name not in whole:
            left += parts.values()
    if not whole:
        raise ClipError(
            table.source, "no columns of joints found: name them JOINT_x, JOINT_y, JOINT_z, or "
            "joint, x, y, z (docs/sources.md)"
        )  # fmt: skip
    if len(whole) > MOST_JOINTS:
        raise ClipError(table.source, f"{len(whole)} joints, more than the {MOST_JOINTS} of a body")
    return whole, left


def _long(
    table: Table, frame: NDArray[np.intp], body: NDArray[np.intp], fps: float | None
) -> Recording:
    """Read a long table: a row for each frame, body and joint."""
    (joint_column,) = (column for column in table.columns if column.lower() in _JOINT)
    joint, names = _number_values(table, joint_column, MOST_JOINTS)
    if all(name.isdigit() for name in names):
        joint = np.array([int(name) for name in names])[joint]
        if joint.max() >= MOST_JOINTS:
            raise ClipError(table.source, f"joint {joint.max()}: more than {MOST_JOINTS} joints")
        count, named = int(joint.max()) + 1, tuple[str, ...]()
    else:
        count, named = len(names), tuple(names)
    _check_once(table, frame, body, joint)
    shape = (int(body.max()) + 1, int(frame.max()) + 1, count)
    tracks = empty_tracks(*shape, source=table.source)
    for axis, part in enumerate("xyz"):
        _put(tracks, (body, frame, joint, axis), table.numbers(str(table.column_named((part,)))))
    certain = table.column_named(_SURE.split("|"))
    sure = np.ones(shape, np.float32)
    if certain:
        sure[body, frame, joint] = table.numbers(certain)
    return _make_recording(table, tracks, sure if certain else None, named, fps, [])


def _put(tracks: NDArray[np.float32], where: tuple[Any, ...], values: Numbers) -> None:
    """Write values in single precision; those that overflow become infinite, that is missing."""
    with np.errstate(over="ignore"):
        tracks[where] = values


def _check_once(table: Table, *keys: NDArray[np.intp]) -> None:
    """Refuse two rows for the same frame, body and joint."""
    _, first = np.unique(np.stack(keys), axis=1, return_index=True)
    if len(first) < len(table):
        again = np.ones(len(table), np.bool_)
        again[first] = False
        row = int(np.argmax(again))
        raise table.error(
            row, "its frame comes again for the same body: add a column 'body', or leave one out"
        )


def _make_recording(
    table: Table,
    tracks: NDArray[np.float32],
    confidence: NDArray[np.float32] | None,
    names: tuple[str, ...],
    fps: float | None,
    left: list[str],
) -> Recording:
    shown = ", ".join(column[:24] for column in left[:4]) + (", …" if len(left) > 4 else "")
    return Recording(
        joints=tracks,
        presence=presence_of(tracks),
        confidence=confidence,
        source=table.source,
        joint_names=names,
        stated=convention_in(table.source, fps=fps),
        default=DEFAULTS,
        notes=(f"columns that are no joints were left out: {shown}",) if left else (),
    )
