"""Delimited text, `.csv`: a table of positions, as `table` describes it, with or without a header.

Columns are separated by commas, semicolons or tabs, or by spaces if there is none of these. The
header may take several lines (`stars_infer.readers.headers`). Without one, three or four numbers a
joint are told apart by what the fourth holds.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import ClipError
from stars_infer.readers.headers import has_several_lines, read_several_lines
from stars_infer.readers.recording import Recording
from stars_infer.readers.table import Cells, Table, recording_of_table
from stars_infer.readers.text import read_text

_DELIMITERS = "\t;,"
"""The first of these that is in the header separates the columns."""
_LOOKED_AT = 8
"""Lines in which a separator is looked for."""
_MOST_LEVEL = 3
"""Highest number of a tracking state."""


def read_csv(path: Path) -> tuple[Recording, ...]:
    """Read a table in UTF-8 or UTF-16.

    Raises:
        ClipError: If the file is not such a table; the message names the line or the column.
    """
    source = str(path)
    lines = read_text(path).splitlines()
    blank = next((number for number, line in enumerate(lines) if _holds(line)), len(lines))
    lines = lines[blank:]
    if not lines:
        raise ClipError(source, "the file is empty")
    rows = _rows(lines, source)
    if has_several_lines(rows):
        return (read_several_lines(rows, source, first_line=blank + 1),)
    header, *rows = rows
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    if _are_numbers(header):
        return (_read_without_header([header, *rows], source, blank + 1),)
    columns = _columns(header, rows, source, blank + 1)
    return (recording_of_table(Table(columns=columns, source=source, first_line=blank + 2)),)


def _holds(line: str) -> bool:
    """Whether a line is neither blank nor a remark."""
    return bool(line.strip(" \t,;")) and not line.lstrip().startswith("#")


def _rows(lines: Sequence[str], source: str) -> list[list[str]]:
    """Split lines into cells."""
    marks = [mark for mark in _DELIMITERS if any(mark in line for line in lines[:_LOOKED_AT])]
    # Numbers such as 0,5 have a comma within the cells of other separators.
    if not marks:
        return [line.split() for line in lines]
    try:
        return list(csv.reader(lines, delimiter=marks[0], skipinitialspace=True))
    except csv.Error as error:
        raise ClipError(source, f"not a readable table: {error}") from error


def _columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], source: str, line: int
) -> dict[str, Cells]:
    """Map the names of columns to their cells; empty cells beyond the last name are left out."""
    names = [name.strip() for name in header]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise ClipError(source, f"line {line}: two columns are called {twice[:40]!r}")
    width = max((at for at, name in enumerate(names, start=1) if name), default=0)
    cells = []
    for number, row in enumerate(rows, start=line + 1):
        filled = max((at for at, cell in enumerate(row, start=1) if cell.strip()), default=0)
        if len(row) < width or filled > width:
            raise ClipError(
                source, f"line {number}: {len(row)} cells, but the header names {width}"
            )
        cells.append(row[:width])
    columns: dict[str, Cells] = dict(zip(names, zip(*cells, strict=True), strict=False)) \
        if cells else dict.fromkeys(names[:width], ())  # fmt: skip
    columns.pop("", None)
    return columns


def _are_numbers(row: Sequence[str]) -> bool:
    """Whether all cells of a line are numbers, so that it is no header."""
    filled = [cell.strip().replace(",", ".") for cell in row if cell.strip()]
    try:
        return len(filled) > 2 and np.isfinite([float(cell) for cell in filled]).any() is not None
    except ValueError:
        return False


def _read_without_header(rows: Sequence[Sequence[str]], source: str, first_line: int) -> Recording:
    """Read rows of numbers, x, y, z and perhaps a confidence for each joint."""
    width = max(len(row) for row in rows)
    names = [f"column {number}" for number in range(1, width + 1)]
    # Rows may end in a separator.
    while width and not any(len(row) >= width and row[width - 1].strip() for row in rows):
        width -= 1
    table = Table(
        columns=_columns(names[:width], rows, source, first_line - 1),
        source=source,
        first_line=first_line,
    )
    numbers = np.stack([table.numbers(name) for name in names[:width]], axis=1)
    before, stride = _shape_of(numbers, source)
    columns: dict[str, Cells] = {}
    if before:
        columns["frame" if _counts(numbers[:, 0]) else "time"] = numbers[:, 0]
    for column in range(before, width):
        joint, part = divmod(column - before, stride)
        columns[f"{'xyzc'[part]}{joint}"] = numbers[:, column]
    how = "x, y, z and a confidence" if stride == 4 else "x, y, z"
    note = f"no header: read as {how} for each of {(width - before) // stride} joints"
    return recording_of_table(
        Table(columns=columns, source=source, first_line=first_line, notes=(note,))
    )


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
