"""Lets in only whoever holds the address that `stars studio` printed or opened.

A cookie is sent to all ports of an address, so that a server of another user of this machine could
ask for it. It is therefore bound to a path that nobody can guess, below which the page lies.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "stars-studio"
_POLICY = (
    "default-src 'none'; script-src 'self'{wasm}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_WASM = " 'wasm-unsafe-eval'"
_CLOSED = (
    b"This page belongs to somebody who runs `stars studio`: open the address that it prints.\n"
)


class Guard:
    """Stands before the studio.

    Args:
        app: The studio, below `/studio`.
        camera: Whether the page may run WebAssembly, which finds people in pictures.

    Attributes:
        token: What the address holds; it may be opened any number of times.
        ticket: The same for the browser that is opened, where other users may see the address in
            the list of processes: it is good once.
        path: Below which the page lies for its browser.
    """

    def __init__(self, app: ASGIApp, *, camera: bool = False) -> None:
        self._app = app
        self.token, self.ticket = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.path = f"/s/{secrets.token_urlsafe(12)}"
        self._cookie = secrets.token_urlsafe(24)
        self._ticket: str | None = self.ticket
        policy = _POLICY.format(wasm=_WASM if camera else "")
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        headers = Headers(scope=scope)
        path: str = scope["path"]
        foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if path == "/" and not foreign and self._opens(scope):
            await _answer(send_safely, 303, b"", self._welcome())
        elif path.startswith(f"{self.path}/") and not foreign and self._holds_cookie(headers):
            inner = "/studio" + path.removeprefix(self.path)
            await self._app(
                {**scope, "path": inner, "raw_path": inner.encode()}, receive, send_safely
            )
        elif self._holds_token(headers):
            await self._app(scope, receive, send_safely)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await _answer(send_safely, 403, _CLOSED, plain)

    def _opens(self, scope: Scope) -> bool:
        """Whether the address holds the token, or the ticket, which is then spent."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if _same(given, self.token):
            return True
        if self._ticket is not None and _same(given, self._ticket):
            self._ticket = None
            return True
        return False

    def _welcome(self) -> list[tuple[bytes, bytes]]:
        cookie = f"{COOKIE}={self._cookie}; Path={self.path}/; HttpOnly; SameSite=Strict"
        return [(b"location", f"{self.path}/".encode()), (b"set-cookie", cookie.encode())]

    def _holds_cookie(self, headers: Headers) -> bool:
        return any(
            _same(cookie_parser(one).get(COOKIE, ""), self._cookie)
            for one in headers.getlist("cookie")
        )

    def _holds_token(self, headers: Headers) -> bool:
        kind, _, key = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and _same(key.strip(), self.token)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    always = [length, (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *always]})
    await send({"type": "http.response.body", "body": body})
