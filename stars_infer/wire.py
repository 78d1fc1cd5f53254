"""Requests to a server over HTTP: a connection for each thread, kept open; what may be is retried.

A server that is full says so, and when to come again, before it reads a body. A connection that
was kept open may be closed by the server just when the next request goes out.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from stars_infer.errors import (
    ClipError,
    ExemplarIndexError,
    ServerError,
    StarsError,
    UsageError,
    check_range,
)

LONGEST_PAUSE = 30.0
"""Seconds that a server may ask to wait; who is told to wait longer is told so at once."""
_FIRST_PAUSE = 0.1
"""Seconds before a broken request is sent again; twice as many each time."""
_FULL = (429, 503)
_KNOWN = {"usage": UsageError, "index": ExemplarIndexError}
_BROKEN = (http.client.RemoteDisconnected, http.client.IncompleteRead, BrokenPipeError,
           ConnectionResetError, ConnectionAbortedError)  # fmt: skip
"""A connection that was there, and is not any more."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the request may be sent again, if the server says so."""
        given = {name.lower(): value for name, value in self.headers.items()}.get("retry-after", "")
        return int(given) if given.isdecimal() and given.isascii() else None


class Wire:
    """Sends requests to one server.

    Args:
        url: Where it is, such as `http://127.0.0.1:8000`.
        timeout: Seconds to wait for an answer.
        tls: How the certificate of an `https` server is checked.
        retries: How often a request is sent again that changes nothing, where the server is full
            or the connection broke; 0 for never.

    Raises:
        UsageError: If the address is none, or a number is out of range.
    """

    def __init__(
        self, url: str, *, timeout: float, tls: ssl.SSLContext | None, retries: int
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url!r} is no address of a server, such as http://127.0.0.1:8000")
        check_range("timeout", timeout, above=0)
        check_range("retries", retries, at_least=0, at_most=100, whole=True)
        self.url, self.path = url.rstrip("/"), parts.path.rstrip("/")
        self._parts, self._tls, self._timeout = parts, tls, timeout
        self._retries = retries
        self._own = threading.local()

    def close(self) -> None:
        """Close the connection of this thread."""
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: dict[str, str],
        *,
        again: bool,
    ) -> bytes:
        """Send a request, and return what is answered.

        Args:
            method: Of HTTP.
            target: Path and query.
            body: What is sent along.
            headers: Further headers.
            again: Whether it changes nothing, and may be sent again.

        Raises:
            StarsError: What the server refuses, as the error that it has there; a `ServerError` if
                it does not answer.
        """
        for left in range(self._retries if again else 0, -1, -1):
            pause = _FIRST_PAUSE * 2 ** (self._retries - left) * random.uniform(0.5, 1.5)
            try:
                answer = self._exchange(method, target, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if left and isinstance(error, _BROKEN):
                    time.sleep(pause)
                    continue
                why = str(error) or type(error).__name__
                told = f"{self.url}: no answer ({why}): is `stars serve` there?"
                raise ServerError(503, told) from error
            if answer.status < 400:
                return answer.content
            wait = answer.retry_after
            if not left or answer.status not in _FULL or wait is None or wait > LONGEST_PAUSE:
                raise _error(answer)
            time.sleep(wait + pause)  # not all that were told the same at the same time
        raise AssertionError("unreachable")

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> _Answer:
        """Send a request over this thread's connection; over a new one if the server closed it."""
        connection = self._connection()
        fresh = connection.sock is None
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
        except _BROKEN:
            connection.close()
            if fresh:
                raise
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
        return _Answer(answer.status, dict(answer.headers), answer.read())

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            if self._parts.scheme == "https":
                connection = http.client.HTTPSConnection(
                    host, port, timeout=self._timeout, context=self._tls
                )
            else:
                connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
            self._own.connection = connection
        return connection


def _error(answer: _Answer) -> StarsError:
    """The error that a server told."""
    try:
        said = json.loads(answer.content)
        problem, kind = str(said["error"]), said.get("kind")
        if kind == "clip":
            return ClipError(said["source"], said["problem"])
        if kind in _KNOWN:
            return _KNOWN[kind](problem)
    except (ValueError, KeyError, TypeError):
        problem = f"status {answer.status}, and not a word: if it is 500 or more, send it again"
    return ServerError(answer.status, problem, retry_after=answer.retry_after)
