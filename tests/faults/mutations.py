"""Damage to files: in bytes, in numbers, and in what JSON, TOML and tables are made of."""

from __future__ import annotations

import json
import re
import struct
from random import Random
from typing import Any

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_]{2,}")
NUMBERS = (
    b"1e38 3.5e38 1e25 -1e25 1e308 1e400 nan NaN inf -inf Infinity -1 0 -0 1 2 3 25 255 65536 1,5 "
    b"2147483647 4294967295 9223372036854775808 0.0000001 1_0 0x10 null true"
).split() + [b"", b"1" + b"0" * 400]
PIECES = b"} ] [ { , ; : # ' nan null -1 1e39 {} [] 999999999999 0 NaN x Frames: R b".split() + [
    b"", b"\n", b"\r", b"\t", b" ", b'"', b'"x"', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\x1b[31m", b"\xed\xa0\x80", b"\xc3",
    b"\x93NUMPY", b"PK\x03\x04", b"PK\x01\x02", b"\x80\x04", b"\x94", b"\x85",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 25, 0.5, 1e38, -1e25, 1e308, float("nan"), float("inf"), 2**63,
    10**400, "", "x", "\x1b[2J", "\ud800", "nan", [], {}, [[]], [None], [1], [[1, 2, 3]],
    [[[1, 2, 3]]], {"x": 1}, {"x": 1, "y": 2, "z": 3}, "ntu25", "m", [0] * 25, ["a"] * 20,
    [1e38] * 3,
]  # fmt: skip
_DOUBLES = [struct.pack("<d", value) for value in (1e38, 1e300, float("nan"), float("inf"), -1e25)]
_FLOATS = [struct.pack("<f", value) for value in (3e38, float("nan"), float("-inf"), 1e25, -1.0)]
_INTS = [struct.pack("<i", value) for value in (-1, 2**31 - 1, 0, 1, 255, 65535, -(2**31))] + [
    struct.pack("<q", value) for value in (-1, 2**63 - 1, 2**40, 0)
]
_BLOWN_UP = [*_DOUBLES, *_FLOATS, *_INTS]


def mutate(random: Random, seed: bytes, other: bytes) -> bytes:
    """Damage a good file in one to four ways, half of the time in a way that keeps its structure.

    Args:
        random: Decides.
        seed: The file.
        other: Another one, of which parts are put in.
    """
    content = seed
    if random.random() < 0.5:
        content = _structured(random, content)
    else:
        content = _spoilt(random, content, other)
    while random.random() < 0.35:
        content = _spoilt(random, content, other)
    return content


def _structured(random: Random, content: bytes) -> bytes:
    if content[:1] in b"[{":
        try:
            return _of_json(random, content)
        except (ValueError, RecursionError):
            return content
    if b"\0" in content[:200] or not content[:64].isascii():
        return _in_binary(random, content)
    lines = content.split(b"\n")
    if random.random() < 0.5:
        return _replaced(random, content, _NUMBER, NUMBERS)
    at = random.randrange(len(lines))
    match random.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[random.randrange(len(lines))])
        case 2:
            to = random.randrange(len(lines))
            lines[at], lines[to] = lines[to], lines[at]
        case 3:
            lines[at] = _cells(random, lines[at])
        case 4:
            return _replaced(random, content, _WORD, _WORD.findall(content)[:200] or [b"x"])
        case 5:
            lines[at] = lines[at] * random.choice([2, 3, 50])
    return b"\n".join(lines)


def _cells(random: Random, line: bytes) -> bytes:
    mark = next((mark for mark in (b"\t", b",", b";", b" ", b"=") if mark in line), b" ")
    cells = line.split(mark)
    at = random.randrange(len(cells))
    match random.randrange(4):
        case 0:
            del cells[at]
        case 1:
            cells.insert(at, random.choice(NUMBERS))
        case 2:
            cells[at] = random.choice(PIECES)
        case 3:
            cells += cells[at : at + 4]
    return mark.join(cells)


