"""Lines of frames from a file or a socket, read in a thread of their own.

Classifying takes time, and a live source does not wait. A queue lies between the two; when it is
full, the oldest lines are dropped, so that the newest frames are always the ones classified.
"""

from __future__ import annotations

import errno
import math
import os
import selectors
import socket
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stars_infer.errors import UsageError, reason_of
from stars_infer.streaming.frames import MAX_LINE

QUEUE = 256
"""Most lines that wait: 8 s at 30 frames a second."""
MOST_CONNECTIONS = 4096
"""Most connections to a socket at once."""
MOST_BEGUN = 64_000_000
"""Most bytes of lines that connections have begun and not ended."""
_LONG = MOST_BEGUN // MOST_CONNECTIONS
_NO_MORE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE = 0.02
_SPEAKS = 10.0
"""Seconds for which a connection that sent a line counts as one that speaks."""
_WAKE = 0.2
"""Seconds after which a reader that waits for a socket checks whether it is to stop."""

Lines = Callable[[threading.Event], Iterator[bytes]]
"""Yields lines until its source ends or the event is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a source.

    Attributes:
        number: Number of the line, counted from 1, dropped lines included.
        arrived: When it arrived, on the monotonic clock, seconds.
        text: The line, JSON.
    """

    number: int
    arrived: float
    text: bytes


class FrameFeed:
    """A queue of the newest lines of a source.

    Args:
        lines: The source.
        size: Most lines that wait.
        wait: Make the source wait when the queue is full, and drop nothing; for sources that are
            not live.

    Attributes:
        live: Whether the source does not wait.
        received: Number of lines received so far.
        dropped: Number of lines that were dropped because the queue was full.
    """

    def __init__(self, lines: Lines, *, size: int = QUEUE, wait: bool = False) -> None:
        self.received = self.dropped = 0
        self._waiting: deque[Line] = deque()
        self._size, self.live = size, not wait
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._failure: OSError | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._thread.start()

    def get(self, timeout: float) -> Line | None:
        """The oldest line that waits; None if none comes within `timeout` seconds.

        Raises:
            EOFError: If the source has ended and nothing waits.
            OSError: If the source failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout)
            if self._waiting:
                self._changed.notify_all()
                return self._waiting.popleft()
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise EOFError
            return None

    @property
    def waiting(self) -> int:
        """Lines in the queue."""
        return len(self._waiting)

    def close(self) -> None:
        """Stop reading, at the latest after the line for which the source waits."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()

    def _read(self, lines: Lines) -> None:
        try:
            for text in lines(self._stop):
                self._put(text)
        except OSError as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, text: bytes) -> None:
        with self._changed:
            if not self.live:
                self._changed.wait_for(lambda: len(self._waiting) < self._size or self._stopped)
            self.received += 1
            if len(self._waiting) == self._size:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(Line(number=self.received, arrived=time.monotonic(), text=text))
            self._changed.notify_all()

    @property
    def _stopped(self) -> bool:
        return self._stop.is_set()


@contextmanager
def open_feed(
    *,
    recorded: Lines | None = None,
    udp: str | None = None,
    unix: Path | None = None,
    replay: bool = False,
) -> Iterator[FrameFeed]:
    """Open a feed of lines from a file, a UDP socket, a Unix socket, or standard input.

    Args:
        recorded: The lines of a file, of which nothing may be dropped.
        udp: HOST:PORT at which to listen for datagrams.
        unix: Path at which to listen for connections; the socket is removed at the end.
        replay: Treat standard input as a recording, of which nothing may be dropped. A regular
            file is always treated so.

    Yields:
        The feed. It and its socket are closed when the context ends.

    Raises:
        UsageError: If the address is none, or something else lies at the path.
        OSError: If the source cannot be opened.
    """
    wait = recorded is not None
    with ExitStack() as stack:
        if recorded is not None:
            lines = recorded
        elif udp is not None:
            lines = lines_of_datagrams(stack.enter_context(udp_socket(udp)))
        elif unix is not None:
            listener = stack.enter_context(unix_socket(unix))
            stack.callback(remove_socket, unix, os.lstat(unix))
            lines = lines_of_connections(listener)
        else:
            # Not sys.stdin itself: Python may not close what a thread is still reading.
            number = sys.stdin.fileno()
            lines = lines_of_file(open(number, "rb", closefd=False))  # noqa: SIM115
            wait = replay or stat.S_ISREG(os.fstat(number).st_mode)
        feed = FrameFeed(lines, wait=wait)
        stack.callback(feed.close)
        yield feed


def lines_of_file(file: BinaryIO) -> Lines:
    """Lines of a binary file, such as standard input."""

    def lines(stop: threading.Event) -> Iterator[bytes]:
        while not stop.is_set() and (line := file.readline(MAX_LINE + 1)):
            while not line.endswith(b"\n") and len(line) > MAX_LINE:
                # The rest of a line that is too long would read as lines of its own.
                rest = file.readline(MAX_LINE)
                if not rest or rest.endswith(b"\n"):
                    break
            if line.strip():
                yield line

    return lines


