"""Which process holds an index: as far as the system tells, on Linux."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_LOCKS = Path("/proc/locks")
_WRITE_BYTE = 120
"""Of the file `-shm`, which a writer locks in WAL mode (SQLite, walformat.html, 2.3.1)."""
_PENDING_BYTE = 0x40000000
"""Of the file itself: from here on, writers of other modes lock it (SQLite, os.h)."""


_LOOK = 0.5
"""Seconds of waiting after which it is found out, again and again, who writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that writes to a file.

    Attributes:
        process: Its number.
        name: Its name; empty if that cannot be read.
    """

    process: int
    name: str

    def __str__(self) -> str:
        if self.process == os.getpid():
            return f"another part of this program (process {self.process})"
        return f"process {self.process}" + (f" ({self.name})" if self.name else "")


class Waiting:
    """Finds out who holds a file, while somebody waits for it.

    Args:
        path: The file; None for one in memory.

    Attributes:
        holder: Who was seen to hold it last.
        since: When that one was first seen to do so, seconds since the epoch.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._next = path, 0.0
        self.holder: Holder | None = None
        self.since = time.time()

    def look(self, *, last: bool) -> None:
        """Look again, if it is time to.

        Args:
            last: Whether nobody waits any longer.
        """
        if self._path is None or (time.monotonic() < self._next and not last):
            return
        self._next = time.monotonic() + _LOOK
        seen = holder_of(self._path)
        if seen is not None and (self.holder is None or seen.process != self.holder.process):
            self.holder, self.since = seen, time.time()


def holder_of(path: Path) -> Holder | None:
    """The process that writes to a database now; None if none does, or that cannot be told.

    No file is opened: closing it would give up the locks that this process holds on it.
    """
    log = path.with_name(f"{path.name}-shm")
    try:
        status = path.stat()
        wanted = {status.st_ino: (_PENDING_BYTE, 2**63)}
        if log.exists():
            wanted[log.stat().st_ino] = (_WRITE_BYTE, _WRITE_BYTE)
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    disk = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    others: list[int] = []
    for line in lines:
        fields = line.split()
        # "1: POSIX  ADVISORY  WRITE 4711 fe:00:2367608 120 120"; "->" is one that waits
        if len(fields) != 8 or fields[1] not in ("POSIX", "OFDLCK") or fields[3] != "WRITE":
            continue
        where, _, inode = fields[5].rpartition(":")
        least, most = wanted.get(int(inode), (1, 0))
        end = 2**63 if fields[7] == "EOF" else int(fields[7])
        if int(fields[6]) <= most and end >= least and int(fields[4]) > 0:
            if where == disk:
                return Holder(process=int(fields[4]), name=_name_of(int(fields[4])))
            others.append(int(fields[4]))
    # Some file systems give locks another device than files; a number alone may be another file's.
    return Holder(process=others[0], name=_name_of(others[0])) if len(others) == 1 else None


def _name_of(process: int) -> str:
    try:
        name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "".join(letter for letter in name.strip() if letter.isprintable())
