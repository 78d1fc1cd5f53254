"""The server under Ray Serve: what its settings mean, and replicas that are killed under load."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")
pytest.importorskip("yaml", reason="PyYAML is not installed")
pytest.importorskip("ray", reason="the extra [ray] is not installed")

import yaml

from stars_infer.cluster.deployment import Replicas, application
from stars_infer.encoder.model import find_model, read_model_info
from stars_infer.errors import UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.synthetic.actions import perform
from tests.conftest import REPOSITORY
from tests.stars_infer.cluster.test_ray import running

KEY = "k" * 24
CLIENTS = 6


def test_the_file_that_is_deployed_means_something(monkeypatch):
    settings = yaml.safe_load((REPOSITORY / "deploy/serve.yaml").read_text(encoding="utf-8"))
    from ray.serve.schema import ServeDeploySchema

    (deployed,) = ServeDeploySchema.model_validate(settings).applications
    assert deployed.import_path == "stars_infer.cluster.deployment:application"
    with pytest.raises(UsageError, match="read.keys: cannot be read"):
        application(deployed.args)
    monkeypatch.setenv("STARS_READ_KEYS", KEY)
    own = {name: value for name, value in deployed.args.items() if not name.endswith("keys")}
    assert application(own)


def test_nothing_is_open_by_accident(monkeypatch):
    monkeypatch.delenv("STARS_READ_KEYS", raising=False)
    with pytest.raises(UsageError, match="give keys"):
        application({"index": "stars.db"})
    assert application({"index": "stars.db", "open": True})
    assert application({"index": "stars.db", "host": "127.0.0.1"})


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({}, "index: Field required"),
        ({"index": "stars.db", "colour": "red"}, "colour: Extra inputs"),
        ({"index": "stars.db", "open": True, "limits": {"speed": 3}}, "limits: .*speed"),
        ({"index": "stars.db", "open": True, "limits": {"queue": 0}}, "queue must be"),
        ({"index": "stars.db", "open": True, "replicas": 0}, "replicas must be"),
    ],
)
def test_wrong_settings_are_told(args, told):
    with pytest.raises(UsageError, match=told):
        application(args)
    with pytest.raises(UsageError, match="max-replicas must be"):
        Replicas(least=3, most=2)


class Teaching:
    """Clients that add clips until each is acknowledged."""

    def __init__(self, port):
        self.port, self.ended, self.told, self.refused = port, False, {}, []
        self._lock, self._numbers = threading.Lock(), iter(range(10**6))
        self._joints = perform("wave", np.random.default_rng(0))[:, :40].astype(np.float32)
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self):
        self.ended = True
        for thread in self._threads:
            thread.join()

    def _client(self):
        while not self.ended:
            with self._lock:
                number = next(self._numbers)
            while not self._add(number) and not self.ended:
                time.sleep(0.2)

    def _add(self, number):
        file = io.BytesIO()
        np.save(file, self._joints * np.float32(1 + number * 1e-6))
        headers = {"Authorization": f"Bearer {KEY}"}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            target = f"/v1/exemplars?label=wave&name={number}.npy"
            connection.request("POST", target, file.getvalue(), headers)
            answer = connection.getresponse()
            body = answer.read()
        except OSError as error:
            self.refused.append(error)
            return False
        if answer.status != 201:
            self.refused.append((answer.status, body))
            return False
        self.told[number] = json.loads(body)["clips"][0]["source"]
        return True


@pytest.mark.slow
def test_replicas_that_are_killed_under_load_lose_nothing_that_was_acknowledged(tmp_path):
    index = tmp_path / "stars.db"
    command = [
        *(sys.executable, "-m", "stars_infer", "serve", "--engine", "ray", "--index", index),
        *("--port", "8769", "--replicas", "2", "--readers", "1"),
    ]
    environment = {**os.environ, "STARS_READ_KEYS": KEY * 2, "STARS_WRITE_KEYS": KEY}
    log = tmp_path / "log"
    with log.open("w") as file:
        server = subprocess.Popen(command, stderr=file, env=environment)
    try:
        wait_until(lambda: "listening" in log.read_text())
        connection = http.client.HTTPConnection("127.0.0.1", 8769, timeout=60)
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 401  # keys hold behind Ray, too
        teaching = Teaching(8769)
        for kill in range(3):
            wait_until(lambda: len(running("ray::ServeReplica:stars")) == 2)
            before = len(teaching.told)
            wait_until(lambda before=before: len(teaching.told) > before + 30)
            os.kill(running("ray::ServeReplica:stars")[kill % 2], signal.SIGKILL)
        wait_until(lambda: len(running("ray::ServeReplica:stars")) == 2)
        teaching.end()
        server.send_signal(signal.SIGTERM)
        assert server.wait(90) == 0
    finally:
        server.kill()
        server.wait()
    assert {one[0] for one in teaching.refused} <= {500, 503}
    with ExemplarIndex.open(index, read_model_info(find_model()), create=False) as opened:
        sources = [one.source for one in opened.exemplars()]
    assert len(sources) == len(set(sources))
    assert set(teaching.told.values()) <= set(sources)
    assert len(teaching.told) > 90


def wait_until(holds, seconds=180):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
