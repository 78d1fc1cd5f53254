"""The SQLite file of an index: one connection that several threads share."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stars_infer.atomic import written_beside
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index.full_disk import reason_of
from stars_infer.index.holders import Waiting
from stars_infer.index.schema import is_busy, set_up

WAIT = 30.0
"""Seconds for which a change waits until other programs have finished theirs."""
_WAIT_LOCKED = 0.05
"""Seconds of that in which our own threads wait, too; then they may read for a while."""
_PAUSE = 0.005
_LOGS = ("-wal", "-journal")
"""Endings of the files beside an index in which SQLite keeps changes."""
_IN_MEMORY = "index in memory"


class IndexFile:
    """A connection to the file (WAL mode), and the lock that its threads share.

    A process that was forked off goes on with a connection of its own.

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
        self._model = model
        self._wait = wait
        self._own_changes = self._connections = 0
        self._opened: object = None
        self._forked = self.closed = False
        self._connect_to_model()
        self._place = "" if path is None else os.path.realpath(path)
        _OPEN.add(self)

    def _connect_to_model(self) -> None:
        """Open the file, and make sure that it is of the model."""
        model = self._model
        self.lock = threading.RLock()
        self._connections += 1
        try:
            self.connection = self._open(model)
            try:
                self.connection.execute(f"PRAGMA busy_timeout = {self._patience}")
                name, fingerprint = self.connection.execute(
                    "SELECT name, fingerprint FROM model"
                ).fetchone()
            except BaseException:
                self.connection.close()
                raise
        except (sqlite3.Error, TypeError, ValueError) as error:  # ValueError: a zero in its name
            if isinstance(error, sqlite3.Error) and is_busy(error):
                raise self._busy_error("it was not opened") from error
            raise self._unusable_error(error) from error
        if fingerprint != model.fingerprint:
            self.connection.close()
            self.closed = True
            same = name == model.name
            remedy = "that version, or teach its clips to" if same else "that model, or"
            raise ExemplarIndexError(
                f"{self}: made by the model {name!r} ({str(fingerprint)[:12]}), but this is "
                f"{model.name!r} ({model.fingerprint[:12]}); use {remedy} another --index"
            )

    def __str__(self) -> str:
        return _IN_MEMORY if self.path is None else str(self.path)

    def close(self) -> None:
        """Close the connection."""
        with self.lock:
            if not self._forked:  # else it is the other process's
                self.connection.close()
            self.closed = True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the file, whatever other programs write meanwhile.

        Within `reading` or `writing`, the state is that of the outer one.

        Raises:
            ExemplarIndexError: If the file is damaged, or gone.
        """
        self._follow_fork()
        with self.lock:
            self._check_open()
            within = self._in_transaction()
            try:
                if not within:
                    self._follow_immutable()
                    self._begin_reading()
                yield self.connection
            except (sqlite3.Error, OSError) as error:
                raise ExemplarIndexError(
                    f"{self}: cannot be read ({error}); bring back a copy, or see what can be "
                    "saved with `stars fewshot verify` and `stars fewshot repair`"
                ) from error
            finally:
                with suppress(sqlite3.Error):  # of a damaged file; there is nothing to lose
                    if not within and self._in_transaction():  # the outer one ends its own
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
        self._follow_fork()
        waited = Waiting(self.path)
        try:
            self._begin_writing(waited)
            try:
                yield self.connection
                self.connection.execute("COMMIT")
                self._count_change()
            except BaseException:
                with suppress(sqlite3.Error):  # the one that is raised says more
                    if self._in_transaction():
                        self.connection.execute("ROLLBACK")
                raise
            finally:
                self.lock.release()
        except sqlite3.Error as error:
            if is_busy(error):
                raise self._busy_error(nothing_done, waited) from error
            raise ExemplarIndexError(
                f"{self}: cannot be written ({reason_of(error, self.path)}); {nothing_done}"
            ) from error

    def _begin_reading(self) -> None:
        """Begin with one state of the file; another program may be bringing it up to date."""
        end = time.monotonic() + self._wait
        while True:
            try:
                self.connection.execute("BEGIN")
                self.connection.execute("SELECT count(*) FROM tallies").fetchone()
                return
            except sqlite3.OperationalError as error:
                if self._in_transaction():
                    self.connection.execute("ROLLBACK")
                if not is_busy(error) or time.monotonic() > end:
                    raise
            time.sleep(_PAUSE)

    def _begin_writing(self, waited: Waiting) -> None:
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
                busy = isinstance(error, sqlite3.Error) and is_busy(error)
                if busy:
                    waited.look(last=time.monotonic() > end)
                if not busy or time.monotonic() > end:
                    raise
            time.sleep(_PAUSE)

    def keep(self, write: Callable[[sqlite3.Connection], object]) -> bool:
        """Write what saves work the next time, unless the file is busy or cannot be written.

        What it writes follows from the exemplars, so it does not count as a change.

        Returns:
            Whether it was written.
        """
        self._follow_fork()
        with self.lock:
            if self.closed or self._in_transaction():
                return False
            try:
                self.connection.execute("PRAGMA busy_timeout = 0")  # who reads does not wait
                self.connection.execute("BEGIN IMMEDIATE")
                write(self.connection)
                self.connection.execute("COMMIT")
            except sqlite3.Error:
                return False
            finally:
                with suppress(sqlite3.Error):
                    if self._in_transaction():
                        self.connection.execute("ROLLBACK")
                    self.connection.execute(f"PRAGMA busy_timeout = {self._patience}")
        return True

    def version(self) -> object:
        """A value that differs after every change, for use within `reading`."""
        # data_version moves with the changes of other connections, not with our own.
        (others,) = self.connection.execute("PRAGMA data_version").fetchone()
        return others, self._own_changes, self._opened, self._connections

    def own_version(self) -> object:
        """A value that differs after every change that this process has made, by any connection."""
        return _CHANGED.get(self._place, 0), self._own_changes, self._connections

    def _count_change(self) -> None:
        self._own_changes += 1
        if self._place:
            with _COUNTING:
                _CHANGED[self._place] = _CHANGED.get(self._place, 0) + 1

    def save(self, path: Path) -> None:
        """Write a copy, beside its place and renamed; saving to the file itself does nothing.

        Raises:
            UsageError: If another file is there, or what is left of one.
            ExemplarIndexError: If it cannot be written.
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
        self._follow_fork()
        try:
            with written_beside(path) as beside, self.lock:
                self._check_open()
                copy = sqlite3.connect(beside)
                try:
                    self.connection.backup(copy)
                    copy.execute("PRAGMA journal_mode = WAL")
                finally:
                    copy.close()
        except (sqlite3.Error, OSError) as error:
            raise ExemplarIndexError(
                f"{path}: cannot be written ({reason_of(error, path)})"
            ) from error

    def _open(self, model: ModelInfo) -> sqlite3.Connection:
        """Connect to the file, for reading only where its folder cannot be written."""
        # An absolute path, for SQLite takes names like ":memory:" for something else.
        connection = self._connect(":memory:" if self.path is None else str(self.path.absolute()))
        try:
            set_up(connection, model, wait=self._wait)
        except sqlite3.OperationalError as error:
            connection.close()
            if self.path is None or not self.path.is_file() or is_busy(error):
                raise
            if not self.path.stat().st_size:  # nothing was ever written
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
        if _size_of(log):
            raise sqlite3.OperationalError(
                f"{log.name} holds changes that are not in the file yet; open it once where its "
                "folder can be written"
            )
        self._opened = _stamp(self.path)
        connection = self._connect_immutable()
        try:
            set_up(connection, model, wait=self._wait)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_immutable(self) -> sqlite3.Connection:
        assert self.path is not None
        return self._connect(f"{self.path.absolute().as_uri()}?immutable=1", uri=True)

    def _follow_immutable(self) -> None:
        """SQLite does not look for changes of a file that it was told is immutable: we do."""
        if self._opened is None:
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

    @property
    def _patience(self) -> int:
        """Milliseconds for which SQLite itself waits."""
        return round(1000 * min(self._wait, _WAIT_LOCKED))

    def _follow_fork(self) -> None:
        """Take a connection of our own in a process that was forked off: SQLite needs that."""
        if self._forked and not self.closed:
            self._connect_to_model()
            self._forked = False

    def after_fork(self) -> None:
        """Leave connection and lock to the process from which this one was forked off.

        What is in memory was copied, and stays.
        """
        self.lock = threading.RLock()  # a thread that is not here may have held the other one
        self._connections += 1
        if self.path is not None and not self.closed:
            _LEFT.append(self.connection)  # which must not be closed here
            self._forked = True

    def _busy_error(self, nothing_done: str, waited: Waiting | None = None) -> ExemplarIndexError:
        who = f"another program has been writing to it for {self._wait:g} s"
        if waited is not None and waited.holder is not None:
            since = time.strftime("%H:%M:%S", time.localtime(waited.since))
            who = f"{waited.holder} has been writing to it since {since} or earlier"
        return ExemplarIndexError(f"{self}: {who}; {nothing_done}; try again when it is done")

    def _unusable_error(self, error: Exception) -> ExemplarIndexError:
        return ExemplarIndexError(
            f"{self}: not a usable index of examples ({reason_of(error, self.path)})"
        )


_CHANGED: dict[str, int] = {}
"""Changes that this process has made to each file."""
_COUNTING = threading.Lock()
_OPEN: weakref.WeakSet[IndexFile] = weakref.WeakSet()
_LEFT: list[sqlite3.Connection] = []
"""Connections of the process from which this one was forked off."""


def _after_fork() -> None:
    global _COUNTING
    _COUNTING = threading.Lock()  # another thread may have held it
    for file in list(_OPEN):
        file.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _size_of(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
