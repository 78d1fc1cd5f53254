"""Measure a shared index: what a change costs, when others know it, and how a new machine begins.

    python benchmarks/serving/shared.py --write docs/scale.md
    python benchmarks/serving/shared.py --exemplars 100000 --write docs/scale.md

A server of Milvus Lite is started on this machine, which works on one request at a time, and two
clients with a local copy each use it. Exemplars are those of the shipped model, one body each,
all different. Times of single changes are those that the caller waits.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "speed"))

from report import machine, report

from stars_infer import Clip, Encoder
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.shared.open import COPIES, open_index
from stars_infer.synthetic.actions import ACTIONS, perform

_CHANGES = 100
_AT_ONCE = 500
_SERVER = "import sys; from milvus_lite.cmdline import main; sys.exit(main())"
_PACKAGES = ("stars-infer", "numpy", "pymilvus", "milvus-lite")


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--exemplars", type=int, default=10_000, help="of the large index")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- shared -->")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        table = _measure(Path(name), options.exemplars)
        report(machine(*_PACKAGES), table, options.write, "shared")
    print(f"{time.perf_counter() - began:.0f} s", flush=True)


def _measure(folder: Path, exemplars: int) -> list[list[str]]:
    encoder = Encoder.load(device="cpu")
    new = _new(encoder, exemplars + 2 * _CHANGES)
    with ExemplarIndex.open(folder / "local.db", encoder.info) as local:
        alone = [_seconds(lambda: local.add([next(new)])) for _ in range(_CHANGES)]
    with _server(folder / "milvus") as name:
        one, two = (_open(name, folder / host, encoder) for host in ("one", "two"))
        with one, two:
            adding, until = [], []
            for number in range(1, _CHANGES + 1):
                adding.append(_seconds(lambda: one.add([next(new)])))
                until.append(_seconds(lambda: _wait(two, number)))  # noqa: B023
                time.sleep(0.013)  # so that it falls into any part of an interval
        filling = time.perf_counter()
        with _open(name, folder / "one", encoder) as one:
            for start in range(0, exemplars, _AT_ONCE):
                one.add([next(new) for _ in range(min(_AT_ONCE, exemplars - start))])
            filling = time.perf_counter() - filling
            print(f"{exemplars:,} added in {filling:.0f} s", flush=True)
            began = time.perf_counter()
            with _open(name, folder / "three", encoder) as three:
                first = time.perf_counter() - began
                assert len(three) == exemplars + _CHANGES
            again = _seconds(lambda: _open(name, folder / "three", encoder).close())
        (copy,) = (folder / "three").glob("*/index.db")
        size = copy.stat().st_size
    per = 100_000 / (exemplars + _CHANGES)
    return [
        ["what", "measured"],
        ["adding one exemplar to a local file, p50", f"{_ms(alone, 50):.1f} ms"],
        [
            "the same to a shared index, p50 / p99",
            f"{_ms(adding, 50):.1f} / {_ms(adding, 99):.1f} ms",
        ],
        [
            "until the other client answers with it, p50 / p99 / longest",
            f"{_ms(until, 50):.0f} / {_ms(until, 99):.0f} / {1000 * max(until):.0f} ms",
        ],
        [f"adding {_AT_ONCE} at a time, exemplars a second", f"{exemplars / filling:,.0f}"],
        [f"a new machine copies {exemplars + _CHANGES:,} exemplars", f"{first:.1f} s"],
        ["the same, projected to 100,000", f"{first * per:.0f} s"],
        ["opening again with a copy", f"{again:.2f} s"],
        ["local copy, projected to 100,000", f"{size * per / 1e9:.1f} GB"],
    ]


def _new(encoder: Encoder, count: int) -> Iterator[NewExemplar]:
    """Exemplars of all actions, made of one clip each by small changes."""
    random = np.random.default_rng(0)
    clips = [Clip.from_array(perform(action, random)) for action in ACTIONS]
    kept = encoder.encode(clips, defer_network=True)
    for number in range(count):
        features = kept[number % len(kept)]
        assert features.sequence is not None
        noise = random.normal(scale=0.01, size=features.sequence.shape)
        yield NewExemplar(
            label=list(ACTIONS)[number % len(kept)],
            features=replace(features, sequence=(features.sequence + noise).astype(np.float32)),
            source=f"clips/{number}.npy",
            content_hash=hashlib.sha256(str(number).encode()).hexdigest(),
        )


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A server of Milvus Lite, and the name of an index there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, "server", *options, "--max-workers", "1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            time.sleep(0.05)
        yield f"milvus://127.0.0.1:{port}/stars"
    finally:
        process.terminate()
        process.wait()


def _open(name: str, copies: Path, encoder: Encoder) -> ExemplarIndex:
    os.environ[COPIES] = str(copies)
    return open_index(name, encoder.info)


def _wait(index: ExemplarIndex, count: int) -> None:
    while len(index) < count:
        time.sleep(0.002)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _ms(seconds: list[float], per_cent: int) -> float:
    if per_cent == 50:
        return 1000 * statistics.median(seconds)
    return 1000 * float(np.percentile(seconds, per_cent))


if __name__ == "__main__":
    main()
