"""Tables on terminals of any width, in which paths are neither folded nor cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stars_infer.errors import printable

_FOLDED = 20
"""Characters up to which a text that is no path is not folded, either."""


@dataclass(frozen=True, slots=True)
class PathCell:
    """A path in a table, which stays in one piece, so that it can be copied.

    Attributes:
        path: The path, in full.
    """

    path: str

    def __str__(self) -> str:
        return self.path


def print_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table, in the widest form for which there is room.

    Where a table with lines around its cells is too wide for its paths, the lines go, and paths of
    one row stand below each other; where that is too wide, each row becomes a few lines of text.
    Texts that are not paths are folded between words.

    Args:
        console: Where to print.
        columns: Headings.
        rows: Cells: `Text`, `PathCell` or `Path`, or anything else that has a text.
    """
    paths = {at for row in rows for at, cell in enumerate(row) if isinstance(cell, PathCell | Path)}
    cells = [[_text(cell) for cell in row] for row in rows]
    framed = Table(header_style="bold")
    room = 1 + _add(framed, [Text(column) for column in columns], cells, paths, 3)
    if not paths or room <= console.width:
        console.print(framed)
        return
    first, *others = sorted(paths)
    heading, *cells = (
        _below_each_other(row, first, others) for row in ([*map(Text, columns)], *cells)
    )
    plain = Table(header_style="bold", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    if _add(plain, heading, cells, {first}, 2) - 2 <= console.width:
        console.print(plain)
    else:
        _print_in_lines(console, columns, rows)


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(printable(str(cell)))


def _add(
    table: Table, heading: list[Text], rows: list[list[Text]], paths: set[int], between: int
) -> int:
    """Fill a table, and return the width that it needs."""
    room = 0
    for at, column in enumerate(heading):
        texts = [line.plain for row in (heading, *rows) for line in row[at].split("\n")]
        least = max(_least(text, whole=at in paths) for text in texts)
        table.add_column(
            column, overflow="fold", no_wrap=at in paths, min_width=least if paths else None
        )
        room += least + between
    for row in rows:
        table.add_row(*row)
    return room


def _least(text: str, *, whole: bool) -> int:
    """The least width to which a text may be folded."""
    words = max(map(cell_len, text.split()), default=0)
    return cell_len(text) if whole else min(cell_len(text), max(words, _FOLDED))


def _below_each_other(row: list[Text], first: int, others: list[int]) -> list[Text]:
    """A row in which the first path has the others below it."""
    joined = Text("\n  ").join([row[at] for at in (first, *others)])
    return [joined if at == first else cell for at, cell in enumerate(row) if at not in others]


def _print_in_lines(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Print each row as its first path, and what the other columns say of it."""
    for row in rows:
        first = next((at for at, cell in enumerate(row) if isinstance(cell, PathCell | Path)), None)
        if first is not None:
            console.print(_text(row[first]), soft_wrap=True)
        for at, (column, cell) in enumerate(zip(columns, row, strict=True)):
            if at != first and str(cell):
                console.print(Text(f"  {column} ", style="dim") + _text(cell), soft_wrap=True)
