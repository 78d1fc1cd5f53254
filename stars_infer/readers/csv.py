"""Text in columns, `.csv`, `.tsv` and `.txt`: a `table` of positions, with or without a header.

Columns are separated by commas, semicolons or tabs, or by spaces if there is none of these. The
header may take several lines (`stars_infer.readers.headers`). Without one, three or four numbers a
joint are told apart by what the fourth holds; a row may be a frame, of one body or of two, or a
joint.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import ClipError
from stars_infer.layouts import layouts_with
from stars_infer.readers.cells import MOST_COLUMNS, Cells, Columns, Row, Rows, each_line, lines_of
from stars_infer.readers.columns import BODY, JOINT, plain
from stars_infer.readers.headers import has_several_lines, read_several_lines
from stars_infer.readers.recording import Recording
from stars_infer.readers.table import DEFAULTS, Table, recording_of_table
from stars_infer.readers.text import read_text
from stars_infer.readers.timing import unit_in

_DELIMITERS = "\t;,"
"""The first of these that is in the header separates the columns."""
_LOOKED_AT = 8
"""Lines in which a separator is looked for."""
_LONGEST_NAME = 200
"""Letters of a column's name that count."""
_BEGINNING = 20_000
"""Bytes of a text by which it is told whether it holds numbers."""
_MOST_LEVEL = 3
"""Highest number of a tracking state."""


def read_csv(path: Path) -> tuple[Recording, ...]:
    """Read a table in UTF-8 or UTF-16.

    Raises:
        ClipError: If the file is not such a table; the message names the line or the column.
    """
    source, size = str(path), path.stat().st_size
    text = _without_blank_end(lines_of(read_text(path)))
    blank = _blank_lines(text)
    if blank is None:
        raise ClipError(source, "the file is empty")
    rows = Rows(text, source=source, delimiter=_delimiter(text), first=blank)
    del text
    if has_several_lines(rows, blank):
        return (read_several_lines(rows, source, first_line=blank + 1, size=size),)
    header, end = rows[blank], len(rows)
    if len(header) > MOST_COLUMNS:
        raise ClipError(source, f"{len(header):,} columns are too many to be those of joints")
    while end > blank + 1 and not any(cell.strip() for cell in rows[end - 1]):
        end -= 1
    if _are_numbers(header):
        return (_read_without_header(rows, blank, end, source, size),)
    columns = _columns(header, rows.between(blank + 1, end), source, size, blank + 1)
    return (
        recording_of_table(Table(columns=columns, source=source, size=size, first_line=blank + 2)),
    )


def holds_numbers(path: Path) -> bool:
    """Whether a text begins with numbers, as recordings do, and notes and lists of names do not."""
    try:
        with path.open("rb") as file:
            start = file.read(_BEGINNING).decode("utf-8-sig")
    except (OSError, ValueError):
        return False
    lines = [line for line in start.splitlines()[:_LOOKED_AT] if _holds(line)]
    return bool(lines) and _are_numbers(re.split(r"[\s;,]+", lines[0].strip(" \t;,")))


def _without_blank_end(text: str) -> str:
    """A text without the lines at its end that hold nothing."""
    last = len(text.rstrip(" \t,;\n"))
    end = text.find("\n", last) + 1
    return text[:end] if end else text


def _blank_lines(text: str) -> int | None:
    """How many lines come before the first that holds something; None if none does."""
    for number, line in enumerate(each_line(text)):
        if _holds(line):
            return number
    return None


def _delimiter(text: str) -> str | None:
    """What separates columns: the first mark that is in one of the first lines with something."""
    lines = list(islice(filter(_holds, each_line(text)), _LOOKED_AT))
    # Numbers such as 0,5 have a comma within the cells of other separators.
    return next((mark for mark in _DELIMITERS if any(mark in line for line in lines)), None)


def _holds(line: str) -> bool:
    """Whether a line is neither blank nor a remark."""
    return bool(line.strip(" \t,;\n")) and not line.lstrip().startswith("#")


