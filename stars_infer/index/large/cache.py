"""What a large index is searched by, kept beside its file so that it need not be made again.

The folder `INDEX.cache` holds two files: inverted lists (FAISS), and the numbers and actions of the
exemplars in them. Both are named after the process that makes them and a random number. The index
stores that name and a checksum once they are complete; other files do not count. They are deleted
when a cache is loaded or kept, if their process has ended, or after an hour. So a folder holds one
cache, and one more for each process that is making one. What an exemplar shows never changes, and
its number is never used again. So an index holds the exemplars of its cache, without those in its
table `removed`, with new labels for those in its table `relabeled`, and with all exemplars of
higher numbers. A cache that is missing, damaged or from another time of the index (of a backup,
say) is made anew. The folder can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.atomic import flush, flush_folder, has_ended
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.checksums import Damage, check_tally, checksum_of
from stars_infer.index.file import IndexFile
from stars_infer.index.large.ann import IVFIndex
from stars_infer.index.rows import Ids
from stars_infer.index.values import CACHE, read_values, write_value

FORM = 2
"""Of the files; another one is made anew."""
_OWN = re.compile(r"(?:([0-9a-f]{8})-(\d+)-)?[0-9a-f]{16}\.(?:npz|faiss)")
"""Names of the files of a cache; nothing else in its folder is deleted."""
_STALE_SECONDS = 3600.0
_READ = 2**22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cache:
    """Exemplars in inverted lists, by their positions there.

    Attributes:
        token: Names its files, and after a point says the CRC-32 of the one that says that of the
            other; without that while they are being made.
        lists: What is searched.
        ids: Numbers of the exemplars, ascending, (P,).
        labels: Positions of their actions in `names`, (P,).
        names: Actions.
        relabeled_until: The last change of a label that it takes into account.
        kept: Whether it lies on the disk.
    """

    token: str
    lists: IVFIndex
    ids: Ids
    labels: NDArray[np.int32]
    names: tuple[str, ...]
    relabeled_until: int = 0
    kept: bool = True


class CacheFolder:
    """Where the cache of an index lies.

    Args:
        file: The index; one in memory has no folder.
    """

    def __init__(self, file: IndexFile) -> None:
        self._file = file
        self.path = None if file.path is None else file.path.with_name(f"{file.path.name}.cache")

    def load(self, token: str, width: int) -> Cache | None:
        """The cache of a token; None where it is missing, damaged, or does not fit.

        Args:
            token: From `current_token`.
            width: Of the vectors that are searched.
        """
        if self.path is None:
            return None
        self.sweep()
        facts_file = self._file_of(token, "npz")
        try:
            if f"{_size_and_crc(facts_file)[1]:08x}" != token.partition(".")[2]:
                return None
            with np.load(facts_file, allow_pickle=False) as facts:
                form, size, crc, probes, trained = facts["numbers"].tolist()
                ids, labels, names = facts["ids"], facts["labels"], facts["names"]
            if form != FORM or (size, crc) != _size_and_crc(self.lists_of(token)):
                return None
            lists = IVFIndex.load(self.lists_of(token), probes=probes, trained=trained)
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
            return None
        if lists.index.d != width or not lists.size == len(ids) == len(labels):
            return None
        return Cache(token=token, lists=lists, ids=ids, labels=labels, names=tuple(names.tolist()))

    def keep(self, made: Cache, *, before: str | None) -> Cache | None:
        """Write a cache, and then its token into the index.

        Args:
            made: The cache.
            before: The token that counted when its exemplars were read.

        Returns:
            The cache as it is kept; None where another process was faster or the disk cannot be
            written.
        """
        if self.path is None:
            return None
        kept = None
        with contextlib.suppress(OSError, RuntimeError, ExemplarIndexError):
            self.path.mkdir(exist_ok=True)
            written = self._write(made)
            kept = written if self._write_token(written, before) else None
        self.sweep(drop=before if kept is not None else made.token)
        return kept

    def _write(self, made: Cache) -> Cache:
        """Write the files of a cache; the same cache, with the checksum in its token."""
        facts, lists = self._file_of(made.token, "npz"), self.lists_of(made.token)
        made.lists.save(lists)
        numbers = (FORM, *_size_and_crc(lists), made.lists.probes, made.lists.trained)
        with facts.open("xb") as file:
            np.savez(
                file,
                numbers=np.array(numbers, np.int64),
                ids=made.ids,
                labels=made.labels,
                names=np.array(made.names, np.str_),
            )
        for one in (lists, facts):
            flush(one)
        flush_folder(facts.parent)
        return replace(made, token=f"{made.token}.{_size_and_crc(facts)[1]:08x}")

    def lists_of(self, token: str) -> Path:
        """Where the inverted lists of a token lie."""
        return self._file_of(token, "faiss")

    def _file_of(self, token: str, ending: str) -> Path:
        assert self.path is not None
        return self.path / f"{token.partition('.')[0]}.{ending}"

    def can_keep(self) -> bool:
        """Whether folder and index can be written."""
        if self.path is None:
            return False
        try:
            self.path.mkdir(exist_ok=True)
            with self._file.writing("no cache was made"):
                pass
        except (OSError, ExemplarIndexError):
            return False
        return os.access(self.path, os.W_OK)

    def _write_token(self, made: Cache, before: str | None) -> bool:
        """From now on this cache counts, unless another one has come to count since it was begun.

        What it takes into account of removed and relabeled exemplars is forgotten.
        """
        with self._file.writing("no cache was made") as connection:
            if current_token(connection) != before:
                return False
            write_value(connection, CACHE, made.token)
            gone = removed_ids(connection)
            known = gone[~np.isin(gone, made.ids)]
            connection.executemany("DELETE FROM removed WHERE id = ?", known[:, None].tolist())
            connection.execute("DELETE FROM relabeled WHERE serial <= ?", (made.relabeled_until,))
        return True

    def sweep(self, *, drop: str | None = None) -> None:
        """Delete what does not count, unless a process may still be making it.

        Args:
            drop: The token of a cache that is to go, whoever has made it.
        """
        assert self.path is not None
        try:
            files = {file: _OWN.fullmatch(file.name) for file in self.path.iterdir()}
        except OSError:
            return
        dropped = (drop or "").partition(".")[0]
        left = [
            file
            for file, named in files.items()
            if named is not None and (file.stem == dropped or _is_left(file, named[1], named[2]))
        ]
        if not left:
            return
        with self._file.reading() as connection:
            # Only now: a process that has ended by now has told the index of what it made before.
            counts = (current_token(connection) or "").partition(".")[0]
        for file in left:
            # Another process may have deleted it; some systems keep a file that is in use.
            if file.stem != counts:
                with contextlib.suppress(OSError):
                    file.unlink()


def _is_left(file: Path, machine: str | None, process: str | None) -> bool:
    """Whether nobody makes a file any longer."""
    if machine is not None and process is not None and has_ended(machine, int(process)):
        return True
    with contextlib.suppress(OSError):
        return time.time() - file.stat().st_mtime > _STALE_SECONDS
    return False


def current_token(connection: sqlite3.Connection) -> str | None:
    """Which cache counts; None if there is none."""
    return read_values(connection).get(CACHE)


def removed_ids(connection: sqlite3.Connection) -> Ids:
    """Numbers of removed exemplars that a cache may still hold.

    Raises:
        Damage: If they are not those that were written.
    """
    rows = [number for (number,) in connection.execute("SELECT id FROM removed")]
    check_tally(connection, "removals", rows)
    return np.array(rows, np.int64)


def changed_labels(connection: sqlite3.Connection) -> tuple[dict[int, str], int]:
    """Labels of exemplars that were changed since a cache was made, and the last such change.

    Raises:
        Damage: If they are not those that were written.
    """
    rows = connection.execute(
        "SELECT serial, relabeled.id, label, label_checksum "
        "FROM relabeled LEFT JOIN exemplars USING (id)"
    ).fetchall()
    if any(checksum_of(label) != checksum for _, _, label, checksum in rows):
        raise Damage("a label is damaged")
    check_tally(connection, "relabelings", [serial + number for serial, number, *_ in rows])
    return {row[1]: row[2] for row in rows}, max((row[0] for row in rows), default=0)


def _size_and_crc(file: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file: one that was cut short must not be mapped, nor searched."""
    size = crc = 0
    with file.open("rb") as opened:
        while block := opened.read(_READ):
            size += len(block)
            crc = zlib.crc32(block, crc)
    return size, crc
