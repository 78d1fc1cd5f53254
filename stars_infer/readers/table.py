"""Read positions from the columns of a table, as `.csv` and `.parquet` files hold them.

A wide table has a row for each frame (and body), and three columns for each joint: `hip_x`,
`hip.y`, `z_hip`, or numbered `x0`, `y0`, `z0`. A long table has a row for each joint of a frame,
with the columns `joint`, `x`, `y` and `z`. Both may have the columns `frame` or `time`, `body`, and
a confidence for each joint (`stars_infer.readers.columns`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import MAX_RECORDING_FRAMES
from stars_infer.clips.convention import Convention
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import ClipError
from stars_infer.layouts import numbers_in
from stars_infer.readers.cells import Cells, number_in
from stars_infer.readers.columns import (
    BODY,
    FRAME,
    JOINT,
    axis_columns,
    column_named,
    joint_columns,
    sure_column,
    unit_of_columns,
)
from stars_infer.readers.confidence import states_in_words, to_share
from stars_infer.readers.recording import (
    MOST_BODIES,
    MOST_JOINTS,
    Recording,
    convention_in,
    empty_tracks,
)
from stars_infer.readers.timing import Timing, seconds_of, timing_of, unit_in

DEFAULTS = Convention(units="m", up="y", handedness="right")
Numbers = NDArray[np.float64]
Confidence = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns of a file, all of one length.

    Attributes:
        columns: Names of the columns, as in the file, and their cells.
        source: Name of the file for messages.
        size: Bytes of the file.
        first_line: Line of the first row in the file; None if the file has no lines.
        stated: What the file says beside its columns.
        default: What is usual in the file's format.
        notes: Remarks of the reader.
    """

    columns: Mapping[str, Cells]
    source: str
    size: int
    first_line: int | None = None
    stated: Convention = Convention()  # noqa: RUF009 (it is frozen)
    default: Convention = DEFAULTS
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

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
                made[row] = number_in(text)
            except ValueError:
                raise self.error(row, f"{text[:24]!r} in column {column[:40]!r} is not a number") \
                    from None  # fmt: skip
        return made

    def confidence(self, column: str) -> Confidence:
        """Parse a column of confidence (N,), which may hold tracking states in words.

        Raises:
            ClipError: If a cell is neither a number nor a state.
        """
        try:
            return self.numbers(column)
        except ClipError:
            states = states_in_words(self.columns[column])
            if states is None:
                raise
            return states

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
    joint, axes = column_named(table.columns, JOINT), axis_columns(table.columns)
    timing, frame, notes = _frames(table, joints_a_frame=bool(joint and axes))
    body = _bodies(table)
    if joint and axes:
        recording = _long(table, frame, body, joint, axes)
    else:
        recording = _wide(table, frame, body)
    fps = None if timing is None else timing.fps
    unit = unit_of_columns(table.columns)
    stated = convention_in(table.source, fps=fps, units=unit).over(table.stated)
    recording = replace(recording, stated=stated, notes=(*recording.notes, *notes))
    return recording if timing is None else timing.evened(recording)


def _frames(
    table: Table, *, joints_a_frame: bool
) -> tuple[Timing | None, NDArray[np.intp], tuple[str, ...]]:
    """Find when frames were taken, the frame number of each row from 0, and notes on times."""
    frame, timing, notes = column_named(table.columns, FRAME), None, []
    numbers: NDArray[np.intp] | None = None
    for column in table.columns:
        unit = unit_in(column)
        times = None if unit is None else seconds_of(table.columns[column], unit)
        if times is None and unit is not None:
            notes.append(
                f"column {column[:40]!r} holds no times in s, ms, µs or ns and no dates: left out"
            )
        if times is not None and not np.isnan(times).all():
            different, back = np.unique(times, return_inverse=True)
            timing = timing_of(different, source=table.source)
            numbers = timing.numbers[back.ravel()]
            break
    if frame:
        numbers = _whole(table, frame)
        if timing is not None:
            timing = replace(timing, uneven=None)
    if numbers is None:
        if joints_a_frame or column_named(table.columns, BODY):
            raise ClipError(
                table.source, "several rows a frame, but no column 'frame' (or 'time', in seconds) "
                "that says which belong together: add one"
            )  # fmt: skip
        numbers = np.arange(len(table))
    return timing, numbers, tuple(notes)


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
    column = column_named(table.columns, BODY)
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


