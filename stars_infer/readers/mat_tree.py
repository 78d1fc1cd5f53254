"""The variables of a MATLAB file of version 5 (`save -v6`, `-v7`), as plain Python values.

The form is described in "MAT-File Format", MathWorks:
https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf. Objects, functions and sparse
matrices are passed over. SciPy's reader ends the process on some damaged files.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.errors import ClipError
from stars_infer.readers.bounds import check_memory

_HEADER = 128
_MATRIX, _PACKED = 14, 15
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
"""Kinds of elements that hold numbers."""
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
"""Kinds of matrices that hold numbers, which may be written shorter."""
_COMPLEX = 0x800
_DEEPEST = 16
_COPIES = 10
"""Times that the bytes of a file are in memory: a number may be written in one byte."""
_EMPTY = 100
"""Bytes that a value takes at least, even an empty one, of eight in the file."""

_PASSED_OVER = object()


def read_variables(path: Path) -> dict[str, Any]:
    """Read the variables of a file.

    Numbers are arrays, or plain numbers where there is one; texts are strings; structures are
    dictionaries, several of them lists of dictionaries; cells are lists.

    Raises:
        ClipError: If the file is damaged or cut short, or unpacks to too much.
    """
    source, data = str(path), path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise ClipError(source, "not a .mat file of version 5 or later: save it with -v7")
    try:
        return _Elements(data, order, source).variables()
    except (LookupError, ValueError, TypeError, OverflowError, zlib.error) as error:
        raise ClipError(source, "damaged or cut short: copy or save it again") from error


class _Elements:
    """Parses the elements of a file."""

    def __init__(self, data: bytes, order: str, source: str) -> None:
        self.data, self.order, self.source = data, order, source
        self.taken = 0

    def variables(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        at = _HEADER
        while at + 8 <= len(self.data):
            kind, start, end, at = self.element(self.data, at)
            data = self.data
            if kind == _PACKED:
                at = end  # they alone are not padded
                data = self.unpacked(self.data[start:end])
                kind, start, end, _ = self.element(data, 0)
            if kind != _MATRIX:
                continue
            name, value = self.matrix(data, start, end, depth=0)
            if value is not _PASSED_OVER:
                found[name] = value
        return found

    def element(self, data: bytes, at: int) -> tuple[int, int, int, int]:
        """An element: its kind, where its content starts and ends, and where the next begins."""
        word, size = (self.whole(data, at + step) for step in (0, 4))
        if word >> 16:  # kind and size share four bytes, and the content follows at once
            kind, size, start = word & 0xFFFF, word >> 16, at + 4
            after = at + 8
        else:
            kind, start = word, at + 8
            after = start + -(-size // 8) * 8
        if start + size > len(data):
            raise ValueError("an element that reaches beyond its own")
        return kind, start, start + size, after

    def whole(self, data: bytes, at: int) -> int:
        if at + 4 > len(data):
            raise ValueError("cut short")
        return int.from_bytes(data[at : at + 4], "little" if self.order == "<" else "big")

    def unpacked(self, packed: bytes) -> bytes:
        """What is packed by zlib."""
        unpacker, parts = zlib.decompressobj(), []
        while packed:
            parts.append(unpacker.decompress(packed, 1 << 20))
            packed = unpacker.unconsumed_tail
            self.count(_COPIES * len(parts[-1]))
        return b"".join(parts)

    def count(self, taken: int) -> None:
        """Count memory that is taken."""
        self.taken += taken
        check_memory(self.taken, "its variables", source=self.source, size=len(self.data))

    def matrix(self, data: bytes, at: int, end: int, *, depth: int) -> tuple[str, Any]:
        """A matrix: its name and value."""
        self.count(_EMPTY)
        if at == end:
            return "", np.zeros(0)
        if depth > _DEEPEST:
            raise ValueError("too deep")
        _, start, _, at = self.element(data, at)
        flags = self.whole(data, start)
        what = flags & 0xFF
        shape, at = self.numbers(data, at)
        _, start, stop, at = self.element(data, at)
        name = data[start:stop].decode("latin-1")
        sizes = tuple(map(int, shape))
        length = int(np.prod(np.array(sizes, object))) if sizes else 0
        if min(sizes, default=0) < 0:
            raise ValueError("a matrix of a negative size")
        if what == _CELL:
            return name, self.several(data, at, end, length, depth=depth)[0]
        if what == _STRUCT:
            return name, self.structures(data, at, end, length, depth=depth)
        if what == _CHAR:
            return name, self.text(data, at, sizes)
        if what not in _CLASSES or flags & _COMPLEX:
            return name, _PASSED_OVER
        values, _ = self.numbers(data, at)
        values = values.reshape(sizes, order="F").astype(_CLASSES[what])
        return name, values.item() if values.size == 1 else values

    def numbers(self, data: bytes, at: int) -> tuple[np.ndarray[Any, Any], int]:
        kind, start, end, after = self.element(data, at)
        number = np.dtype(self.order + _NUMBERS[kind])
        return np.frombuffer(data[start:end], number), after

    def text(self, data: bytes, at: int, sizes: tuple[int, ...]) -> Any:
        """A text; a list where it has several rows."""
        kind, start, end, _ = self.element(data, at)
        ending = {"utf-16": "-le" if self.order == "<" else "-be"}
        coding = _TEXTS[kind] + ending.get(_TEXTS[kind], "")
        letters = data[start:end].decode(coding, errors="replace")
        rows = sizes[0] if sizes else 0
        if rows <= 1:
            return letters
        if rows > len(letters):
            raise ValueError("fewer letters than rows")
        return [letters[row::rows].rstrip() for row in range(rows)]  # column by column

    def several(
        self, data: bytes, at: int, end: int, length: int, *, depth: int
    ) -> tuple[list[Any], int]:
        """The values of some matrices in a row."""
        values: list[Any] = []
        for _ in range(length):
            if at >= end:
                raise ValueError("cut short")
            kind, start, stop, at = self.element(data, at)
            if kind != _MATRIX:
                raise ValueError("a cell that holds no matrix")
            values.append(self.matrix(data, start, stop, depth=depth + 1)[1])
        return values, at

    def structures(self, data: bytes, at: int, end: int, length: int, *, depth: int) -> Any:
        widths, at = self.numbers(data, at)
        _, start, stop, at = self.element(data, at)
        width = int(widths[0])
        if width < 1:
            raise ValueError("names without letters")
        names = [
            data[one : one + width].partition(b"\x00")[0].decode("latin-1")
            for one in range(start, stop, width)
        ]
        found: list[dict[str, Any]] = []
        for _ in range(length):
            if names and at >= end:
                raise ValueError("cut short")
            self.count(_EMPTY * (len(names) + 1))
            values, at = self.several(data, at, end, len(names), depth=depth)
            found.append({name: value for name, value in zip(names, values, strict=True)
                          if value is not _PASSED_OVER})  # fmt: skip
        return found[0] if len(found) == 1 else found
