"""The local copy of a shared index, and how it is brought up to date from the log."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from stars_infer.index.checksums import Damage
from stars_infer.index.file import IndexFile
from stars_infer.shared.changes import forget_removal, last_number, repeat
from stars_infer.shared.record import Record, row_key
from stars_infer.shared.row_text import insert_row
from stars_infer.shared.store import AT_ONCE, Entry, Store, StoreError

LOGGER = logging.getLogger("stars_infer.shared")
Position = tuple[int, str]
"""Number and token of the last record that a copy holds."""
NOWHERE: Position = (0, "")
_PAGE = 200
"""Records fetched at once."""
_ROWS = 1000
"""Exemplars after which a transaction ends."""
_TABLE = """
CREATE TABLE IF NOT EXISTS shared_position (
    one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, token TEXT NOT NULL
)
"""
_EMPTY = (
    "exemplars", "network_inputs", "removed", "relabeled", "similarity", "settings",
    "shared_position",
)  # fmt: skip


class Mirror:
    """Follows the log of a shared index.

    Args:
        file: The local copy, through a connection of its own.
        store: The database.
    """

    def __init__(self, file: IndexFile, store: Store) -> None:
        self._file, self._store = file, store
        self._lock = threading.Lock()
        self._lost: set[int] = set()
        with file.writing("the copy was not made") as connection:
            connection.execute(_TABLE)

    def catch_up(self, progress: Callable[[int], None] = lambda rows: None) -> Position:
        """Bring the copy up to what the log holds now.

        Args:
            progress: Called with how many exemplars have come, again and again.

        Returns:
            The last record.

        Raises:
            StoreError: If the database does not answer, or holds no index any more.
            ExemplarIndexError: If the copy cannot be written.
        """
        came = 0
        with self._lock:
            while True:
                position = self._position()
                records = self._newer(position)
                if anew := records is None:  # it is another log, or was set back
                    LOGGER.warning(
                        "%s: was replaced or set back; the local copy is made anew", self._store
                    )
                    records = self._newer(NOWHERE)
                if not records:
                    self._tell_lost(position)
                    return position
                for some in _portions(records):
                    reached = some[-1].number, some[-1].token
                    if not self._apply(some, after=position, anew=anew):
                        break  # another program was faster
                    position, anew = reached, False
                    came += sum(len(one.added) for one in some)
                    progress(came)

    def _position(self) -> Position:
        with self._file.reading() as connection:
            return read_position(connection)

    def _newer(self, position: Position) -> list[Record] | None:
        """The next records; None if the log does not lead on from a position.

        Raises:
            StoreError: If there is no log.
        """
        number, token = position
        entries = self._store.entries(max(number, 1), _PAGE)
        if not entries and not self._store.entries(1, 1):
            raise StoreError(f"{self._store}: holds no index any more; the local copy goes on")
        if not number:
            return list(self._decoded(entries))
        if not entries or entries[0].number != number:
            return None
        try:
            if Record.of(entries[0]).token != token:
                return None
        except Damage:
            if token:  # a record that was damaged when it was read has none
                LOGGER.warning("%s: record %d is damaged since", self._store, number)
        return list(self._decoded(entries[1:]))

    def _decoded(self, entries: Iterable[Entry]) -> Iterator[Record]:
        for entry in entries:
            try:
                yield Record.of(entry)
            except Damage as error:
                LOGGER.warning("%s: %s, and skipped", self._store, error)
                yield Record(number=entry.number, token="")

    def _apply(self, records: Sequence[Record], *, after: Position, anew: bool) -> bool:
        """Repeat records in one transaction, unless another program has changed the copy.

        Args:
            records: That follow one another.
            after: The last record that the copy holds.
            anew: Whether to empty it before.
        """
        with self._file.writing("the local copy is as it was") as connection:
            if read_position(connection) != after:
                return False
            if anew:
                clear(connection)
            for record in records:
                self._add(connection, record)
                repeat(connection, record)
                self._lost -= set(record.removed)
            write_position(connection, (records[-1].number, records[-1].token))
        return True

    def _add(self, connection: sqlite3.Connection, record: Record) -> None:
        for start in range(0, len(record.added), AT_ONCE):
            some = record.added[start : start + AT_ONCE]
            texts = self._store.rows([row_key(record.token, number) for number in some])
            for number in some:
                text = texts.get(row_key(record.token, number))
                if text is None:  # removed since, as a later record says
                    self._lost.add(number)
                    continue
                try:
                    if not insert_row(connection, number, text):
                        LOGGER.warning(
                            "%s: example %d is there twice, and skipped", self._store, number
                        )
                    forget_removal(connection, number)
                except Damage as error:
                    LOGGER.warning("%s: %s, and skipped", self._store, error)

    def _tell_lost(self, position: Position) -> None:
        """Say which exemplars are gone although no record removes them."""
        if self._lost:
            for record in self._newer(position) or ():
                self._lost -= set(record.removed)
        if self._lost:
            numbers = ", ".join(map(str, sorted(self._lost)[:10]))
            LOGGER.warning("%s: %d examples are lost: %s", self._store, len(self._lost), numbers)
            self._lost.clear()


def clear(connection: sqlite3.Connection) -> None:
    """Empty a copy, within the transaction that is open."""
    for table in _EMPTY:
        connection.execute(f"DELETE FROM {table}")
    for table in _EMPTY:  # what triggers have noted of it
        connection.execute(f"DELETE FROM {table}")
    if last_number(connection):
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'exemplars'")


def read_position(connection: sqlite3.Connection) -> Position:
    """The last record that a copy holds."""
    row = connection.execute("SELECT number, token FROM shared_position").fetchone()
    return NOWHERE if row is None else (int(row[0]), str(row[1]))


def write_position(connection: sqlite3.Connection, position: Position) -> None:
    """Keep the last record that a copy holds, within the transaction that is open."""
    connection.execute("REPLACE INTO shared_position VALUES (1, ?, ?)", position)


def _portions(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Records that are repeated in one transaction."""
    some: list[Record] = []
    rows = 0
    for record in records:
        some.append(record)
        rows += len(record.added)
        if rows >= _ROWS:
            yield some
            some, rows = [], 0
    if some:
        yield some
