"""Bulk work on a real Ray cluster of two workers on this machine, killed and gone on with.

The first two take seconds and run wherever Ray is installed; the others are slow:
`pip install -e '.[ray,s3]' 'moto[server]'`, then `pytest -m slow tests/stars_infer/cluster`.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("ray", reason="the extra [ray] is not installed")

import pyarrow.parquet as pq

from stars_infer.cluster.bulk import add_in_bulk, classify_in_bulk, embed_in_bulk
from stars_infer.cluster.engine import InThisProcess, joined_cluster
from stars_infer.cluster.sources import list_sources
from stars_infer.cluster.work import How
from stars_infer.embedding.shards import load_job
from stars_infer.errors import StarsError, UsageError
from stars_infer.synthetic.actions import perform

HOW = How(device="cpu")


def fail(error):
    raise error


def write_clips(folder, count):
    """So many clips, no two of which are the same."""
    folder.mkdir()
    joints = perform("wave", np.random.default_rng(0))[:, :40].astype(np.float32)
    for number in range(count):
        np.save(folder / f"{number:05d}.npy", joints * np.float32(1 + number * 1e-6))


def running(title):
    """Processes of a title, by number."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if file.read().startswith(title.encode()):
                    found.append(int(name))
        except OSError:
            continue
    return found


def test_two_workers_do_what_one_process_does(tmp_path):
    write_clips(tmp_path / "clips", 12)
    shutil.copy(tmp_path / "clips/00003.npy", tmp_path / "clips/copy.npy")
    (tmp_path / "clips/bad.npy").write_bytes(b"nothing")
    sources = list_sources([str(tmp_path / "clips")], skip=fail)
    embed_in_bulk(InThisProcess(), sources, out=str(tmp_path / "one"), how=HOW)
    index, told = tmp_path / "stars.db", []
    with joined_cluster(workers=2) as engine:
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert engine.workers == 2
        out = str(tmp_path / "two")
        done = embed_in_bulk(engine, sources, out=out, how=HOW, shard=2, tell=told.append)
        added = add_in_bulk(engine, sources, index=index, label="wave", how=HOW, shard=4)
        out = str(tmp_path / "named")
        named = classify_in_bulk(engine, sources, index=index, out=out, how=HOW, shard=4)
        with pytest.raises(StarsError, match="not available here"):
            bad = How(device="nothing")
            embed_in_bulk(engine, sources, out=str(tmp_path / "no"), how=bad)
    assert (done.found, done.copies, done.failures) == (13, 1, 1)
    assert told[-1].seconds_left == 0
    assert (added.found, named.found, named.failures) == (13, 13, 1)
    one, two = load_job(tmp_path / "one"), load_job(tmp_path / "two")
    assert one.sources == two.sources
    for mine, other in zip(one.clip_features, two.clip_features, strict=True):
        np.testing.assert_array_equal(mine.vector, other.vector)
        np.testing.assert_array_equal(mine.sequence, other.sequence)


def test_where_there_is_no_cluster_it_is_told():
    with (
        pytest.raises(StarsError, match="no Ray cluster there"),
        joined_cluster("127.0.0.1:1", workers=1),
    ):
        raise AssertionError
    with pytest.raises(UsageError, match="choose local or ray"):
        from stars_infer.cli.cluster import runs_on_ray

        runs_on_ray("spark")


@pytest.mark.slow
def test_a_job_that_is_killed_again_and_again_ends_with_every_clip_once(tmp_path):
    write_clips(tmp_path / "clips", 1500)
    out = tmp_path / "job"
    command = [
        *(sys.executable, "-m", "stars_infer", "embed", tmp_path / "clips"),
        *("--engine", "ray", "--out", out, "--shard", "25", "--workers", "2"),
    ]
    seen = {}
    for least in (3, 12, 25):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while len(list((out / "shards").glob("0*"))) < least and time.monotonic() < end:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.wait()
        time.sleep(2)  # what Ray started ends with it
        there = {file: file.stat() for file in (out / "shards").glob("0*")}
        for file, before in seen.items():
            assert there[file].st_mtime_ns == before.st_mtime_ns  # not done again
        for file in there:
            assert pq.ParquetFile(file).metadata.num_rows == 25  # not torn
        seen = there
    subprocess.run(command, check=True)
    assert len(seen) < 60
    names = [
        name
        for file in sorted((out / "shards").glob("*.parquet"))
        for name in pq.ParquetFile(file).read(["source"])["source"].to_pylist()
    ]
    assert names == sorted(map(str, (tmp_path / "clips").iterdir()))
    assert not list((out / "shards").glob(".stars-*"))
    assert len(load_job(out)) == 1500


@pytest.mark.slow
def test_workers_that_are_killed_are_replaced_and_nothing_is_lost(tmp_path):
    write_clips(tmp_path / "clips", 1000)
    sources = list_sources([str(tmp_path / "clips")], skip=fail)
    killed = []

    def tell(progress):
        workers = running("ray::MapWorker")
        if progress.files >= 150 * (len(killed) + 1) and len(killed) < 3 and workers:
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])

    with joined_cluster(workers=2) as engine:
        out = str(tmp_path / "job")
        embed_in_bulk(engine, sources, out=out, how=HOW, shard=20, tell=tell)
    assert len(killed) == 3
    assert sorted(load_job(tmp_path / "job").sources) == sources


@pytest.mark.slow
def test_clips_of_object_storage_are_embedded_into_object_storage(tmp_path, monkeypatch):
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
    running = server.ThreadedMotoServer("127.0.0.1", 0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", f"http://{host}:{port}")
        storage = fsspec.filesystem("s3", endpoint_url=f"http://{host}:{port}")
        storage.mkdir("clips")
        write_clips(tmp_path / "clips", 40)
        storage.put(str(tmp_path / "clips"), "clips/in", recursive=True)
        storage.pipe("clips/in/bad.npy", b"nothing")
        sources = list_sources(["s3://clips/in"], skip=fail)
        assert len(sources) == 41
        with joined_cluster(workers=2) as engine:
            out = "s3://clips/out"
            done = embed_in_bulk(engine, sources, out=out, how=HOW, shard=10)
            again = embed_in_bulk(engine, sources, out=out, how=HOW)
        assert (done.found, done.failures, again.before) == (40, 1, 41)
        storage.get("clips/out", str(tmp_path / "job"), recursive=True)
    finally:
        running.stop()
    local = list_sources([str(tmp_path / "clips")], skip=fail)
    embed_in_bulk(InThisProcess(), local, out=str(tmp_path / "local"), how=HOW)
    one, two = load_job(tmp_path / "job"), load_job(tmp_path / "local")
    assert list(one.content_hashes) == list(two.content_hashes)
    for mine, other in zip(one.clip_features, two.clip_features, strict=True):
        np.testing.assert_array_equal(mine.vector, other.vector)
