"""What a large index is searched by, kept beside its file so that it need not be made again.

In the folder `INDEX.cache` lie inverted lists (FAISS) and the numbers and actions of the exemplars
in them. Both files are named after a token, which the index itself keeps: only the cache of that
token counts, and it is written when the cache is complete. Exemplars never change and their
numbers are never used again, so that an index with the token holds what the cache holds, less what
its table of removed exemplars says, plus those with higher numbers. Where the cache is missing,
damaged or of another time of the index (of a backup, say), it is made anew; it can be deleted at
any time.
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.index.large.ann import IVFIndex
from stars_infer.index.rows import Ids

FORM = 1
"""Of the files; another one is made anew."""
_KEY = "cache"
_OWN = re.compile(r"[0-9a-f]{16}\.(npz|faiss)")
"""Names of the files of a cache; nothing else in its folder is deleted."""
_STALE_SECONDS = 3600.0
_READ = 2**22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cache:
    """Exemplars in inverted lists, by their places there.

    Attributes:
        token: Names it.
        lists: What is searched.
        ids: Numbers of the exemplars, ascending, (P,).
        labels: Places of their actions in `names`, (P,).
        names: Actions.
    """

    token: str
    lists: IVFIndex
    ids: Ids
    labels: NDArray[np.int32]
    names: tuple[str, ...]
    kept: bool = True
    """Whether it lies on the disk."""


class CacheFolder:
    """The caches of an index.

    Args:
        index: Its SQLite file.
    """

    def __init__(self, index: Path) -> None:
        self.path = index.with_name(f"{index.name}.cache")

    def load(self, token: str, width: int) -> Cache | None:
        """The cache of a token; None where it is missing, damaged, or does not fit.

        Args:
            token: From `current_token`.
            width: Of the vectors that are searched.
        """
        try:
            with np.load(self.path / f"{token}.npz", allow_pickle=False) as facts:
                form, size, crc, probes, trained = facts["numbers"].tolist()
                ids, labels, names = facts["ids"], facts["labels"], facts["names"]
            if form != FORM or (size, crc) != _checked(self.lists_of(token)):
                return None
            lists = IVFIndex.load(self.lists_of(token), probes=probes or None, trained=trained)
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
            return None
        if lists.width != width or not lists.size == len(ids) == len(labels):
            return None
        return Cache(token=token, lists=lists, ids=ids, labels=labels, names=tuple(names.tolist()))

    def keep(self, connection: sqlite3.Connection, made: Cache, *, before: str | None) -> bool:
        """Write a cache, and then its token into the index.

        Args:
            connection: The index.
            made: The cache.
            before: The token that counted when its exemplars were read.

        Returns:
            Whether it is kept: not where another process was faster or the disk cannot be written.
        """
        facts, lists = self.path / f"{made.token}.npz", self.lists_of(made.token)
        try:
            self.path.mkdir(exist_ok=True)
            made.lists.save(lists)
            numbers = (FORM, *_checked(lists), made.lists.probes or 0, made.lists.trained)
            with facts.open("wb") as file:
                np.savez(
                    file,
                    numbers=np.array(numbers, np.int64),
                    ids=made.ids,
                    labels=made.labels,
                    names=np.array(made.names, np.str_),
                )
                file.flush()
                os.fsync(file.fileno())
            progress = _write_token(connection, made, before)
        except (OSError, RuntimeError, sqlite3.OperationalError):
            progress = False
        self._sweep(
            drop=before if progress else made.token, keep=made.token if progress else before
        )
        return progress

    def lists_of(self, token: str) -> Path:
        """Where the inverted lists of a token lie."""
        return self.path / f"{token}.faiss"

    def can_keep(self, connection: sqlite3.Connection) -> bool:
        """Whether folder and index can be written."""
        try:
            self.path.mkdir(exist_ok=True)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except (OSError, sqlite3.OperationalError):
            return False
        return os.access(self.path, os.W_OK)

    def _sweep(self, *, drop: str | None, keep: str | None) -> None:
        """Delete a cache that counts no more, and what a process that was killed has left."""
        try:
            for file in list(self.path.iterdir()):
                if not _OWN.fullmatch(file.name):
                    continue
                left = time.time() - file.stat().st_mtime > _STALE_SECONDS
                if file.stem == drop or (left and file.stem != keep):
                    file.unlink()
        except OSError:  # gone, or in use on a system that keeps such files
            return


def new_token() -> str:
    """A name that no other cache has."""
    return secrets.token_hex(8)


def current_token(connection: sqlite3.Connection) -> str | None:
    """Which cache counts; None if there is none."""
    row = connection.execute("SELECT value FROM settings WHERE key = ?", (_KEY,)).fetchone()
    return None if row is None else str(row[0])


def removed_ids(connection: sqlite3.Connection) -> Ids:
    """Numbers of removed exemplars that a cache may still hold."""
    rows = connection.execute("SELECT id FROM removed").fetchall()
    return np.array([number for (number,) in rows], np.int64)


def _write_token(connection: sqlite3.Connection, made: Cache, before: str | None) -> bool:
    """From now on this cache counts, unless another one has come to count since it was begun.

    Of removed exemplars those are forgotten that it does not hold.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if current_token(connection) != before:
            connection.execute("ROLLBACK")
            return False
        connection.execute("DELETE FROM settings WHERE key = ?", (_KEY,))
        connection.execute("INSERT INTO settings VALUES (?, ?)", (_KEY, made.token))
        gone = removed_ids(connection)
        known = gone[~np.isin(gone, made.ids)]
        connection.executemany(
            "DELETE FROM removed WHERE id = ?", [(int(number),) for number in known]
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def _checked(file: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file: one that was cut short must not be mapped, nor searched."""
    size = crc = 0
    with file.open("rb") as opened:
        while block := opened.read(_READ):
            size += len(block)
            crc = zlib.crc32(block, crc)
    return size, crc
