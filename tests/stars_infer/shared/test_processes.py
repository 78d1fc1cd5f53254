"""Several processes share an index that a server of Milvus holds."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from stars_infer.shared.open import COPIES, open_index
from stars_infer.shared.store import StoreError
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
        soon(self._answers, 60)

    def _answers(self):
        with socket.socket() as door:
            return door.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, how=signal.SIGINT):
        self._process.send_signal(how)
        self._process.wait(30)


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


def can_add(index, exemplars):
    with suppress(StoreError):
        index.add(exemplars)
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
            assert time.monotonic() - began < 40
            assert two.search([new[0].features], 1)[0][0].label == "wave"
            server.start()
            soon(lambda: can_add(one, new[:1]), 60)
            assert one.exemplars() == held
            one.add(new[8 - at :])
            soon(lambda: two.exemplars() == one.exemplars(), 60)
