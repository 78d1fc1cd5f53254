"""The file of a shared index: a local copy, whose changes go to the database first."""

from __future__ import annotations

import os
import sqlite3
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.index.file import WAIT, IndexFile
from stars_infer.shared.changes import Changes, changes_of, watch
from stars_infer.shared.follower import Follower
from stars_infer.shared.mirror import Mirror, read_position, write_position
from stars_infer.shared.record import Record
from stars_infer.shared.row_text import read_rows
from stars_infer.shared.store import AT_ONCE, Store, StoredRow, StoreError
from stars_infer.shared.turn import Turn, Turns


class SharedFile(IndexFile):
    """A local copy of a shared index, which follows the database.

    Whatever reads an index reads the copy, within the same rules. A change holds the turn to write,
    brings the copy up to date, changes it, writes the change to the database, and only then
    concludes the transaction of the copy.

    Args:
        store: The database, which holds an index of the model.
        copy: Path of the local copy.
        model: The model.
        wait: Seconds for which a change waits for other programs.
        reached: Whether the database answers; else the copy is what it was.
        progress: Called with how many exemplars have come, while the copy is made.

    Raises:
        ExemplarIndexError: If the copy cannot be used.
        StoreError: If the database does not answer any more.
    """

    def __init__(
        self,
        store: Store,
        copy: Path,
        model: ModelInfo,
        *,
        wait: float = WAIT,
        reached: bool = True,
        progress: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._store = store
        super().__init__(copy, model, wait=wait)
        self._process = os.getpid()
        self._turns = Turns(store)
        self._own = IndexFile(copy, model, wait=wait)  # for the thread that follows
        try:
            self._mirror = Mirror(self._own, store)
            if reached:
                self._mirror.catch_up(progress)
        except BaseException:
            self._own.close()
            super().close()
            raise
        self._follower = Follower(self._mirror, str(store), reached=reached)
        self._finish = weakref.finalize(
            self, _finish, self._process, self._follower, self._own, store
        )

    def __str__(self) -> str:
        return str(self._store)

    def close(self) -> None:
        """Stop following, and close the copy."""
        self._finish()
        super().close()

    @contextmanager
    def writing(self, nothing_done: str) -> Iterator[sqlite3.Connection]:
        """Change the shared index in one transaction: all of it, or nothing where it fails.

        Args:
            nothing_done: For the message: "nothing was added".

        Raises:
            StoreError: If the database does not answer, or others write for too long.
            ExemplarIndexError: If the local copy cannot be written.
        """
        self._check_open()
        if os.getpid() != self._process:
            raise UsageError(
                f"{self}: was opened before this process was forked off, and can only be read in "
                f"it; open it again here; {nothing_done}"
            )
        try:
            with self._turns.taken(self._wait) as turn:
                self._mirror.catch_up()
                with super().writing(nothing_done) as connection:
                    watch(connection)
                    yield connection
                    changes = self._publish(connection, turn)
                if changes.removed:  # while it is our turn: they may be put back later
                    with suppress(StoreError):  # their rows are only in the way
                        self._store.remove_rows(changes.removed)
        except StoreError as error:
            raise StoreError(f"{error}; {nothing_done}") from error

    def _publish(self, connection: sqlite3.Connection, turn: Turn) -> Changes:
        """Write what has changed to the database: exemplars first, then the record of it all."""
        changes = changes_of(connection)
        if changes:
            number, _ = read_position(connection)
            record = Record(
                number=number + 1,
                token=uuid.uuid4().hex,
                added=changes.added,
                removed=changes.removed,
                labels=changes.labels,
                settings=changes.settings,
                last=changes.last,
            )
            some: list[StoredRow] = []
            for row in read_rows(connection, record.added, record.token, self._model):
                some.append(row)
                if len(some) == AT_ONCE:
                    self._put(some, turn)
                    some = []
            self._put(some, turn)
            append(self._store, record, turn)
            write_position(connection, (record.number, record.token))
        return changes

    def _put(self, rows: list[StoredRow], turn: Turn) -> None:
        if rows:
            turn.renew()
            self._store.put_rows(rows)


def _finish(process: int, follower: Follower, own: IndexFile, store: Store) -> None:
    """Stop following a shared index that is closed, or that nobody holds any longer."""
    if os.getpid() == process:
        follower.stop()
        own.close()
        store.close()


def append(store: Store, record: Record, turn: Turn) -> None:
    """Write a record at the end of the log.

    Raises:
        StoreError: If it is not there.
    """
    turn.check()
    try:
        store.put_entry(record.entry())
    except StoreError:  # it may have been written, and the answer lost
        entries = store.entries(record.number, 1)
        if [one.text for one in entries] != [record.entry().text]:
            raise
