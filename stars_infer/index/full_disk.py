"""Why SQLite gave up, in words: a full disk shows in several ways."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from stars_infer import errors
from stars_infer.atomic import new_beside

_FULL = "the disk is full: free some space"
_NEEDED = 1 << 17
"""Free bytes without which SQLite cannot make the files that it keeps beside an index."""
_SIGNS = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
"""Errors in which a disk without these shows."""


def reason_of(error: Exception, path: Path | None) -> str:
    """Why a file could not be opened or written.

    Args:
        error: What was raised.
        path: The file; None for one in memory.
    """
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code in _SIGNS and path is not None and _is_full(path)):
        return _FULL
    if code == sqlite3.SQLITE_CANTOPEN and path is not None:
        return _refusal(path) or str(error)
    return str(error)


def _refusal(path: Path) -> str | None:
    """Why no file can be made at a path; None if one can be, or is there."""
    if path.is_dir():
        return "is a folder: name a file in it"
    try:
        new_beside(path).unlink()
    except OSError as error:
        return errors.reason_of(error)
    return None


def _is_full(path: Path) -> bool:
    """Whether hardly anything more can be written beside a file."""
    if not hasattr(os, "statvfs"):
        return False
    try:
        disk = os.statvfs(path.absolute().parent)
    except OSError:
        return False
    if disk.f_blocks == 0:  # no disk: what the system shows of itself
        return False
    return disk.f_bavail * disk.f_frsize < _NEEDED or (disk.f_files > 0 and disk.f_favail == 0)
