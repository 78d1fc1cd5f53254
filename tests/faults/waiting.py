"""How long readers of an index wait beside writers, and how old what they answer from is.

`python -m tests.faults.waiting --report waiting.json` measures one reader alone, eight readers
while nobody writes, eight readers beside eight writers, and, as a control, eight readers beside
eight writers of another index, which shows what the processors alone make of it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.errors import StarsError
from stars_infer.index.following import MOST_STALE
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from tests.stars_infer.index.toy import VECTORS, new

MODEL = replace(VECTORS, fingerprint="d" * 64, comparison=SequenceConfig())
"""Its sequences are as long as those of the shipped encoder."""
_ACTIONS, _KEPT = 60, 6
Times = list[tuple[float, ...]]


def drawn(number: int) -> NewExemplar:
    """An exemplar of one of sixty actions."""
    form = MODEL.comparison.shape[1:]  # type: ignore[union-attr]
    action = number % _ACTIONS
    center = np.random.default_rng(action).normal(size=(1, *form))
    sequence = center + 0.5 * np.random.default_rng(1000 + number).normal(size=(1, *form))
    features = Features(vector=np.ones(8, np.float32), sequence=np.float32(0.1 * sequence))
    return new(f"action {action}", features, f"{number}")


def measure(
    path: Path, seconds: float, *, writers: int, readers: int, beside: Path | None = None
) -> dict[str, Any]:
    """Let processes write and ask at once.

    Args:
        path: The index that is asked.
        seconds: For how long.
        writers: How many processes add and remove.
        readers: How many ask.
        beside: Another index, which they write to instead.

    Returns:
        Answers, failed calls, seconds of an answer, and seconds that its state lay behind.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ends = []
    for number in range(writers + readers):
        ours, theirs = context.Pipe()
        work, where = (_write, beside or path) if number < writers else (_read, path)
        process = context.Process(target=work, args=(where, number, seconds, theirs))
        process.start()
        theirs.close()
        ends.append((process, ours, number < writers))
    for step in ("open", "warm"):  # they begin when all have made what the first answer needs
        for _, ours, _ in ends:
            assert ours.recv() == step
        for _, ours, _ in ends:
            ours.send("go on")
    written: Times = []
    asked: Times = []
    failed: list[str] = []
    for process, ours, writes in ends:
        times, errors = ours.recv()
        (written if writes else asked).extend(times)
        failed += errors
        process.join()
    behind = _behind(asked, [] if beside else sorted(written))
    spans = np.array([span for _, span, _ in asked])
    return {
        "answers": len(asked), "changes": len(written), "failed": len(failed),
        "first failure": failed[:1],
        "p50_ms": _at(1000 * spans, 50), "p99_ms": _at(1000 * spans, 99),
        "most_ms": _at(1000 * spans, 100),
        "behind_p50_s": _at(behind, 50), "behind_most_s": _at(behind, 100),
    }  # fmt: skip


def _behind(asked: Times, written: Times) -> np.ndarray[Any, Any]:
    """For each answer, seconds since the first change that its state does not hold."""
    numbers = np.array([number for number, _ in written])
    times = np.minimum.accumulate(np.array([at for _, at in written])[::-1])[::-1]
    result = []
    for at, _, newest in asked:
        place = int(np.searchsorted(numbers, newest, side="right"))
        result.append(max(0.0, at - times[place]) if place < len(numbers) else 0.0)
    return np.array(result)


def _at(values: np.ndarray[Any, Any], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 3) if len(values) else 0.0


def _write(path: Path, number: int, seconds: float, told: Connection) -> None:
    chance, times, errors, kept = random.Random(number), [], [], []
    with ExemplarIndex.open(path, MODEL) as index:
        _meet(told, "open")
        _meet(told, "warm")
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            try:
                one = drawn(100_000 * (number + 1) + len(times) + 10**7 * int(begin))
                index.add([one])
                at = time.monotonic()
                (own,) = [held.id for held in index.exemplars(one.label)
                          if held.source == one.source]  # fmt: skip
                times.append((own, at))
                kept.append(own)
                if len(kept) > _KEPT:
                    index.remove(ids=[kept.pop(0)])
            except (StarsError, ValueError) as error:
                errors.append(f"{type(error).__name__}: {error}")
            time.sleep(0.1 * chance.random())
    told.send((times, errors))


def _read(path: Path, number: int, seconds: float, told: Connection) -> None:
    chance, times, errors = random.Random(number), [], []
    queries = [drawn(chance.randrange(_ACTIONS)).features for _ in range(20)]
    with ExemplarIndex.open(path, MODEL) as index:
        _meet(told, "open")
        for query in (*queries, *queries):  # after so many, comparisons are compiled
            index.classify([query])
        _meet(told, "warm")
        end = time.monotonic() + seconds
        while (at := time.monotonic()) < end:
            try:
                index.classify([chance.choice(queries)])
                newest = _newest(index)
                times.append((at, time.monotonic() - at, newest))
            except StarsError as error:
                errors.append(f"{type(error).__name__}: {error}")
    told.send((times, errors))


def _meet(told: Connection, step: str) -> None:
    told.send(step)
    told.recv()


def _newest(index: ExemplarIndex) -> int:
    """The highest number of an exemplar in the state that was answered from last."""
    latest = index._state._latest
    assert latest is not None
    return int(latest.state.gallery.store.ids[-1])


def run(seconds: float, size: int, processes: int) -> dict[str, Any]:
    """Measure all four, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("asked.db", "other.db")]
        for path in paths:
            with ExemplarIndex.open(path, MODEL) as index:
                index.add([drawn(number) for number in range(size)])
                index.prepare()
        asked, other = paths
        found = {
            "alone": measure(asked, seconds, writers=0, readers=1),
            "readers": measure(asked, seconds, writers=0, readers=processes),
            "beside writers of another index": measure(
                asked, seconds, writers=processes, readers=processes, beside=other
            ),
            "beside writers": measure(asked, seconds, writers=processes, readers=processes),
        }
    return {"examples": size, "processes": processes, "seconds": seconds, **found}


def main() -> None:
    """Measure, and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--examples", type=int, default=900)
    options.add_argument("--processes", type=int, default=8, help="of either kind")
    options.add_argument("--report", type=Path)
    given = options.parse_args()
    found = run(given.seconds, given.examples, given.processes)
    text = json.dumps(found, indent=1)
    if given.report is not None:
        given.report.write_text(text, encoding="utf-8")
    sys.stdout.write(text + "\n")
    beside = found["beside writers"]
    late = beside["behind_most_s"] > MOST_STALE + beside["most_ms"] / 1000
    sys.exit(bool(beside["failed"] or late))


if __name__ == "__main__":
    main()
