"""What a client sends again, and what it does not."""

import json
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from stars_infer import wire
from stars_infer.client import Client
from stars_infer.errors import ClipError, ServerError, UsageError

MODELS = json.dumps({"models": [], "changed": 1}).encode()


class Server:
    """A server that answers as it is told: a status, `reset`, `cut`, or `gone`.

    Attributes:
        plan: Its answers; when there are none left, all is well.
        asked: Methods and paths of the requests.
    """

    def __init__(self):
        self.plan, self.asked, self.after = [], [], "0"
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.asked.append((self.command, self.path.partition("?")[0]))
                what = server.plan.pop(0) if server.plan else 200
                self.close_connection = isinstance(what, str)
                if what == "reset":
                    reset = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    self.connection.close()
                elif what == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
                elif what != "gone":
                    said = json.dumps({"error": "not now", "kind": "server"}).encode()
                    body = MODELS if what == 200 else said
                    self.send_response(what)
                    if what != 200 and server.after is not None:
                        self.send_header("Retry-After", server.after)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def log_message(self, *_):
                pass

            def finish(self):
                with suppress(OSError, ValueError):
                    super().finish()

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(wire, "_FIRST_PAUSE", 0.001)
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.mark.parametrize("trouble", [429, 503, "reset", "cut", "gone"])
@pytest.mark.parametrize("times", [1, 3])
def test_what_changes_nothing_is_sent_again(server, trouble, times):
    server.plan = [trouble] * times
    assert Client(server.url).models() == []
    assert server.asked == [("GET", "/v1/models")] * (times + 1)


@pytest.mark.parametrize("trouble", [429, 503, "reset", "cut"])
def test_it_is_sent_again_so_often_and_no_more(server, trouble):
    for retries in (0, 2):
        server.plan, server.asked[:] = [trouble] * 9, []
        with pytest.raises(ServerError, match="not now" if trouble in (429, 503) else "no answer"):
            Client(server.url, retries=retries).models()
        assert len(server.asked) == retries + 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 501])
def test_what_is_wrong_is_told_at_once(server, status):
    server.plan = [status] * 9
    with pytest.raises(ServerError, match="not now"):
        Client(server.url).models()
    assert len(server.asked) == 1


@pytest.mark.parametrize("after", [None, "31", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_only_a_short_wait_that_is_said_is_waited(server, after):
    server.plan, server.after = [429] * 9, after
    with pytest.raises(ServerError):
        Client(server.url).models()
    assert len(server.asked) == 1


def test_calls_with_clips_are_sent_again_unless_they_teach(server):
    far, clip = Client(server.url), np.ones((2, 25, 3))
    for call, path in (
        (lambda: far.predict(clip), "classify"),
        (lambda: far.search(clip), "search"),
        (lambda: far.embed(clip), "embed"),
        (lambda: far.segment(clip), "segment"),
        (lambda: far.predict_proba(clip), "chances"),
    ):
        server.plan, server.asked[:] = [503, 400], []
        with pytest.raises(ServerError):
            call()
        assert server.asked == [("POST", f"/v1/{path}")] * 2
    for change in (
        lambda: far.add("wave", clip),
        lambda: far.rename("a", "b"),
        lambda: far.remove("a"),
    ):
        server.plan, server.asked[:] = [503], []
        with pytest.raises(ServerError, match="not now"):
            change()
        assert len(server.asked) == 1


def test_what_cannot_be_asked_is_refused(server):
    for wrong in ({"retries": -1}, {"retries": 1.5}, {"timeout": 0}, {"url": "nowhere"}):
        with pytest.raises(UsageError):
            Client(**{"url": server.url, **wrong})
    server.plan = [503]
    with pytest.raises(ClipError, match="cannot be read|no such file"):
        Client(server.url).predict("nowhere.npy")
