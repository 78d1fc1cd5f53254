"""The rows of a text table, split when they are looked at, and its columns, parsed block by block.

A number takes eight bytes as one, and sixty as a text: the cells of a large table are never all
texts at the same time.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import ClipError
from stars_infer.readers.bounds import check_memory

Row = Sequence[str]
Cells = Sequence[object] | NDArray[np.generic]
"""The cells of a column: numbers, or texts."""

MISSING = ("", "na", "n/a", "null", "none", "nan", "-nan", "#n/a", "-", "?", "missing")
"""What stands for a number that is not there, in lower case."""
MOST_COLUMNS = 20_000
"""More than the numbers of any body."""
_LONGEST_LINE = 4_000_000
_LINE_ENDS = {ord(letter): "\n" for letter in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"}
"""What ends a line beside a line feed, as `str.splitlines` has it."""
_BLOCK = 200_000
"""Cells that are texts at the same time, about."""
_DIFFERENT = 1_000
"""Different texts of a column that are kept once each."""
_A_TEXT = 90
"""Bytes that a short text takes."""


class Rows(Sequence[Row]):
    """The rows of a text, each split into cells when it is looked at.

    Blank lines and remarks at the beginning are rows of one empty cell.
    """

    def __init__(self, text: str, *, source: str, delimiter: str | None, first: int = 0) -> None:
        """Find the rows.

        Args:
            text: The text, whose lines end as those of `lines_of`.
            source: Name of the file for messages.
            delimiter: What separates cells; None for white space.
            first: Lines at the beginning that hold nothing.

        Raises:
            ClipError: If it is no such table.
        """
        self._text = text
        self._source = source
        self._delimiter = delimiter
        self._first = first
        self._starts = array("q", [0])
        at = 0
        for line in each_line(text):
            at += len(line)
            self._starts.append(at)
        if delimiter is not None and '"' in text:
            self._join_quoted()

    def _join_quoted(self) -> None:
        """Make one row of lines that are parts of a quoted cell."""
        joined = array("q", self._starts[: self._first + 1])
        try:
            reader = self._split(self._lines(self._first, len(self)))
            for _ in reader:
                joined.append(self._starts[self._first + reader.line_num])  # type: ignore[attr-defined]
        except csv.Error as error:
            raise ClipError(self._source, f"not a readable table: {error}") from error
        self._starts = joined

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            start, end, _ = index.indices(len(self))
            return list(self.between(start, end))
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(index)
        return next(self.between(index, index + 1))

    def between(self, start: int, end: int | None = None) -> Iterator[Row]:
        """Yield the rows from one on, up to another or the last.

        Raises:
            ClipError: If one cannot be split.
        """
        end = len(self) if end is None else end
        for _ in range(start, min(self._first, end)):
            yield [""]
        try:
            yield from self._split(self._lines(max(start, self._first), end))
        except csv.Error as error:
            raise ClipError(self._source, f"not a readable table: {error}") from error

    def _lines(self, start: int, end: int) -> Iterator[str]:
        for number in range(start, end):
            one, two = self._starts[number], self._starts[number + 1]
            if two - one > _LONGEST_LINE:
                raise ClipError(self._source, f"line {number + 1} has {two - one:,} letters: "
                                "not a readable table")  # fmt: skip
            yield self._text[one:two]

    def _split(self, lines: Iterable[str]) -> Iterator[Row]:
        if self._delimiter is None:
            return (line.split() for line in lines)
        return csv.reader(lines, delimiter=self._delimiter, skipinitialspace=True)


def lines_of(text: str) -> str:
    r"""A text whose lines all end in `\n`."""
    if text.isascii() and not any(chr(letter) in text for letter in _LINE_ENDS if letter < 128):
        return text
    return text.translate(_LINE_ENDS)


def each_line(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, one by one."""
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        yield text[at:end]
        at = end


class Columns:
    """Gathers the cells of some columns of a table, row by row.

    Attributes:
        length: Number of rows so far.
    """

    def __init__(
        self,
        texts: Sequence[bool],
        *,
        strict: Sequence[bool],
        source: str,
        size: int,
    ) -> None:
        """Begin.

        Args:
            texts: For each column, whether its cells are kept as they are.
            strict: For each column, whether cells stay texts if one of them is empty or such.
            source: Name of the file for messages.
            size: Its size in bytes.
        """
        self.length = 0
        self._texts, self._strict = texts, strict
        self._source, self._size = source, size
        self._blocks: list[list[Cells]] = [[] for _ in texts]
        self._different: list[dict[str, str]] = [{} for _ in texts]
        self._rows: list[Row] = []
        self._most = max(1, _BLOCK // max(len(texts), 1))
        self._taken = 0

    def add(self, row: Row) -> None:
        """Take the cells of a row, of which there is one for each column.

        Raises:
            ClipError: If there are more texts than a file of this size may hold.
        """
        self._rows.append(row)
        self.length += 1
        if len(self._rows) >= self._most:
            self._flush()

    def cells(self) -> list[Cells]:
        """The cells of each column: an array if all are numbers, or else texts."""
        self._flush()
        made: list[Cells] = []
        for blocks in self._blocks:
            numbers = [block for block in blocks if isinstance(block, np.ndarray)]
            if numbers and len(numbers) == len(blocks):
                made.append(numbers[0] if len(numbers) == 1 else np.concatenate(numbers))
            else:
                made.append([cell for block in blocks for cell in _as_texts(block)])
            blocks.clear()
        return made

    def _flush(self) -> None:
        if not self._rows:
            return
        for column, cells in enumerate(zip(*self._rows, strict=True)):
            numbers = None
            if not self._texts[column]:
                numbers = _numbers(cells, strict=self._strict[column])
            self._blocks[column].append(self._kept(column, cells) if numbers is None else numbers)
        self._rows.clear()

    def _kept(self, column: int, cells: Sequence[str]) -> list[str]:
        """Texts, of which equal ones are the same object as long as few differ."""
        different = self._different[column]
        kept = []
        self._taken += 16 * len(cells)
        for cell in cells:
            found = different.get(cell)
            if found is None:
                found = cell
                self._taken += _A_TEXT + len(cell)
                if len(different) < _DIFFERENT:
                    different[cell] = cell
            kept.append(found)
        check_memory(self._taken, "its texts", source=self._source, size=self._size)
        return kept


def number_in(text: str) -> float:
    """Read a number, whose decimal mark may be a comma; NaN if the text says that it is missing.

    Raises:
        ValueError: If it is none.
    """
    if text.lower() in MISSING:
        return np.nan
    return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)


def _numbers(cells: Sequence[str], *, strict: bool) -> NDArray[np.float64] | None:
    """Parse cells; None if one is no number."""
    try:
        return np.array(cells, np.float64)
    except ValueError:
        if strict:
            return None
    try:
        return np.array([number_in(cell.strip()) for cell in cells])
    except ValueError:
        return None


def _as_texts(block: Cells) -> Iterable[object]:
    if isinstance(block, np.ndarray):
        return ["" if np.isnan(number) else repr(number) for number in block.tolist()]
    return block