def udp_socket(address: str) -> socket.socket:
    """Listen at HOST:PORT for datagrams, each of one or more lines.

    Raises:
        UsageError: If the address has another form.
        OSError: If the address cannot be used.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{address!r} is no HOST:PORT, such as 127.0.0.1:9000")
    host = host.removeprefix("[").removesuffix("]")
    found = socket.getaddrinfo(host or None, int(port), type=socket.SOCK_DGRAM)
    family, kind, protocol, _, place = found[0]
    udp = socket.socket(family, kind, protocol)
    try:
        udp.bind(place)
    except OSError:
        udp.close()
        raise
    return udp


def unix_socket(path: Path) -> socket.socket:
    """Listen at a path for connections that send lines.

    A socket that an earlier process left behind is replaced.

    Raises:
        UsageError: If something other than a socket lies there, another process listens, or no
            socket can be made there.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("this system has no unix sockets: use --udp")
    if os.path.lexists(path):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UsageError(f"{path}: not a socket; name a path where nothing lies")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.settimeout(_WAKE)
            # Only a refusal says that nobody listens: a busy one, or another user's, does not.
            if other.connect_ex(os.fspath(path)) != errno.ECONNREFUSED:
                raise UsageError(f"{path}: another process listens there; name another path")
        path.unlink()
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        unix.bind(os.fspath(path))
        unix.listen()
    except OSError as error:
        unix.close()
        why = reason_of(error) if error.errno else f"{error}: name a shorter path"
        raise UsageError(f"{path}: no socket can be made there: {why}") from error
    return unix


def remove_socket(path: Path, bound: os.stat_result) -> None:
    """Remove a socket, unless something else lies at its path by now.

    Args:
        path: The path to which the socket was bound.
        bound: `os.lstat` of the path right after that.
    """
    with suppress(OSError):
        if os.path.samestat(path.lstat(), bound):
            path.unlink()


def lines_of_datagrams(udp: socket.socket) -> Lines:
    """Lines of the datagrams that come in."""

    def lines(stop: threading.Event) -> Iterator[bytes]:
        udp.settimeout(_WAKE)
        while not stop.is_set():
            try:
                data = udp.recv(65536)
            except TimeoutError:
                continue
            yield from (line for line in data.split(b"\n") if line.strip())

    return lines


def lines_of_connections(listener: socket.socket) -> Lines:
    """Lines of all connections to a listening socket, of at most `MOST_CONNECTIONS` at once.

    Where there would be more, or the system allows no more, those go that have been silent
    longest, and of connections that speak none as long as there are others.
    """

    def lines(stop: threading.Event) -> Iterator[bytes]:
        listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            connections = _Connections(selector)
            try:
                while not stop.is_set():
                    # Who speaks comes before who is new, and has then not been silent longest.
                    ready = [key.fileobj for key, _ in selector.select(_WAKE)]
                    for one in sorted(ready, key=lambda one: one is listener):
                        if one is listener:
                            connections.accept(listener)
                        elif one in connections:  # not one that had to go just now
                            assert isinstance(one, socket.socket)
                            yield from connections.whole_lines(one)
            finally:
                connections.close()

    return lines


class _Connections:
    """Connections, with the line that each has begun.

    Args:
        selector: Where they are registered.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._rests: dict[socket.socket, bytes] = {}  # what was silent longest comes first
        self._spoke: dict[socket.socket, float] = {}  # on the monotonic clock, seconds

    def __contains__(self, connection: object) -> bool:
        return connection in self._rests

    def accept(self, listener: socket.socket) -> None:
        """Take a connection; where the system allows no more, one that is silent makes room."""
        try:
            connection, _ = listener.accept()
        except OSError as error:
            if error.errno in _NO_MORE and len(self._rests) > 1:
                self._drop(self._most_silent())
            elif error.errno in _NO_MORE:
                time.sleep(_PAUSE)
            return  # it broke off, or comes again at once
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ)
        self._rests[connection] = b""
        if len(self._rests) > MOST_CONNECTIONS:
            self._drop(self._most_silent())

    def whole_lines(self, connection: socket.socket) -> list[bytes]:
        """Lines that a connection has completed; the beginning of the next is kept."""
        try:
            data = connection.recv(65536)
        except OSError:  # it broke off
            data = b""
        *lines, rest = (self._rests.pop(connection) + data).split(b"\n")
        # Of a line that is too long the end is kept, which is no JSON and refused as such.
        self._rests[connection] = rest[-MAX_LINE:]
        if not data:
            lines.append(rest)
            self._drop(connection)
        else:
            if lines:
                self._spoke[connection] = time.monotonic()
            if len(rest) > _LONG:
                self._bound()
        return [line for line in lines if line.strip()]

    def close(self) -> None:
        """Close all."""
        for connection in self._rests:
            connection.close()

    def _most_silent(self) -> socket.socket:
        """The one that was silent longest, if possible not one that spoke just now.

        Many may come between two lines of one that speaks, which has then been silent longest.
        """
        long_ago = time.monotonic() - _SPEAKS
        silent = (one for one in self._rests if self._spoke.get(one, -math.inf) < long_ago)
        return next(silent, next(iter(self._rests)))

    def _bound(self) -> None:
        """Drop those that have begun lines and do not end them, where these take much memory."""
        while len(self._rests) > 1 and sum(map(len, self._rests.values())) > MOST_BEGUN:
            self._drop(max(self._rests, key=lambda one: len(self._rests[one])))

    def _drop(self, connection: socket.socket) -> None:
        del self._rests[connection]
        self._spoke.pop(connection, None)
        self._selector.unregister(connection)
        connection.close()
