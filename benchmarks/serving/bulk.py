"""Measure embedding in bulk: Ray Data on two workers beside one process on one core.

    python benchmarks/serving/bulk.py --write docs/scale.md
    python benchmarks/serving/bulk.py --clips 500 --turns 1            # the same, shorter
    python benchmarks/serving/bulk.py --large 100000 --write docs/scale.md

In turns, one process on one core embeds so many clips (as `stars embed --workers 1`), and then two
workers of Ray Data embed twice as many others. What Ray takes to start is told apart: the rate is
that from the first shard to the last. Other work on the machine changes the rates of one and two
processes differently; core seconds, which it hardly changes, say what the ratio is on free cores.
With --large, one job embeds so many clips by two workers, and is projected to a million. Clips are
NumPy files of 25 joints and about 90 frames, each with positions of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "speed"))

from report import machine, report

from stars_infer.cluster.bulk import Progress, embed_in_bulk
from stars_infer.cluster.engine import RayEngine, joined_cluster
from stars_infer.cluster.sources import list_sources
from stars_infer.cluster.work import How
from stars_infer.embedding.collection import embed_collection
from stars_infer.readers.files import clip_files
from stars_infer.synthetic.actions import ACTIONS, perform

os.environ.setdefault("RAY_worker_niceness", "0")  # as the one process; Ray has 15 otherwise
_WORKERS = 2
_SHARDS = 20
_PRICE = 0.05
_PACKAGES = ("stars-infer", "numpy", "onnxruntime", "pyarrow", "ray")


@dataclass(frozen=True)
class Rate:
    """Clips a second, and the core seconds of a clip."""

    clips: float
    core: float


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=2000, help="of one process, each turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--large", type=int, help="clips of one job by two workers instead")
    parser.add_argument("--price", type=float, default=_PRICE, help="dollars of a core-hour")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- bulk -->")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        _alone(options.alone)
        return
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        if options.large:
            table, mark = _large(Path(name), options.large, options.price), "bulk-large"
        else:
            table, mark = _in_turns(Path(name), options.clips, options.turns), "bulk"
        report(machine(*_PACKAGES), table, options.write, mark)
    print(f"{time.perf_counter() - began:.0f} s", flush=True)


def _in_turns(folder: Path, clips: int, turns: int) -> list[list[str]]:
    alone: list[Rate] = []
    many: list[Rate] = []
    began = time.perf_counter()
    with joined_cluster(workers=_WORKERS) as engine:
        joined = time.perf_counter() - began
        first = 0.0
        for turn in range(turns):
            one, others = folder / f"one{turn}", folder / f"others{turn}"
            _write(one, clips, 3 * turn * clips)
            _write(others, _WORKERS * clips, (3 * turn + 1) * clips)
            alone.append(_by_one_process(one))
            rate, first = _by_ray(engine, others, folder / f"job{turn}")
            many.append(rate)
            print(f"turn {turn + 1}: {alone[-1]}, {many[-1]}", flush=True)
    ratios = [two.clips / one.clips for one, two in zip(alone, many, strict=True)]
    free = _WORKERS * statistics.median(
        one.core / two.core for one, two in zip(alone, many, strict=True)
    )
    return [
        ["what", "measured", "goal"],
        ["one process on one core, clips a second", _median(alone, "clips"), ""],
        ["Ray Data, two workers, clips a second", _median(many, "clips"), ""],
        ["ratio, median of the turns", f"{statistics.median(ratios):.2f} ×", "≥ 1.7 ×"],
        ["ratios of the turns", ", ".join(f"{ratio:.2f}" for ratio in ratios), ""],
        ["the same of core times: the ratio on two free cores", f"{free:.2f} ×", ""],
        ["core time of a clip, one process, ms", _median(alone, "core", 1000), ""],
        ["core time of a clip, Ray's workers, ms", _median(many, "core", 1000), ""],
        ["to start a cluster on this machine, s", f"{joined:.1f}", ""],
        ["until its first shard was there, s", f"{first:.1f}", ""],
        ["clips", f"{turns} × ({clips:,} and {_WORKERS * clips:,})", ""],
    ]


def _large(folder: Path, clips: int, price: float) -> list[list[str]]:
    _write(folder / "clips", clips, 0)
    print(f"{clips:,} clips are there", flush=True)
    began = time.perf_counter()
    told = [began]

    def tell(progress: Progress) -> None:
        if time.perf_counter() - told[0] > 30:
            told[0] = time.perf_counter()
            left = progress.seconds_left or 0.0
            print(f"{progress.files:,} files, {left:.0f} s left", flush=True)

    sources = list_sources([str(folder / "clips")], skip=_fail)
    with joined_cluster(workers=_WORKERS) as engine:
        done = embed_in_bulk(engine, sources, out=str(folder / "job"), tell=tell)
    seconds = time.perf_counter() - began
    assert (done.found, done.failures, done.copies) == (clips, 0, 0), done
    size = sum(file.stat().st_size for file in (folder / "job").rglob("*") if file.is_file())
    million = 1_000_000 / clips
    hours = done.core_seconds * million / 3600
    return [
        ["what", "measured", f"a million, projected × {million:g}"],
        ["clips", f"{clips:,}", "1,000,000"],
        ["wall-clock time, two workers", f"{seconds:,.0f} s", f"{seconds * million / 3600:.1f} h"],
        ["clips a second", f"{clips / seconds:.0f}", ""],
        ["core time of the workers", f"{done.core_seconds:,.0f} s", f"{hours:.2f} core-hours"],
        [f"cost at ${price:g} a core-hour", "", f"${hours * price:.2f}"],
        ["Parquet", f"{size / 1e6:,.0f} MB", f"{size * million / 1e9:.1f} GB"],
    ]


def _write(folder: Path, clips: int, start: int) -> None:
    """Write clips, no two of which are the same; those of two folders differ by their start."""
    folder.mkdir()
    random = np.random.default_rng(0)
    made = [perform(action, random).astype(np.float32) for action in ACTIONS for _ in range(4)]
    for number in range(start, start + clips):
        part = folder / f"{number // 1000:05d}"
        part.mkdir(exist_ok=True)
        scaled = made[number % len(made)] * np.float32(1 + number * 2e-7)
        np.save(part / f"{number:08d}.npy", scaled)


def _by_one_process(folder: Path) -> Rate:
    """Embed a folder in a process that keeps to one core."""
    command = [sys.executable, __file__, "--alone", folder]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return Rate(**json.loads(done.stdout))


def _alone(folder: Path) -> None:
    encoder = How(device="cpu").open()  # on one thread
    files = clip_files([folder])
    embed_collection(encoder, files[:10], skip=_fail, workers=1)
    began, cores = time.perf_counter(), time.process_time()
    embed_collection(encoder, files, skip=_fail, workers=1)
    seconds, taken = time.perf_counter() - began, time.process_time() - cores
    print(json.dumps({"clips": len(files) / seconds, "core": taken / len(files)}))


def _by_ray(engine: RayEngine, folder: Path, out: Path) -> tuple[Rate, float]:
    """Embed a folder by Ray: the rate between the first shard and the last; when the first came."""
    sources = list_sources([str(folder)], skip=_fail)
    told: list[Progress] = []
    size = -(-len(sources) // _SHARDS)
    done = embed_in_bulk(engine, sources, out=str(out), shard=size, tell=told.append)
    first = told[1]
    rate = (done.files - first.files) / (done.seconds - first.seconds)
    return Rate(rate, done.core_seconds / done.files), first.seconds


def _median(rates: list[Rate], which: str, factor: float = 1.0) -> str:
    return f"{factor * statistics.median(getattr(rate, which) for rate in rates):.1f}"


def _fail(error: Exception) -> None:
    raise error


if __name__ == "__main__":
    main()
