"""FAISS searches on the GPU where there is one; here its functions are stand-ins."""

from types import SimpleNamespace

import faiss
import numpy as np
import pytest

from stars_infer.index.large import ann
from stars_infer.index.large.ann import GPU_MOST, IVFIndex
from stars_infer.similarity.features import unit

SIZE = 3000


class OnGpu:
    """An index that searches as a GPU does: k is limited, and no selection is taken."""

    def __init__(self, index):
        self.index, self.searches = index, 0

    def search(self, queries, k, params=None):
        assert k <= GPU_MOST
        assert params is None or params.sel is None
        self.searches += 1
        return self.index.search(queries, k, params=params)


@pytest.fixture
def gpu(monkeypatch):
    made = []

    def copy(resources, device, index):
        made.append(OnGpu(index))
        return made[-1]

    known = {name: getattr(faiss, name) for name in dir(faiss) if not name.startswith("__")}
    switch = {
        "get_num_gpus": lambda: 1, "StandardGpuResources": object, "index_cpu_to_gpu": copy,
    }  # fmt: skip
    module = SimpleNamespace(**{**known, **switch})
    monkeypatch.setattr(ann, "_faiss", lambda: module)
    return SimpleNamespace(made=made, module=module)


@pytest.fixture(scope="module")
def vectors():
    return unit(np.random.default_rng(0).normal(size=(SIZE, 8)).astype(np.float32))


def test_a_gpu_is_used_where_it_can_be(gpu, vectors):
    index = IVFIndex.of(SIZE, lambda positions: vectors[positions])
    (near, _), *_ = index.nearest(vectors[7:9], 5)
    assert near[0] == 7
    (copy,) = gpu.made
    assert copy.searches >= 1
    done = copy.searches
    index.nearest(vectors[:2], 5)
    assert (len(gpu.made), copy.searches > done) == (1, True)


def test_what_a_gpu_cannot_do_the_cpu_does(gpu, vectors):
    index = IVFIndex.of(SIZE, lambda positions: vectors[positions])
    there = np.packbits(np.arange(SIZE) != 7, bitorder="little")
    (near, _), *_ = index.nearest(vectors[7:8], 5, there=there)
    assert 7 not in near
    assert len(index.nearest(vectors[:1], GPU_MOST + 1)[0][0]) == GPU_MOST + 1
    assert gpu.made == []


@pytest.mark.parametrize("reason", ["none", "too small"])
def test_without_a_gpu_or_its_memory_the_cpu_searches(gpu, vectors, reason):
    def refuse(resources, device, index):
        raise RuntimeError("out of memory")

    if reason == "none":
        gpu.module.get_num_gpus = lambda: 0
    gpu.module.index_cpu_to_gpu = refuse
    index = IVFIndex.of(SIZE, lambda positions: vectors[positions])
    assert index.nearest(vectors[3:4], 1)[0][0][0] == 3


def test_faiss_for_the_cpu_has_no_gpu():
    assert faiss.get_num_gpus() == 0
