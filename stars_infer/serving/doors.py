"""What stands before each request: its number, who may ask, how long it may take, and the log."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stars_infer.errors import ServerError, StarsError
from stars_infer.serving.lengths import check_length
from stars_infer.serving.logs import LOGGER, REQUEST
from stars_infer.serving.metrics import Metrics
from stars_infer.serving.problems import body_of, headers_of, status_of
from stars_infer.serving.settings import Access

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths for which no key is needed, so that whoever starts servers can ask how they are."""
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}")
_SLOWEST_SEND = 20.0
"""Seconds in which a client must take the next part of an answer."""


class Doors:
    """Lets in requests that may be answered.

    Args:
        app: What answers them.
        access: Who may ask.
        metrics: Where they are counted.
        full: Refuses a request if there is no room for it, before its body is read.
        works: The paths of requests that need room.
        writes: The paths below which requests change something.
        slowest: Seconds in which a body must come, whoever reads it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        metrics: Metrics,
        full: Callable[[], None],
        works: frozenset[str],
        writes: str,
        slowest: float,
    ) -> None:
        self._app, self._access, self._metrics = app, access, metrics
        self._full, self._works, self._writes = full, works, writes
        self._slowest = slowest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token = REQUEST.set(_request_id(headers))
        passage = _Passage(scope, receive, send, self._metrics, slowest=self._slowest)
        try:
            try:
                self._check(scope, headers)
            except StarsError as error:
                await passage.refuse(error)
                return
            await self._app(scope, passage.receive, passage.send)
        finally:
            passage.log()
            REQUEST.reset(token)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Make sure that a request may be answered.

        Raises:
            StarsError: If it may not, and why.
        """
        path, method = scope["path"], scope.get("method", "GET")
        check_length(scope)
        if path in OPEN:
            return
        host = headers.get("host", "")
        if self._access.hosts and _name_of(host) not in self._access.hosts:
            raise ServerError(
                421, f"this server is not called {_name_of(host)[:60]!r}: name it with --allow-host"
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise ServerError(403, "pages of other sites may not ask this server")
        key = _key_of(headers)
        keys = self._access.keys
        changes = path.startswith(self._writes) and (method in _WRITES or path != self._writes)
        allowed = keys.may_write(key) if changes else keys.may_read(key)
        if not allowed and not keys.knows(key):
            raise ServerError(401, "show a key: Authorization: Bearer KEY")
        if not allowed:
            raise ServerError(403, "a key for writing is needed to change or copy the index")
        if path in self._works and method == "POST":
            self._full()


class _Passage:
    """The answer to one request on its way out."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, metrics: Metrics, *, slowest: float
    ) -> None:
        self._scope, self._receive, self._send, self._metrics = scope, receive, send, metrics
        self._began = time.perf_counter()
        self._end = asyncio.get_running_loop().time() + slowest
        self._coming = scope["type"] == "http"
        self._status = 0
        self._bytes = 0

    async def receive(self) -> Message:
        """A part of the request; one that does not come in time does not come at all."""
        if not self._coming:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        self._coming = bool(message.get("more_body"))
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, in time; whoever does not take it is left.

        Raises:
            OSError: If the client is gone, or too slow.
        """
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message.get("headers", ()), *_safe_headers()]
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
        elif message["type"] == "websocket.accept":
            self._status = 101
        elif message["type"] == "websocket.close":
            self._status = self._status or 403
        try:
            async with asyncio.timeout(_SLOWEST_SEND):
                await self._send(message)
        except TimeoutError as error:
            raise OSError("the client does not take its answer") from error

    async def refuse(self, error: StarsError) -> None:
        """Answer with an error."""
        status = self._status = status_of(error)
        self._metrics.refused.labels(str(status)).inc()
        prefix = "websocket." if self._scope["type"] == "websocket" else ""
        if prefix and "websocket.http.response" not in (self._scope.get("extensions") or {}):
            await self._send({"type": "websocket.close", "code": 1008, "reason": str(error)})
            return
        body = json.dumps(body_of(error), ensure_ascii=False).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **{name.lower(): value for name, value in headers_of(error).items()},
        }
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        start = {"type": f"{prefix}http.response.start", "status": status}
        await self._send({**start, "headers": [*raw, *_safe_headers()]})
        await self._send({"type": f"{prefix}http.response.body", "body": body})

    def log(self) -> None:
        """Write a line on the request, and count it."""
        seconds = time.perf_counter() - self._began
        route = getattr(self._scope.get("route"), "path", None) or _known(self._scope["path"])
        method = self._scope.get("method", "WEBSOCKET")
        client = self._scope.get("client")
        status = str(self._status or 499)  # the client has gone
        self._metrics.requests.labels(route, method, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        LOGGER.info(
            "%s %s",
            method,
            route,
            extra={
                "method": method,
                "route": route,
                "status": int(status),
                "milliseconds": round(1000 * seconds, 2),
                "bytes": self._bytes,
                "client": client[0] if client else None,
            },
        )


def _known(path: str) -> str:
    """A path for logs and metrics: what clients make up is not counted one by one."""
    return path if path in OPEN else "other"


def _safe_headers() -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", REQUEST.get().encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]


def _request_id(headers: Headers) -> str:
    """The number that the client gave the request, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) and given.isascii() else secrets.token_hex(8)


def _name_of(host: str) -> str:
    """The name in a `Host` header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _key_of(headers: Headers) -> str | None:
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key else None
