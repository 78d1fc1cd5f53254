"""Fixtures: a shared index in each of the databases."""

import pytest

from tests.stars_infer.shared.databases import Hosts, examples, need, shipped


@pytest.fixture(scope="session")
def own_encoder():
    return shipped()


@pytest.fixture(scope="session")
def new(own_encoder):
    """Nine exemplars of three actions."""
    return examples(own_encoder)


@pytest.fixture
def memory(tmp_path, monkeypatch):
    hosts = Hosts("memory", tmp_path, monkeypatch)
    yield hosts
    hosts.close()


@pytest.fixture(params=["memory", "qdrant", "milvus"])
def hosts(request, tmp_path, monkeypatch):
    need(request.param)
    made = Hosts(request.param, tmp_path, monkeypatch)
    yield made
    made.close()
