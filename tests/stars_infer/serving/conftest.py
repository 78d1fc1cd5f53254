"""A server with two taught actions, in this process, and clips to ask it about."""

import io

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from starlette.testclient import TestClient

from stars_infer.index.index import ExemplarIndex
from stars_infer.serving.app import create_app
from stars_infer.serving.metrics import Metrics
from stars_infer.serving.service import Service
from stars_infer.serving.settings import Access, Limits
from stars_infer.synthetic.actions import perform

ACTIONS = ("wave", "clap")
LIMITS = Limits(readers=1, files=4, frames=400, body=400_000, queue=4)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def clip(action, seed):
    return perform(action, np.random.default_rng(seed))


def as_file(action, seed, name=None):
    """A part of a form."""
    return ("clip", (name or f"{action}-{seed}.npy", npy(clip(action, seed))))


class Server:
    """A server in this process, and its client."""

    def __init__(self, encoder, path, *, limits=LIMITS, access=None):
        self.service = Service(encoder, ExemplarIndex.open(path, encoder.info), limits, Metrics())
        self.app = create_app(self.service, access or Access())
        self.client = TestClient(self.app, base_url="http://localhost")

    def __enter__(self):
        self.client.__enter__()
        return self

    def __exit__(self, *error):
        self.client.__exit__(*error)

    def post(self, path, *files, **more):
        return self.client.post(f"/v1/{path}", files=files, **more)


@pytest.fixture(scope="package")
def server(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "stars.db"
    with Server(encoder, path) as running:
        for action in ACTIONS:
            files = [as_file(action, seed) for seed in range(3)]
            assert running.post(f"exemplars?label={action}", *files).status_code == 201
        yield running


@pytest.fixture(scope="package")
def same_index(server, encoder):
    """The file that the server has open, opened beside it."""
    with ExemplarIndex.open(server.service.index.path, encoder.info) as index:
        yield index
