"""Connections whose requests must come in time, and whose clients read their answer.

A client that sends the headers of a request a byte at a time would hold a connection for ever,
which neither uvicorn nor an application sees. (The body has its own time, see `uploads`.) And
whoever is refused while it still sends would lose the answer, because a connection that is closed
with bytes unread is reset.
"""

from __future__ import annotations

import asyncio
import json
import sys
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from stars_infer.serving.lengths import (
    LONGEST_ADDRESS,
    LONGEST_STREAM_ADDRESS,
    TOO_LONG,
    too_long,
)

HEADER_SECONDS = 10.0
"""Seconds in which all headers of a request must have come."""
DRAIN_SECONDS = 10.0
"""Seconds in which the rest of a body that nobody wants may come, after the answer."""
_NO_REQUEST = "this is no request of HTTP/1.1"


class DeadlineProtocol(H11Protocol):
    """Closes a connection on which no whole request comes in time, and none before it is read."""

    _deadline: asyncio.TimerHandle | None = None
    _draining: asyncio.TimerHandle | None = None
    closed = False
    """Whether all is said, and the rest of what comes is thrown away."""

    def connection_made(  # type: ignore[override]  # as in uvicorn
        self, transport: asyncio.Transport
    ) -> None:
        """The clock starts with the connection."""
        self._wire = transport
        super().connection_made(cast("asyncio.Transport", _Patient(transport, self)))
        self._start()

    def data_received(self, data: bytes) -> None:
        """The clock starts with the first byte after an answer, and stops with the headers."""
        if self.closed:
            return
        if self._deadline is None and self.conn.their_state is h11.IDLE:
            self._start()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end()
        if self._draining is not None and not self.closed and not self._sending:
            self._draining.cancel()
            self._draining = None

    def on_response_complete(self) -> None:
        """What is left of a body is read, as long as that may take."""
        super().on_response_complete()
        if self._sending and self._draining is None:
            self._draining = self.loop.call_later(DRAIN_SECONDS, self._wire.close)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """A stream goes on without this protocol, if its address is one."""
        if len(event.target) > LONGEST_STREAM_ADDRESS:
            self._refuse(414, too_long(414, LONGEST_STREAM_ADDRESS))
            return
        self.transport = self._wire
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with what came; called while h11's error is handled."""
        status = getattr(sys.exception(), "error_status_hint", 400)
        if status == 431 and b"\n" not in self.conn.trailing_data[0][:LONGEST_ADDRESS]:
            status = 414
        self._refuse(status, too_long(status) if status in TOO_LONG else _NO_REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        """The clocks stop."""
        self._end()
        if self._draining is not None:
            self._draining.cancel()
        super().connection_lost(exc)

    @property
    def _sending(self) -> bool:
        """Whether the client is within a request."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def _refuse(self, status: int, why: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # nothing more can be said to it
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": why, "kind": "server"}).encode()
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            reason = HTTPStatus(status).phrase.encode()
            start = h11.Response(status_code=status, headers=headers, reason=reason)
            for part in (start, h11.Data(data=body), h11.EndOfMessage()):
                self._wire.write(self.conn.send(part) or b"")
        self.transport.close()

    def hang_up(self) -> None:
        """Close the connection; while the client still sends, only this half of it."""
        if self.closed or not self._sending or self._wire.is_closing():
            self._wire.close()
            return
        self.closed = True
        if self._draining is None:
            self._draining = self.loop.call_later(DRAIN_SECONDS, self._wire.close)
        self._wire.resume_reading()
        if self._wire.can_write_eof():  # not with TLS
            self._wire.write_eof()

    def _start(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._close)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


class _Patient:
    """A transport that the protocol closes in its own way."""

    def __init__(self, transport: asyncio.Transport, protocol: DeadlineProtocol) -> None:
        self._transport, self._protocol = transport, protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self._protocol.hang_up()

    def is_closing(self) -> bool:
        return self._protocol.closed or self._transport.is_closing()