def _columns(
    header: Sequence[str], rows: Iterable[Row], source: str, size: int, line: int
) -> dict[str, Cells]:
    """Map the names of columns to their cells; empty cells beyond the last name are left out."""
    names = [name.strip()[:_LONGEST_NAME] for name in header]
    times = Counter(names)
    twice = next((name for name in names if name and times[name] > 1), None)
    if twice is not None:
        raise ClipError(source, f"line {line}: two columns are called {twice[:40]!r}")
    width = max((at for at, name in enumerate(names, start=1) if name), default=0)
    gathered = Columns(
        [plain(name) in (*BODY, *JOINT) for name in names[:width]],
        strict=[unit_in(name) is not None for name in names[:width]],
        source=source,
        size=size,
    )
    for number, row in enumerate(rows, start=line + 1):
        if len(row) < width or any(map(str.strip, row[width:])):
            raise ClipError(
                source, f"line {number}: {len(row)} cells, but the header names {width}"
            )
        gathered.add(row[:width])
    columns = dict(zip(names, gathered.cells(), strict=False))
    columns.pop("", None)
    return columns


def _are_numbers(row: Sequence[str]) -> bool:
    """Whether all cells of a line are numbers, so that it is no header."""
    filled = [cell.strip().replace(",", ".") for cell in row if cell.strip()]
    try:
        return len(filled) > 2 and np.isfinite([float(cell) for cell in filled]).any() is not None
    except ValueError:
        return False


def _read_without_header(rows: Rows, start: int, end: int, source: str, size: int) -> Recording:
    """Read rows of numbers, x, y, z and perhaps a confidence for each joint."""
    # Rows may end in a separator.
    width = max(
        at
        for row in rows.between(start, end)
        for at, cell in enumerate((".", *row))
        if cell.strip()
    )
    if width > MOST_COLUMNS:
        raise ClipError(source, f"{width:,} columns are too many to be those of joints")
    names = [f"column {number}" for number in range(1, width + 1)]
    table = Table(
        columns=_columns(names, rows.between(start, end), source, size, start),
        source=source,
        size=size,
        first_line=start + 1,
    )
    numbers = np.stack([table.numbers(name) for name in names], axis=1)
    before, stride = _shape_of(numbers, source)
    joints = (width - before) // stride
    if joints == 1 or _are_of_two(joints):  # the layout decides: a row a joint, or two bodies
        parts = numbers[:, before:].reshape(len(numbers), joints, stride)[..., :3]
        return Recording(
            joints=parts.reshape(len(numbers), -1),
            source=source,
            default=replace(DEFAULTS, layout="ntu25" if joints == 50 else None),
        )
    columns: dict[str, Cells] = {}
    if before:
        columns["frame" if _counts(numbers[:, 0]) else "time"] = numbers[:, 0]
    for column in range(before, width):
        joint, part = divmod(column - before, stride)
        columns[f"{'xyzc'[part]}{joint}"] = numbers[:, column]
    how = "x, y, z and a confidence" if stride == 4 else "x, y, z"
    note = f"no header: read as {how} for each of {joints} joints"
    return recording_of_table(
        Table(columns=columns, source=source, size=size, first_line=start + 1, notes=(note,))
    )


def _are_of_two(joints: int) -> bool:
    """Whether so many joints are of no known layout, but half of them are."""
    return joints % 2 == 0 and not layouts_with(joints) and bool(layouts_with(joints // 2))


def _shape_of(numbers: NDArray[np.float64], source: str) -> tuple[int, int]:
    """Tell how many columns come before those of joints, and how many a joint has."""
    width = numbers.shape[1]
    rising = len(numbers) > 1 and bool((np.diff(numbers[:, 0]) > 0).all())
    for before in (1, 0) if rising else (0,):
        if (width - before) % 4 == 0 and _are_states(numbers[:, before + 3 :: 4]):
            return before, 4
    for before in (1, 0) if rising else (0,):
        if (width - before) % 3 == 0:
            return before, 3
    raise ClipError(
        source, f"no header, and {width} columns are neither x, y, z nor x, y, z and a confidence "
        "for each joint: add a first line with names such as head_x, head_y, head_z"
    )  # fmt: skip


def _are_states(values: NDArray[np.float64]) -> bool:
    """Whether numbers are tracking states or a confidence rather than positions."""
    known = values[np.isfinite(values)]
    if not len(known) or known.min() < 0:
        return False
    whole = bool((known == np.rint(known)).all())
    return float(known.max()) <= (_MOST_LEVEL if whole else 1)


def _counts(values: NDArray[np.float64]) -> bool:
    """Whether numbers count frames one by one."""
    return bool((np.diff(values) == 1).all() and (values == np.rint(values)).all())
