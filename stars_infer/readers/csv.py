"""Comma-separated values, `.csv`: a table of positions with a header, as `table` describes it."""

from __future__ import annotations

import csv
from pathlib import Path

from stars_infer.errors import ClipError
from stars_infer.readers.recording import Recording
from stars_infer.readers.table import Table, recording_of_table

_DELIMITERS = "\t;,"
"""The first of these that is in the header separates the columns."""


def read_csv(path: Path) -> tuple[Recording, ...]:
    """Read a UTF-8 table whose columns are separated by commas, semicolons or tabs.

    Raises:
        ClipError: If the file is not such a table; the message names the line or the column.
    """
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClipError(source, f"not UTF-8 text ({error.reason}): save it as UTF-8") from error
    lines = text.splitlines()
    blank = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[blank:]
    if not lines:
        raise ClipError(source, "the file is empty")
    delimiter = next((mark for mark in _DELIMITERS if mark in lines[0]), ",")
    try:
        header, *rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    except csv.Error as error:
        raise ClipError(source, f"not a readable table: {error}") from error
    names = [name.strip() for name in header]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise ClipError(source, f"line {blank + 1}: two columns are called {twice[:40]!r}")
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    for number, row in enumerate(rows, start=blank + 2):
        if len(row) != len(names):
            raise ClipError(
                source, f"line {number}: {len(row)} cells, but the header names {len(names)}"
            )
    columns = dict(zip(names, zip(*rows, strict=True), strict=False)) if rows else \
        dict.fromkeys(names, ())  # fmt: skip
    columns.pop("", None)
    return (recording_of_table(Table(columns=columns, source=source, first_line=blank + 2)),)
