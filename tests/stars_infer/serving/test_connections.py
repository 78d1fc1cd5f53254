"""Connections whose request does not come are closed; whoever is refused can read why."""

import asyncio
import json
import selectors
import socket
import threading
import time
from contextlib import suppress

import pytest

pytest.importorskip("uvicorn", reason="the extra [serve] is not installed")

import uvicorn
from uvicorn.server import ServerState

from stars_infer.serving import connections
from stars_infer.serving.lengths import LONGEST_ADDRESS, LONGEST_HEAD, LONGEST_HEADERS

REQUEST_END = b"Host: x\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\n" + REQUEST_END


async def app(scope, receive, send):
    await asyncio.sleep(0.6 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Hurrying(selectors.DefaultSelector):
    """Waits only for what comes at once: where nothing does, the time of the loop has passed."""

    now = 0.0

    def select(self, timeout=None):
        found = super().select(0 if timeout == 0 else 0.05)
        if timeout and not found:
            self.now += timeout
        return found


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
        began = loop.time()
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
        took = loop.time() - began
        writer.close()
        server.close()
        return said, took

    def run(*parts):
        selector = Hurrying()
        loop = asyncio.SelectorEventLoop(selector)
        loop.time = lambda: selector.now
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(talk(parts))

    return run


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


@pytest.fixture
def port():
    """The port of a server that answers before a body has come."""
    ports, loop = [], asyncio.new_event_loop()
    config = uvicorn.Config(app, log_config=None, h11_max_incomplete_event_size=LONGEST_HEAD)
    ready = threading.Event()

    async def start():
        server = await loop.create_server(
            lambda: connections.DeadlineProtocol(config, ServerState(), {}), "127.0.0.1", 0
        )
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    def run():
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(60)
    yield ports[0]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def tell(port, request, pieces=1):
    """Send a request to its end, whatever is answered meanwhile; then read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        step = -(-len(request) // pieces)
        for start in range(0, len(request), step):
            connection.sendall(request[start : start + step])
            time.sleep(0.02 if pieces > 1 else 0)
        said = b""
        while part := connection.recv(65_536):  # a reset raises
            said += part
        return said


LONG = b"a" * 3_000_000


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (414, b"GET /?x=" + LONG + b" HTTP/1.1\r\n" + REQUEST_END),
        (414, b"GET /?x=" + b"a" * (LONGEST_HEAD + 10)),
        (431, b"GET / HTTP/1.1\r\nX: " + LONG + b"\r\n" + REQUEST_END),
        (431, b"GET / HTTP/1.1\r\n" + b"X: yyyyyyyyyy\r\n" * 20_000 + REQUEST_END),
        (400, b"\0\1 nonsense\r\n\r\n" + LONG),
        (
            400,
            b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"
            + LONG,
        ),
    ],
)
def test_what_is_refused_on_the_wire_is_said(port, status, request_, pieces):
    head, _, body = tell(port, request_, pieces).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(body)["kind"] == "server"


def test_the_address_of_a_stream_may_not_be_long(port):
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    request = b"GET /?x=" + b"a" * 9000 + b" HTTP/1.1\r\n" + upgrade + key + REQUEST_END
    assert tell(port, request).startswith(b"HTTP/1.1 414 ")


@pytest.mark.parametrize("sent", [1.0, 0.5])
def test_an_answer_before_the_end_of_a_body_can_be_read(port, monkeypatch, sent):
    monkeypatch.setattr(connections, "DRAIN_SECONDS", 120)
    body = LONG * 5
    head = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n" % len(body)
    said = tell(port, head + REQUEST_END + body[: int(sent * len(body))], pieces=3)
    assert said.startswith(b"HTTP/1.1 204 ")


def test_the_rest_of_a_body_is_not_waited_for_for_ever(port, monkeypatch):
    monkeypatch.setattr(connections, "DRAIN_SECONDS", 0.3)
    head = b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n" + REQUEST_END
    with pytest.raises(ConnectionError):  # long before all is sent, which takes more than a minute
        tell(port, head.replace(b"1000", b"90000") + b"x" * 9000, pieces=4000)
    monkeypatch.setattr(connections, "DRAIN_SECONDS", 120)
    whole = head + b"x" * 1000
    assert (
        tell(port, whole + b"GET / HTTP/1.1\r\nConnection: close\r\n" + REQUEST_END).count(b" 204 ")
        == 2
    )


def test_the_lengths_hold_what_clients_send():
    ids = "&".join(f"id={number}" for number in range(1_000_000, 1_010_000))
    assert len(f"/v1/exemplars?{ids}") < LONGEST_ADDRESS
    assert LONGEST_HEADERS >= 8192
