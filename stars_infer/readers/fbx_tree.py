"""The records of an FBX file, in its binary or its text form, as a tree.

A record has a name, values, and records in it. Geometry, pictures and all else that animates
nothing are passed over. Blender's notes on the binary form describe it:
https://code.blender.org/2013/08/fbx-binary-file-format-specification/.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.errors import ClipError
from stars_infer.readers.bounds import check_memory

_MAGIC = b"Kaydara FBX Binary  \x00\x1a\x00"
_HEADER = len(_MAGIC) + 4
_WIDE = 7500
"""Version from which on a record tells its size in 64 bits."""
_OLDEST = 7000
_KEPT = frozenset(
    ("GlobalSettings", "Objects", "Connections", "Model", "AnimationStack", "AnimationLayer",
     "AnimationCurveNode", "AnimationCurve")
)  # fmt: skip
"""Records that are read, of those of the file and those of `Objects`."""
_DEEPEST = 12
_SCALARS = {"Y": "<h", "C": "<?", "I": "<i", "F": "<f", "D": "<d", "L": "<q"}
_ARRAYS = {"f": "<f4", "d": "<f8", "i": "<i4", "l": "<i8", "b": "?", "c": "u1"}
_DAMAGE = (struct.error, zlib.error, LookupError, ValueError, TypeError, OverflowError)
"""What damage ends in."""
_LINE = re.compile(r'\s*(?:([\w|]+):|\})?\s*((?:"[^"]*"|[^";{])*)(\{)?')
_VALUE = re.compile(r'"([^"]*)"|([^,\s]+)')


@dataclass(slots=True)
class Record:
    """A record.

    Attributes:
        name: What it is.
        values: Its values: numbers, texts, or arrays of numbers.
        inner: The records in it.
    """

    name: str
    values: list[Any] = field(default_factory=list)
    inner: list[Record] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Record]:
        """The records of a name in it."""
        return (one for one in self.inner if one.name == name)

    def first(self, name: str) -> Record:
        """The first of them; an empty one if there is none."""
        return next(self.all(name), Record(name))


def read_records(path: Path) -> Record:
    """Read a file as a record without a name.

    Raises:
        ClipError: If it is no FBX file, of before version 7, damaged, or unpacks to too much.
    """
    data, source = path.read_bytes(), str(path)
    try:
        if data.startswith(_MAGIC):
            return _Binary(data, source).root()
        text = data.decode("utf-8-sig", errors="replace")
        if "\x00" in text[:1000] or not re.search(r"^\s*FBXHeaderExtension:", text, re.MULTILINE):
            raise ClipError(source, "not an FBX file")
        return _of_text(text, source)
    except _DAMAGE as error:
        raise ClipError(source, "damaged or cut short: copy or export it again") from error


def _check_version(version: int, source: str) -> None:
    if version < _OLDEST:
        raise ClipError(
            source, f"FBX of version {version / 1000:g}: export it as FBX 2011 or later"
        )  # fmt: skip


class _Binary:
    """Parses the binary form."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data, self.source = data, source
        (version,) = struct.unpack_from("<I", data, len(_MAGIC))
        _check_version(version, source)
        self.head = struct.Struct("<QQQB" if version >= _WIDE else "<IIIB")
        self.unpacked = 0

    def root(self) -> Record:
        record = Record("")
        self.fill(record, _HEADER, len(self.data), depth=0)
        return record

    def fill(self, record: Record, at: int, end: int, *, depth: int) -> None:
        """Read the records between two places into one."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        while at + self.head.size <= end:
            after, count, length, name_length = self.head.unpack_from(self.data, at)
            if after == 0:
                return
            begin = at + self.head.size + name_length
            if not begin + length <= after <= end:
                raise ValueError("a record that reaches beyond its own")
            name = self.data[begin - name_length : begin].decode("ascii", errors="replace")
            if name in _KEPT or (depth and record.name != "Objects"):
                inner = Record(name, self.values(begin, begin + length, count))
                self.fill(inner, begin + length, after, depth=depth + 1)
                record.inner.append(inner)
            at = after

    def values(self, at: int, end: int, count: int) -> list[Any]:
        values: list[Any] = []
        for _ in range(count):
            if at >= end:
                raise ValueError("values that reach beyond their record")
            kind = chr(self.data[at])
            at += 1
            if kind in _SCALARS:
                values += struct.unpack_from(_SCALARS[kind], self.data, at)
                at += struct.calcsize(_SCALARS[kind])
            elif kind in "SR":
                (length,) = struct.unpack_from("<I", self.data, at)
                text = self.data[at + 4 : min(at + 4 + length, end)]
                values.append(text.decode("utf-8", errors="replace") if kind == "S" else b"")
                at += 4 + length
            else:
                length, packed, size = struct.unpack_from("<III", self.data, at)
                values.append(self.array(np.dtype(_ARRAYS[kind]), at + 12, length, packed, size))
                at += 12 + size
        if at > end:
            raise ValueError("values that reach beyond their record")
        return values

    def array(self, kind: np.dtype[Any], at: int, length: int, packed: int, size: int) -> Any:
        """An array of numbers, which may be packed."""
        needed = length * kind.itemsize
        self.unpacked += needed
        check_memory(6 * self.unpacked, "keys", source=self.source, size=len(self.data))
        raw = self.data[at : at + size]
        if packed:
            raw = zlib.decompressobj().decompress(raw, needed + 1)
        if len(raw) != needed:
            raise ValueError("an array of another length")
        return np.frombuffer(raw, kind)


def _of_text(text: str, source: str) -> Record:
    """Parse the text form."""
    version = re.search(r"^\s*FBXVersion:\s*(\d{1,6})", text, re.MULTILINE)
    _check_version(int(version[1]) if version else 0, source)
    root = Record("")
    open_records = [root]
    last = root
    for line in text.split("\n"):
        if line.lstrip().startswith(";") or not line.strip():
            continue
        found = _LINE.match(line)
        assert found is not None  # it may be empty
        name, values, opens = found.groups()
        if name:
            last = Record(name)
            open_records[-1].inner.append(last)
        if name == "a" or (name is None and last.name == "a" and values.strip()):
            last.values.append(np.array(values.strip(" ,\r").split(","), np.float64))
        else:
            last.values += map(_value, _VALUE.findall(values))
        if opens:
            if len(open_records) > _DEEPEST:
                raise ValueError("too deep")
            open_records.append(last)
        elif name is None and line.lstrip().startswith("}"):
            open_records.pop()
            last = open_records[-1]
    if len(open_records) != 1:
        raise ValueError("braces that are not closed")
    return _with_arrays(root)


def _value(found: tuple[str, str]) -> Any:
    text, number = found
    try:
        return int(number) if number.lstrip("-").isdigit() else float(number)
    except ValueError:
        return text or number


def _with_arrays(record: Record) -> Record:
    """Arrays as in the binary form: the values of a record instead of a record in it."""
    parts = record.first("a").values
    if parts:
        record.values = [np.concatenate(parts)]
    for inner in record.inner:
        _with_arrays(inner)
    return record
