"""Clips and results in object storage, with fsspec's storage in memory."""

import io

import numpy as np
import pytest

pytest.importorskip("fsspec", reason="the extra [ray] is not installed")
pytest.importorskip("pyarrow", reason="the extra [formats] is not installed")

import fsspec
import pyarrow.parquet as pq

from stars_infer.cluster.bulk import embed_in_bulk
from stars_infer.cluster.engine import InThisProcess
from stars_infer.cluster.places import Place, is_url
from stars_infer.cluster.sources import brought_here, list_sources
from stars_infer.cluster.work import How
from stars_infer.errors import ClipError, MissingExtraError, StarsError, UsageError
from stars_infer.synthetic.actions import perform


@pytest.fixture
def storage():
    """A storage with a folder of clips."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for number, action in enumerate(("wave", "clap")):
        with memory.open(f"/bucket/in/{action}/{number}.npy", "wb") as file:
            np.save(file, perform(action, np.random.default_rng(number)))
    memory.pipe("/bucket/in/clap/bad.npy", b"nothing")
    memory.pipe("/bucket/in/wave/notes.txt", b"of no known ending")
    memory.pipe("/bucket/in/.hidden/x.npy", b"hidden")
    memory.pipe("/bucket/in/wave/film.mp4", b"a video beside clips")
    yield memory
    memory.store.clear()


def fail(error):
    raise error


def test_clips_of_object_storage_are_found_as_in_folders(storage, tmp_path):
    np.save(tmp_path / "own.npy", perform("wave", np.random.default_rng(5)))
    found = list_sources(["memory://bucket/in", str(tmp_path), "memory://bucket/in"], skip=fail)
    assert found == [
        "memory:///bucket/in/clap/1.npy",
        "memory:///bucket/in/clap/bad.npy",
        "memory:///bucket/in/wave/0.npy",
        str(tmp_path / "own.npy"),
    ]
    assert list_sources(["memory://bucket/in/wave/0.npy"], skip=fail) == [
        "memory://bucket/in/wave/0.npy"
    ]


def test_a_prefix_without_clips_is_told_beside_others(storage):
    told = []
    list_sources(["memory://bucket/in", "memory://bucket/none"], skip=told.append)
    assert [error.source for error in told] == ["memory://bucket/none"]
    with pytest.raises(ClipError, match="no clip under this address"):
        list_sources(["memory://bucket/none"], skip=fail)


def test_clips_of_object_storage_are_embedded_under_their_address(storage):
    sources = list_sources(["memory://bucket/in"], skip=fail)
    how = How(device="cpu")
    out = "memory://bucket/out"
    done = embed_in_bulk(InThisProcess(), sources, out=out, how=how, shard=1)
    assert (done.found, done.failures) == (2, 1)
    place = Place(out)
    assert place.names("shards") == ["000000.parquet", "000001.parquet", "000002.parquet"]
    rows = [
        row
        for name in place.names("shards")
        for row in pq.ParquetFile(io.BytesIO(place.read(f"shards/{name}"))).read().to_pylist()
    ]
    assert [row["source"] for row in rows] == sources
    assert [row["error"] for row in rows] == [
        None, "not a NumPy array file (pickled data is never loaded)", None,
    ]  # fmt: skip
    again = embed_in_bulk(InThisProcess(), sources, out=out, how=how)
    assert (again.before, again.found) == (3, 0)


def test_what_is_gone_is_an_error_of_its_own_and_a_broken_storage_one_of_all(storage, monkeypatch):
    names = ["memory:///bucket/in/gone.npy", "memory:///bucket/in/wave/0.npy"]
    with brought_here(names) as files:
        gone, there = next(files), next(files)
        assert str(gone) == "memory:///bucket/in/gone.npy: no such file"
        assert there.path.read_bytes() == storage.cat("/bucket/in/wave/0.npy")
        assert not list(files)
    assert not there.path.exists()
    monkeypatch.setattr(type(storage), "get_file", lambda *given, **more: fail(OSError("down")))
    with pytest.raises(StarsError, match="cannot be fetched: down"), brought_here(names) as files:
        list(files)


def test_what_a_clip_needs_beside_it_is_fetched_with_it(storage):
    storage.pipe({"/bucket/amc/a.amc": b"a", "/bucket/amc/a.asf": b"b", "/bucket/amc/c.npy": b"c"})
    with brought_here(["memory:///bucket/amc/a.amc"]) as files:
        folder = next(files).path.parent
        assert sorted(file.name for file in folder.iterdir()) == ["a.amc", "a.asf"]


def test_a_failed_write_leaves_nothing(storage, tmp_path):
    for url in ("memory://bucket/out", str(tmp_path / "out")):
        place = Place(url)
        with pytest.raises(ZeroDivisionError), place.writing("shards/0.parquet") as path:
            path.write_bytes(b"half")
            1 / 0  # noqa: B018
        assert place.names("shards") == []
        assert place.read("shards/0.parquet") is None
        place.remove("shards/0.parquet")


def test_an_address_that_nothing_opens_is_told(monkeypatch):
    with pytest.raises(UsageError, match="no such kind of storage"):
        list_sources(["nowhere://x"], skip=fail)
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"stars-infer\[s3\]"):
        list_sources(["s3://bucket/x"], skip=fail)


def test_file_addresses_are_paths(tmp_path):
    np.save(tmp_path / "own.npy", perform("wave", np.random.default_rng(5)))
    assert not is_url(f"file://{tmp_path}")
    assert list_sources([f"file://{tmp_path}"], skip=fail) == [str(tmp_path / "own.npy")]
