"""A real process at a real port: taught, asked, left by slow clients, and stopped."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from stars_infer.client import Client
from stars_infer.errors import ClipError, ExemplarIndexError, ServerError, UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.recognizer import Recognizer
from stars_infer.serving.settings import Limits
from tests.stars_infer.serving.conftest import clip

KEY = "a-key-for-this-test-only"
CODE = """
from stars_infer.cli import main
from stars_infer.serving import connections

connections.HEADER_SECONDS = 300.0
main()
"""


class Process:
    """`stars serve` in a process of its own.

    Attributes:
        lines: Of its log.
        others: What it wrote between them; nothing else belongs on its standard error.
    """

    def __init__(self, model, path, *options, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, "serve", "--port", "0", "--index", path, "--model", model,
             "--device", "cpu", "--readers", "1", *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.lines, self.others = [], []
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if found := re.search(r"listening at (http://[\d.]+:(\d+))", line):
                self.url, self.port = found[1], int(found[2])
                break
        else:
            pytest.fail(f"it did not start: {self.lines}")
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:  # to its end, or the server waits for its reader
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.others.append(line)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(300)
        self.reader.join()
        return code


@pytest.fixture(scope="module")
def process(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("process") / "stars.db"
    running = Process(tiny_model, path, "--connections", "40", STARS_WRITE_KEYS=KEY)
    running.path = path
    yield running
    running.process.kill()


def test_a_client_has_the_calls_of_a_recognizer(process, tiny_model, tmp_path):
    near = Recognizer(model=tiny_model, device="cpu")
    with Client(process.url, key=KEY) as far:
        for action in ("wave", "clap"):
            clips = [clip(action, seed) for seed in range(3)]
            for one in (near, far):
                assert repr(one.add(action, clips)) == "<3 added>"
        assert (far.labels, len(far), far.counts) == (near.labels, len(near), near.counts)
        query = clip("wave", 7)
        np.save(tmp_path / "q.npy", query)
        answer, wanted = far.predict(tmp_path / "q.npy"), near.predict(tmp_path / "q.npy")
        assert (answer.label, answer.known, answer.source) == ("wave", wanted.known, "q.npy")
        assert answer.confidence == pytest.approx(wanted.confidence, abs=1e-5)
        several = [query, clip("clap", 8)]
        chances = near.predict_proba(several)
        np.testing.assert_allclose(far.predict_proba(several), chances, atol=1e-5)
        assert [one.label for one in far.predict(several)] == ["wave", "clap"]
        (nearest,) = far.search(query, k=1)
        assert nearest.similarity == pytest.approx(near.search(query, k=1)[0].similarity, abs=1e-5)
        assert far.embed(query).shape == (1, 32)
        assert far.segment(query)[0]["source"] == "array.npy"
        again = far.add("clap", clips[0])
        assert len(again.duplicates) == 1
        last = far.exemplars("wave")[-1]
        assert far.relabel([last.id], "clap") == 1
        assert far.rename("wave", "greet") == 2
        assert far.remove(ids=[last.id]) == 1
        assert far.counts == {"clap": 3, "greet": 2}
        far.save(tmp_path / "copy.db")
        copy = Recognizer.open(tmp_path / "copy.db", model=tiny_model, device="cpu")
        assert copy.counts == far.counts
        assert far.models()[0]["exemplars"] == 5


def test_a_client_raises_the_errors_of_a_recognizer(process, tmp_path):
    with Client(process.url, key=KEY) as far:
        for call, error, says in (
            (lambda: far.predict(clip("wave", 0), up="sideways"), UsageError, "up axis"),
            (lambda: far.predict(clip("wave", 0)[:, :1]), ClipError, "1 frame"),
            (lambda: far.rename("nope", "x"), UsageError, "there is no action 'nope'"),
            (lambda: far.predict([]), UsageError, "the list is empty"),
            (lambda: far.predict(tmp_path / "nowhere.npy"), ClipError, "nowhere.npy"),
            (lambda: far.predict([object()]), UsageError, "object is no clip"),
            (lambda: far.predict(clip("wave", 0)[..., :2], flat=True), ExemplarIndexError, "2D"),
        ):
            with pytest.raises(error, match=says):
                call()
    with pytest.raises(ServerError, match="show a key"):
        Client(process.url, key="no").add("wave", clip("wave", 0))
    with pytest.raises(ServerError, match="is `stars serve` there"):
        Client("http://127.0.0.1:9").predict(clip("wave", 0))
    with pytest.raises(UsageError, match="no address"):
        Client("ftp://x")


def test_slow_and_dead_clients_hold_nothing_up(process):
    """Headers that never end, and bodies that never come."""
    slow = []
    for number in range(20):
        slow.append(socket.create_connection(("127.0.0.1", process.port)))
        head = b"POST /v1/classify?name=x.npy HTTP/1.1\r\nHost: localhost\r\n"
        slow[-1].sendall(head + (b"Content-Length: 99\r\n\r\nx" if number % 2 else b"X-Slow: "))
    began = time.monotonic()
    with Client(process.url) as far:
        for _ in range(5):
            assert far.predict(clip("wave", 7)).label == "greet"
    assert time.monotonic() - began < Limits().seconds - 1  # in which a body must have come
    for one in slow:
        one.close()


def test_sigterm_finishes_what_is_in_flight_and_keeps_what_was_acknowledged(process, encoder):
    told = []

    def teach(thread):
        with Client(process.url, key=KEY) as far:
            try:
                for number in range(1000):
                    added = far.add("kick", clip("kick", 1000 * thread + number))
                    told.extend(added.added)
            except ServerError:
                return

    threads = [threading.Thread(target=teach, args=(number,)) for number in range(3)]
    for one in threads:
        one.start()
    end = time.monotonic() + 120
    while len(told) < 5 and time.monotonic() < end:
        time.sleep(0.02)
    process.stop()
    for one in threads:
        one.join()
    assert len(told) >= 5
    with ExemplarIndex.open(process.path, encoder.info, create=False) as index:
        assert index.counts()["kick"] == len(told)
    said = [line["message"] for line in process.lines]
    assert said[-1] == "stopped"
    assert not [line for line in process.lines if line["level"] == "error"]
    assert not [line for line in process.lines if KEY in json.dumps(line)]
