"""The SQLite file of an index: one connection that several threads share."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stars_infer.atomic import written_beside
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index.schema import set_up

WAIT = 30.0
"""Seconds for which a change waits until other programs have finished theirs."""
_WAIT_LOCKED = 0.05
"""Seconds of that in which our own threads wait, too; then they may read for a while."""
_PAUSE = 0.005
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_LOGS = ("-wal", "-journal")
"""Endings of the files beside an index in which SQLite keeps changes."""
_IN_MEMORY = "index in memory"


class IndexFile:
    """A connection to the file (WAL mode), and the lock that its threads share.

    Args:
        path: The file; None for an index in memory.
        model: The model whose exemplars it holds or is to hold.
        wait: Seconds for which a change waits for other programs.

    Attributes:
        path: As given.
        connection: For use within `reading` and `writing`.
        lock: Held in `reading` and `writing`; a thread may take it again.
        closed: Whether `close` was called.

    Raises:
        ExemplarIndexError: If the file is no index of this version, made by another model, or
            cannot be opened.
    """

    def __init__(self, path: Path | None, model: ModelInfo, *, wait: float = WAIT) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._wait = wait
        self._own_changes = 0
        self._opened: object = None
        self.closed = False
        try:
            self.connection = self._open(model)
            milliseconds = round(1000 * min(wait, _WAIT_LOCKED))
            self.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
            name, fingerprint = self.connection.execute(
                "SELECT name, fingerprint FROM model"
            ).fetchone()
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                raise self._busy_error("it was not opened") from error
            raise self._unusable_error(error) from error
        except (sqlite3.Error, TypeError, ValueError) as error:  # ValueError: a zero in its name
            raise self._unusable_error(error) from error
        if fingerprint != model.fingerprint:
            self.close()
            raise ExemplarIndexError(
                f"{self}: made by the model {name!r} ({fingerprint[:12]}), but this is "
                f"{model.name!r} ({model.fingerprint[:12]}); use that model, or another --index"
            )

    def __str__(self) -> str:
        return _IN_MEMORY if self.path is None else str(self.path)

    def close(self) -> None:
        """Close the connection."""
        with self.lock:
            self.connection.close()
            self.closed = True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the file, whatever other programs write meanwhile.

        Within `reading` or `writing`, the state is that of the outer one.

        Raises:
            ExemplarIndexError: If the file is damaged, or gone.
        """
        with self.lock:
            self._check_open()
            self._follow_immutable()
            if self._in_transaction():
                yield self.connection
                return
            try:
                self.connection.execute("BEGIN")
                yield self.connection
            except sqlite3.DatabaseError as error:
                raise ExemplarIndexError(
                    f"{self}: cannot be read ({error}); bring back a copy, or make it again with "
                    "`stars fewshot add-class`"
                ) from error
            finally:
                with suppress(sqlite3.Error):  # of a damaged file; there is nothing to lose
                    if self._in_transaction():
                        self.connection.execute("ROLLBACK")

    @contextmanager
    def writing(self, nothing_done: str) -> Iterator[sqlite3.Connection]:
        """Change the file in one transaction: all of it, or nothing where an error is raised.

        Args:
            nothing_done: For the message: "nothing was added".

        Raises:
            ExemplarIndexError: If another program does not finish its change in time, or the file
                cannot be written.
        """
        try:
            self._begin_writing()
            try:
                yield self.connection
                self.connection.execute("COMMIT")
                self._own_changes += 1
            except BaseException:
                if self._in_transaction():
                    self.connection.execute("ROLLBACK")
                raise
            finally:
                self.lock.release()
        except sqlite3.DatabaseError as error:
            if _is_busy(error):
                raise self._busy_error(nothing_done) from error
            raise ExemplarIndexError(
                f"{self}: cannot be written ({error}); {nothing_done}"
            ) from error

    def _begin_writing(self) -> None:
        """Take the lock and begin when no other program writes; our threads read meanwhile."""
        end = time.monotonic() + self._wait
        while True:
            self.lock.acquire()
            try:
                self._check_open()
                self.connection.execute("BEGIN IMMEDIATE")
                return
            except BaseException as error:
                self.lock.release()
                busy = isinstance(error, sqlite3.Error) and _is_busy(error)
                if not busy or time.monotonic() > end:
                    raise
            time.sleep(_PAUSE)

    def keep(self, write: Callable[[sqlite3.Connection], object]) -> bool:
        """Write what saves work the next time, unless the file is busy or cannot be written.

        What it writes follows from the exemplars, so it does not count as a change.

        Returns:
            Whether it was written.
        """
        with self.lock:
            if self._in_transaction():
                return False
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                write(self.connection)
                self.connection.execute("COMMIT")
            except sqlite3.OperationalError:
                return False
            finally:
                if self._in_transaction():
                    self.connection.execute("ROLLBACK")
        return True

    def version(self) -> object:
        """A value that differs after every change, for use within `reading`."""
        # data_version moves with the changes of other connections, not with our own.
        (others,) = self.connection.execute("PRAGMA data_version").fetchone()
        return others, self._own_changes, self._opened

    def save(self, path: Path) -> None:
        """Write a copy, beside its place and renamed; saving to the file itself does nothing.

        Raises:
            UsageError: If another file is there, or what is left of one.
            OSError: If it cannot be written.
        """
        if path.exists():
            if self.path is not None and self.path.exists() and path.samefile(self.path):
                return
            raise UsageError(f"{path}: there is a file already; name another, or remove it")
        for ending in _LOGS:  # which SQLite would take for the new file's, and write into it
            if (log := path.resolve().with_name(f"{path.resolve().name}{ending}")).exists():
                raise UsageError(
                    f"{log}: was left behind by an index that is gone; remove it, or save under "
                    "another name"
                )
        with written_beside(path) as beside, self.lock:
            self._check_open()
            try:
                copy = sqlite3.connect(beside)
                try:
                    self.connection.backup(copy)
                    copy.execute("PRAGMA journal_mode = WAL")
                finally:
                    copy.close()
            except sqlite3.Error as error:
                raise ExemplarIndexError(f"{path}: cannot be written ({error})") from error

    def _open(self, model: ModelInfo) -> sqlite3.Connection:
        """Connect to the file, for reading only where its folder cannot be written."""
        # An absolute path, for SQLite takes names like ":memory:" for something else.
        connection = self._connect(":memory:" if self.path is None else str(self.path.absolute()))
        try:
            set_up(connection, model)
        except sqlite3.OperationalError as error:
            connection.close()
            if self.path is None or not self.path.is_file() or _is_busy(error):
                raise
            return self._open_immutable(model)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_immutable(self, model: ModelInfo) -> sqlite3.Connection:
        """Connect to a file beside which SQLite cannot make the files that WAL mode needs."""
        assert self.path is not None
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise sqlite3.OperationalError(
                f"{log.name} holds changes that are not in the file yet; open it once where its "
                "folder can be written"
            )
        self._opened = _stamp(self.path)
        connection = self._connect_immutable()
        set_up(connection, model)
        return connection

    def _connect_immutable(self) -> sqlite3.Connection:
        assert self.path is not None
        return self._connect(f"{self.path.absolute().as_uri()}?immutable=1", uri=True)

    def _follow_immutable(self) -> None:
        """SQLite does not look for changes of a file that it was told is immutable: we do."""
        if self._opened is None or self._in_transaction():
            return
        assert self.path is not None
        now = _stamp(self.path)
        if now != self._opened:
            self.connection.close()
            self.connection = self._connect_immutable()
            self._opened = now

    def _connect(self, database: str, *, uri: bool = False) -> sqlite3.Connection:
        return sqlite3.connect(
            database,
            timeout=self._wait,
            isolation_level=None,
            check_same_thread=False,
            uri=uri,
        )

    def _check_open(self) -> None:
        """Raise a `UsageError` where the index was closed."""
        if self.closed:
            raise UsageError(f"{self}: the index was closed; open it again")

    def _in_transaction(self) -> bool:
        return self.connection.in_transaction

    def _busy_error(self, nothing_done: str) -> ExemplarIndexError:
        return ExemplarIndexError(
            f"{self}: another program has been writing to it for {self._wait:g} s; {nothing_done}; "
            "try again when it is done"
        )

    def _unusable_error(self, error: Exception) -> ExemplarIndexError:
        return ExemplarIndexError(f"{self}: not a usable exemplar index ({error})")


def _is_busy(error: sqlite3.Error) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _BUSY


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
