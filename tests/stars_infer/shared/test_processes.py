"""Several processes share an index that a server of Milvus holds."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from stars_infer.client import Client
from stars_infer.errors import ExemplarIndexError
from stars_infer.shared.open import COPIES, open_index
from stars_infer.shared.store import StoreError
from stars_infer.synthetic.actions import perform
from tests.conftest import REPOSITORY
from tests.stars_infer.shared.databases import need, soon


class Server:
    """Milvus Lite as a server, which works on one request at a time."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self.name = f"milvus://127.0.0.1:{self.port}/stars"

    def start(self):
        code = "import sys; from milvus_lite.cmdline import main; sys.exit(main())"
        options = ["--data-dir", self._folder, "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, "server", *options, "--max-workers", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        soon(self._answers, 120)

    def _answers(self):
        with socket.socket() as door:
            return door.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, how=signal.SIGINT):
        self._process.send_signal(how)
        self._process.wait(120)


@pytest.fixture
def server(tmp_path):
    need("milvus")
    made = Server(tmp_path / "milvus")
    made.start()
    yield made
    made.stop(signal.SIGKILL)


def begin(server, folder, seed, count):
    environment = {**os.environ, COPIES: str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.stars_infer.shared.writer",
            server.name,
            str(seed),
            str(count),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=environment,
    )


def can_change(change):
    with suppress(ExemplarIndexError):
        change()
        return True
    return False


@pytest.mark.slow
def test_writers_that_are_killed_lose_nothing_acknowledged(
    server, tmp_path, own_encoder, monkeypatch
):
    dice = random.Random(0)
    monkeypatch.setenv(COPIES, str(tmp_path / "watcher"))
    acknowledged, kills = [], 0
    with open_index(server.name, own_encoder.info) as watcher:
        for batch in range(5):
            writers = [begin(server, tmp_path / f"host{at % 2}", 10 * batch + at, 100000)
                       for at in range(3)]  # fmt: skip
            for writer in writers:
                assert writer.stdout.readline() == "ready\n", writer.stderr.read()
            for writer in writers:
                time.sleep(dice.uniform(0.3, 1.5))
                writer.kill()
                kills += 1
                with writer:
                    lines = writer.stdout.read().split("\n")
                acknowledged += lines[:-1]  # the last one may be cut off
        kept = [one.content_hash for one in watcher.exemplars()]
        assert watcher.add([]) == []
        kept = [one.content_hash for one in watcher.exemplars()]
        assert len(kept) == len(set(kept))
        assert set(acknowledged) <= set(kept)
        assert len(acknowledged) > kills
        assert len(kept) <= len(acknowledged) + kills
        numbers = [one.id for one in watcher.exemplars()]
        assert len(numbers) == len(set(numbers))
    monkeypatch.setenv(COPIES, str(tmp_path / "late"))
    with open_index(server.name, own_encoder.info) as late:
        assert [one.content_hash for one in late.exemplars()] == kept


@pytest.mark.slow
def test_a_server_that_goes_and_comes_back_holds_what_was_acknowledged(
    server, tmp_path, own_encoder, new, monkeypatch, caplog
):
    monkeypatch.setenv(COPIES, str(tmp_path / "one"))
    one = open_index(server.name, own_encoder.info)
    monkeypatch.setenv(COPIES, str(tmp_path / "two"))
    two = open_index(server.name, own_encoder.info)
    with one, two:
        for at, how in enumerate((signal.SIGINT, signal.SIGKILL)):
            one.add(new[3 * at : 3 * at + 3])
            held = one.exemplars()
            soon(lambda: two.exemplars() == held)  # noqa: B023
            server.stop(how)
            began = time.monotonic()
            with pytest.raises(StoreError, match="check that Milvus runs there"):
                one.rename("wave", "hello")
            assert time.monotonic() - began < 100
            assert two.search([new[0].features], 1)[0][0].label == "wave"
            server.start()
            soon(lambda: can_change(lambda: one.add(new[:1])), 120)
            assert one.exemplars() == held
            one.add(new[8 - at :])
            soon(lambda: two.exemplars() == one.exemplars(), 120)


def begin_serving(server, folder):
    code = "import sys; from stars_infer.cli import main; sys.argv[0] = 'stars'; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--port", "0", "--index", server.name],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, COPIES: str(folder)},
    )
    for line in process.stderr:
        if found := re.search(r"listening at (http://[\d.:]+)", line):
            return process, Client(found[1])
    raise AssertionError("the server did not start")


@pytest.mark.slow
def test_what_one_server_is_taught_the_other_knows(server, tmp_path):
    dice = np.random.default_rng(0)
    processes, (one, two) = zip(
        *(begin_serving(server, tmp_path / host) for host in ("one", "two")), strict=True
    )
    try:
        one.add("wave", [perform("wave", dice) for _ in range(3)])
        soon(lambda: two.counts == {"wave": 3})
        two.add("squat", [perform("squat", dice) for _ in range(3)])
        two.rename("wave", "hello")
        soon(lambda: one.counts == {"hello": 3, "squat": 3})
        assert one.predict(perform("wave", dice)).label == "hello"
        server.stop(signal.SIGKILL)
        assert two.predict(perform("squat", dice)).label == "squat"
        with pytest.raises(ExemplarIndexError, match="check that Milvus runs there"):
            two.remove("squat")
        server.start()
        soon(lambda: can_change(lambda: two.remove("squat")), 120)
        soon(lambda: one.labels == ["hello"])
    finally:
        for process in processes:
            process.terminate()
            process.stderr.read()
            assert process.wait(120) in (0, -signal.SIGTERM)
