"""A frame of a stream as a line of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from stars_infer.clip import FloatArray
from stars_infer.errors import ClipError

MAX_LINE = 1_000_000
"""Longest line, bytes: a hundred bodies of a hundred joints are half of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A moment of a stream.

    Attributes:
        bodies: Joint positions (M, V, 3), metres; NaN where a joint is unknown. M is 0 if nobody
            is seen.
        time: Seconds; None if the line does not say.
    """

    bodies: FloatArray
    time: float | None


def read_frame(line: bytes, *, joints: int, source: str) -> Frame:
    """Read a line: `{"joints": [[x, y, z], …], "time": s}`, with "bodies" for several, or a list.

    A bare list is a body, or a list of bodies. A joint may be null or hold NaN: it is unknown then.

    Args:
        line: JSON in UTF-8.
        joints: V, joints of the layout.
        source: Name for messages.

    Raises:
        ClipError: If the line is no such frame.
    """
    if len(line) > MAX_LINE:
        raise ClipError(source, f"longer than {MAX_LINE:,} bytes: send one frame a line")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ClipError(source, f"not a line of JSON ({error})") from error
    time = None
    if isinstance(value, dict):
        time = _time(value.get("time"), source)
        named = [name for name in ("joints", "bodies") if name in value]
        if len(named) != 1:
            raise ClipError(source, 'expected either "joints" or "bodies" beside "time"')
        value = value[named[0]]
    if not isinstance(value, list):
        raise ClipError(source, "expected a list of joints, or an object that holds one")
    bodies = value if _holds_bodies(value) else [value] if value else []
    return Frame(bodies=_positions(bodies, joints, source), time=time)


def _holds_bodies(value: list[Any]) -> bool:
    """Whether a list is of bodies, not of joints: its first joint's first entry is a list."""
    for entry in value:
        if entry is None:
            continue
        return isinstance(entry, list) and any(isinstance(part, list) for part in entry)
    return False


def _time(value: object, source: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ClipError(source, f'"time" must be a number of seconds, got {str(value)[:24]!r}')
    return float(value)


def _positions(bodies: list[Any], joints: int, source: str) -> FloatArray:
    """Bodies (M, V, 3) from nested lists; NaN for what is null."""
    result = np.full((len(bodies), joints, 3), np.nan, np.float32)
    for row, body in zip(result, bodies, strict=True):
        if not isinstance(body, list) or len(body) != joints:
            found = len(body) if isinstance(body, list) else "none"
            raise ClipError(
                source, f"expected {joints} joints a body, got {found}: pass the right --layout"
            )
        try:
            known = [number for number, joint in enumerate(body) if joint is not None]
            row[known] = np.array([body[number] for number in known], np.float32).reshape(-1, 3)
        except (TypeError, ValueError, OverflowError) as error:
            raise ClipError(source, "a joint is three numbers, or null if unknown") from error
    return result