def _wide(table: Table, frame: NDArray[np.intp], body: NDArray[np.intp]) -> Recording:
    """Read a wide table: a row for each frame and body, with the joints side by side."""
    found = joint_columns(list(table.columns), source=table.source)
    joints = found.joints or found.flat
    for name, axis in found.lacking.items():
        raise ClipError(
            table.source, f"joint {name[:40]!r} has no column for {axis}: positions in 3D are "
            "needed"
        )  # fmt: skip
    if not joints:
        raise ClipError(
            table.source, "no columns of joints found: name them JOINT_x, JOINT_y, JOINT_z, or "
            "joint, x, y, z (docs/sources.md)"
        )  # fmt: skip
    _check_once(table, frame, body)
    names = list(joints)
    if names[0].isdigit() and numbers_in(names) is None:
        raise ClipError(table.source, "numbered joints must run from 0 or 1 without a gap")
    shape = (int(body.max()) + 1, int(frame.max()) + 1, len(names))
    tracks = empty_tracks(*shape, source=table.source, size=table.size)
    sure = np.full(shape, np.nan)
    for joint, name in enumerate(names):
        for at, part in enumerate("xyz"):
            column = joints[name].get(part)
            values = np.zeros(len(table)) if column is None else table.numbers(column)
            _put(tracks, (body, frame, joint, at), values)
        if "c" in joints[name]:
            sure[body, frame, joint] = table.confidence(joints[name]["c"])
    certain = any("c" in parts for parts in joints.values())
    made = _make_recording(table, tracks, sure if certain else None, tuple(names), found.left)
    reason = f"joint {names[0][:40]!r} has no column for z: positions in 3D are needed"
    return replace(made, flat=reason) if found.flat else made


def _long(
    table: Table,
    frame: NDArray[np.intp],
    body: NDArray[np.intp],
    joint_column: str,
    axes: Mapping[str, str],
) -> Recording:
    """Read a long table: a row for each frame, body and joint."""
    joint, names = _number_values(table, joint_column, MOST_JOINTS)
    if all(name.isdigit() for name in names):
        numbers = np.array([int(name) for name in names])
        first = int(numbers.min()) if numbers_in(names) else 0
        joint = (numbers - first)[joint]
        if joint.max() >= MOST_JOINTS:
            raise ClipError(table.source, f"joint {joint.max()}: more than {MOST_JOINTS} joints")
        count, named = int(joint.max()) + 1, tuple[str, ...]()
    else:
        count, named = len(names), tuple(names)
    _check_once(table, frame, body, joint)
    shape = (int(body.max()) + 1, int(frame.max()) + 1, count)
    tracks = empty_tracks(*shape, source=table.source, size=table.size)
    for axis, part in enumerate("xyz"):
        _put(tracks, (body, frame, joint, axis), table.numbers(axes[part]))
    certain = sure_column(table.columns)
    sure = np.full(shape, np.nan)
    if certain:
        sure[body, frame, joint] = table.confidence(certain)
    return _make_recording(table, tracks, sure if certain else None, named, [])


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
    confidence: Confidence | None,
    names: tuple[str, ...],
    left: Sequence[str],
) -> Recording:
    shown = ", ".join(column[:24] for column in left[:4]) + (", …" if len(left) > 4 else "")
    notes = (f"columns that are no joints were left out: {shown}",) if left else ()
    return Recording(
        joints=tracks,
        presence=presence_of(tracks),
        confidence=None if confidence is None else to_share(confidence),
        source=table.source,
        joint_names=names,
        default=table.default,
        notes=(*table.notes, *notes),
    )
