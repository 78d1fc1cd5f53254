"""A connection whose request does not come is closed; others are not."""

import asyncio
import time
from contextlib import suppress

import pytest

pytest.importorskip("uvicorn", reason="the extra [serve] is not installed")

import uvicorn
from uvicorn.server import ServerState

from stars_infer.serving import connections

REQUEST_END = b"Host: x\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\n" + REQUEST_END


async def app(scope, receive, send):
    await asyncio.sleep(0.6 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def ask(monkeypatch):
    """What a server says to bytes that come with pauses, and when it closed the connection."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)

    async def talk(parts):
        config = uvicorn.Config(app, log_config=None)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: connections.DeadlineProtocol(config, ServerState(), {}), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        began = time.monotonic()
        for pause, part in parts:
            await asyncio.sleep(pause)
            if not reader.at_eof():
                writer.write(part)
        whole = sum(part.endswith(REQUEST_END) for _, part in parts)
        said = b""
        with suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(1000), 3):
                said += part
                if whole == len(parts) == said.count(b"204 No Content"):
                    break
        took = time.monotonic() - began
        writer.close()
        server.close()
        return said, took

    return lambda *parts: asyncio.run(talk(parts))


def test_headers_that_trickle_are_not_waited_for(ask):
    said, took = ask((0, b"GET / HTTP/1.1\r\n"), *[(0.1, b"X: y\r\n")] * 8)
    assert said == b""
    assert took < 1.5


def test_nothing_is_not_waited_for(ask):
    assert ask()[0] == b""


def test_a_whole_request_is_answered_however_long_that_takes(ask):
    assert ask((0, b"GET /slow HTTP/1.1\r\n" + REQUEST_END))[0].startswith(b"HTTP/1.1 204")


def test_the_next_request_has_a_clock_of_its_own(ask):
    said, _ = ask((0, REQUEST), (0.2, REQUEST), (0.2, REQUEST))
    assert said.count(b"204 No Content") == 3
    said, took = ask((0, REQUEST), (0.1, b"GET / HT"), *[(0.1, b"T")] * 6)
    assert said.count(b"204 No Content") <= 1
    assert took < 2
