"""How much memory a file may take to be read: 20 times its size, and 200 MB.

A few bytes can unpack to any number of equal values, and a damaged count can promise any number.
Both are refused before memory is taken.
"""

from __future__ import annotations

import os
from typing import IO

from stars_infer.errors import ClipError

TIMES = 20
"""Bytes of memory that a byte of a file may take."""
BESIDE = 200_000_000
"""Bytes that a file may take beside them, however small it is."""
_A_POINT = 120
"""Bytes that a joint in a frame takes at most, from its reader to the clip."""


def check_points(points: int, *, source: str, size: int | None) -> None:
    """Refuse positions that would take too much memory for the file that they come from.

    Args:
        points: Bodies times frames times joints.
        source: Name of the file for messages.
        size: Its size in bytes; None if they come from no file.

    Raises:
        ClipError: If there are too many.
    """
    if size is not None and points * _A_POINT > TIMES * size + BESIDE:
        raise ClipError(
            source, f"{points:,} positions (bodies, frames and joints) from {size:,} bytes of a "
            "file: too many to be a recording; cut it into parts"
        )  # fmt: skip


def check_memory(taken: int, what: str, *, source: str, size: int) -> None:
    """Refuse what would take more memory than a file of this size may.

    Args:
        taken: Bytes of memory.
        what: What takes them, for the message.
        source: Name of the file for messages.
        size: Its size in bytes.

    Raises:
        ClipError: If that is too much.
    """
    if taken > TIMES * size + BESIDE:
        raise ClipError(
            source, f"{what}: {taken // 1_000_000:,} MB from a file of {size:,} bytes are too much "
            "to be a recording; cut it into parts"
        )  # fmt: skip


def size_of(file: IO[bytes]) -> int:
    """Size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size