def _replaced(random: Random, content: bytes, pattern: re.Pattern[bytes], by: list[bytes]) -> bytes:
    """Replace one match of a pattern, or all that are alike."""
    found = list(pattern.finditer(content, random.randrange(max(1, len(content)))))[:64]
    if not found:
        return content
    match = random.choice(found)
    new = random.choice(by)
    if random.random() < 0.2:
        return content.replace(match[0], new)
    return content[: match.start()] + new + content[match.end() :]


def _in_binary(random: Random, content: bytes) -> bytes:
    """Write numbers of binary form over others."""
    spoilt = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 8])):
        value = random.choice(_BLOWN_UP)
        at = random.randrange(max(1, len(spoilt) - len(value)))
        at -= at % random.choice([1, 2, 4, 8])
        spoilt[at : at + len(value)] = value[:: random.choice([1, 1, 1, -1])]
    return bytes(spoilt)


def _of_json(random: Random, content: bytes) -> bytes:
    """Change values somewhere within JSON, or lines of it."""
    if b"\n" in content.strip():
        lines = content.split(b"\n")
        at = random.randrange(len(lines))
        try:
            lines[at] = _dump(random, json.loads(lines[at]))
        except ValueError:
            return _dump(random, json.loads(content))
        return b"\n".join(lines)
    return _dump(random, json.loads(content))


def _dump(random: Random, value: Any) -> bytes:
    for _ in range(random.choice([1, 1, 2, 3])):
        value = _changed(random, value)
    return json.dumps(value).encode()


def _changed(random: Random, value: Any) -> Any:
    """A value in which another one stands somewhere."""
    if random.random() < 0.25 or not isinstance(value, list | dict) or not value:
        match random.randrange(5):
            case 0:
                return [value]
            case 1:
                deep: Any = value
                for _ in range(random.choice([2, 50, 400])):
                    deep = [deep]
                return deep
            case _:
                return random.choice(VALUES)
    if isinstance(value, list):
        value = list(value)
        at = random.randrange(len(value))
        match random.randrange(8):
            case 0:
                del value[at]
            case 1:
                value.insert(at, random.choice(VALUES))
            case 2:
                value.insert(at, value[at])
            case 3:
                value[at] = value[random.randrange(len(value))]
            case _:
                value[at] = _changed(random, value[at])
        return value
    value = dict(value)
    key = random.choice(list(value))
    match random.randrange(8):
        case 0:
            del value[key]
        case 1:
            value[random.choice(["x", "joints", "bodies", "", "name", "fps", "0"])] = value.pop(key)
        case 2:
            value[
                random.choice(["layout", "fps", "units", "time", "joint_names", "confidence"])
            ] = random.choice(VALUES)
        case _:
            value[key] = _changed(random, value[key])
    return value


def _spoilt(random: Random, content: bytes, other: bytes) -> bytes:
    """Cut, put in, flip, double, or lose the end."""
    spoilt = bytearray(content)
    at = random.randrange(len(spoilt) + 1)
    length = random.choice([0, 1, 1, 2, 4, 8, 64, 400])
    match random.randrange(8):
        case 0 | 1:
            for _ in range(random.choice([1, 1, 2, 8])):
                if spoilt:
                    spoilt[random.randrange(len(spoilt))] ^= 1 << random.randrange(8)
        case 2:
            del spoilt[at:]
        case 3:
            spoilt[at : at + length] = random.choice(PIECES)
        case 4:
            start = random.randrange(len(other) + 1)
            spoilt[at : at + length] = other[start : start + random.choice([1, 8, 64, 400])]
        case 5:
            spoilt[at:at] = spoilt[at : at + length] * random.choice([1, 2, 20])
        case 6:
            to = random.randrange(len(spoilt) + 1)
            piece = bytes(spoilt[at : at + length])
            spoilt[at : at + length] = spoilt[to : to + length]
            spoilt[to : to + length] = piece
        case 7:
            spoilt[at : at + length] = random.randbytes(length)
    return bytes(spoilt)
