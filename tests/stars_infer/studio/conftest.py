"""A studio in this process, and its client; the shipped model names clips."""

import io
import time

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra [studio] is not installed")
pytest.importorskip("sklearn", reason="the extra [studio] is not installed")

from starlette.testclient import TestClient

from stars_infer.encoder.encoder import Encoder
from stars_infer.index.index import ExemplarIndex
from stars_infer.serving.metrics import Metrics
from stars_infer.serving.settings import Limits
from stars_infer.studio.app import create_studio
from stars_infer.studio.service import StudioService
from stars_infer.synthetic.actions import perform

LIMITS = Limits(readers=1, body=4 * 2**20, frames=4000, queue=16)
ADDRESS = "http://127.0.0.1:8765"


def npy(action, seed):
    file = io.BytesIO()
    np.save(file, perform(action, np.random.default_rng(seed)))
    return file.getvalue()


class Studio:
    """A studio over an index, and the browser that opened it."""

    def __init__(self, encoder, path):
        index = ExemplarIndex.open(path, encoder.info)
        self.service = StudioService(encoder, index, LIMITS, Metrics())
        self.app = create_studio(self.service)
        self.client = TestClient(self.app, base_url=ADDRESS)

    def __enter__(self):
        self.client.__enter__()
        self.client.get(f"/?token={self.app.token}")
        return self

    def __exit__(self, *error):
        self.client.__exit__(*error)

    def get(self, path, **more):
        return self.client.get(f"{self.app.path}/api/{path}", **more)

    def post(self, path, content=None, **more):
        return self.client.post(f"{self.app.path}/api/{path}", json=content, **more)

    def read(self, *clips, **query):
        """Hold clips (action, seed); gives their hashes."""
        files = [("clip", (f"{action}-{seed}.npy", npy(action, seed))) for action, seed in clips]
        answer = self.client.post(f"{self.app.path}/api/read", files=files, params=query)
        assert answer.status_code == 200, answer.text
        return [one["key"] for one in answer.json()["clips"]]

    def teach(self, action, *seeds, label=None):
        """Teach clips; gives the numbers of the examples."""
        keys = self.read(*((action, seed) for seed in seeds))
        answer = self.post("teach", {"keys": keys, "label": label or action})
        assert answer.status_code == 200, answer.text
        return [one["exemplar"]["id"] for one in answer.json()["clips"]]

    def ready(self, path):
        """What is found out in the background."""
        end = time.monotonic() + 300
        while time.monotonic() < end:
            answer = self.get(path)
            assert answer.status_code in (200, 202), answer.text
            body = answer.json()
            if body["ready"] and body.get("final", True):
                return body
            time.sleep(0.02)
        raise AssertionError(f"{path} never ends")


@pytest.fixture(scope="package")
def shipped():
    return Encoder.load(device="cpu")


@pytest.fixture(scope="package")
def studio(shipped, tmp_path_factory):
    with Studio(shipped, tmp_path_factory.mktemp("studio") / "stars.db") as running:
        for action in ("wave", "squat", "kick"):
            running.teach(action, 1, 2, 3)
        yield running
