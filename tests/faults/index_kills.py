"""Processes that are killed while they change an index: what they were told is done, is done.

`python -m tests.faults.index_kills 2000` kills so many and counts what is lost.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stars_infer.encoder.model import ModelInfo
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.salvage import verify_index
from tests.faults.damaged_index import _large_at
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing

KILLED, ENDED = "killed at work", "ended before"
LOST, RISEN, TWICE, TORN = "lost", "there again", "twice", "torn"
FAULTS = (LOST, RISEN, TWICE, TORN)
_LARGE, _MOST = 20, 60
"""Exemplars from which an index is large here, and at which nothing more is added."""
_LONGEST = 0.06
"""Seconds of a process's work."""


def kill_writers(times: int, *, seed: int = 0, large: bool = False) -> Counter[str]:
    """Kill processes that add, remove, relabel and ask, one after the other, on one index.

    Args:
        times: How many.
        seed: Of the moments and of what they do.
        large: Take an index with a cache, which they make and extend.

    Returns:
        How many were killed at work, and how many exemplars were lost, came back after they were
        removed, are there twice, or are not as they were written.
    """
    chance, found = random.Random(seed), Counter[str]()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    model = VECTORS if large else SEQUENCES
    with tempfile.TemporaryDirectory() as name, _large_at(_LARGE if large else 1000):
        path = Path(name) / "stars.db"
        there: dict[str, str] = {}  # acknowledged: sources and labels
        for number in range(times):
            ours, theirs = context.Pipe(duplex=False)
            work = (path, model, large, sorted(there.items()), number, seed, theirs)
            process = context.Process(target=_write, args=work)
            process.start()
            theirs.close()
            time.sleep(_LONGEST * chance.random())
            doubtful = _follow(ours, there, process, chance)
            found[KILLED if process.exitcode == -9 else ENDED] += 1
            found.update(_faults(path, model, there, doubtful))
    return found


def _write(
    path: Path, model: ModelInfo, large: bool, there: list[tuple[str, str]], number: int, seed: int,
    told: Connection,
) -> None:  # fmt: skip
    """Change an index until killed; tell of each change before and after it."""
    chance = random.Random(f"{seed} {number}")
    features = pointing if large else moving
    now = dict(there)
    with _large_at(_LARGE if large else 1000), ExemplarIndex.open(path, model) as index:
        told.send(None)
        for step in range(10_000):
            kind = chance.choice(["add", "add", "remove", "relabel", "ask"])
            if kind == "add" and len(now) < _MOST:
                action, source = chance.randrange(4), f"{number}/{step}"
                told.send(("add", source, f"action {action}"))
                index.add([new(f"action {action}", features(action), source)])
                now[source] = f"action {action}"
            elif kind in ("remove", "relabel") and now:
                source = chance.choice(sorted(now))
                ids = [one.id for one in index.exemplars() if one.source == source]
                label = None if kind == "remove" else f"action {chance.randrange(4)}"
                told.send((kind, source, label))
                if label is None:
                    index.remove(ids=ids)
                    del now[source]
                else:
                    index.relabel(ids, label)
                    now[source] = label
            elif now:
                index.classify([features(0)])
                continue
            else:
                continue
            told.send("done")


def _follow(
    ours: Connection, there: dict[str, str], process: Any, chance: random.Random
) -> tuple[str, str | None] | None:
    """Kill a process at a moment, and take over what it told; the change that was begun last."""
    with suppress(EOFError):
        ours.recv()  # it is at work
    time.sleep(_LONGEST * chance.random())
    process.kill()
    process.join()
    begun: tuple[str, str | None] | None = None
    with suppress(EOFError):
        while True:
            message = ours.recv()
            if message == "done" and begun is not None:
                source, label = begun
                begun = None
                if label is None:
                    del there[source]
                else:
                    there[source] = label
            else:
                begun = message[1:]
    return begun


def _faults(
    path: Path, model: ModelInfo, there: dict[str, str], doubtful: tuple[str, str | None] | None
) -> Counter[str]:
    """What of an index is not as was told; the doubtful change is taken over as it is found."""
    faults = Counter[str]()
    if not path.exists():
        return Counter({LOST: len(there)}) if there else faults
    with ExemplarIndex.open(path, model) as index:
        held = [(one.source, one.label) for one in index.exemplars()]
        if held:
            index.classify([(moving if model is SEQUENCES else pointing)(0)])
    now = dict(held)
    faults[TWICE] += len(held) - len(now)
    if doubtful is not None:
        source, label = doubtful
        if now.get(source) in (label, there.get(source)):
            if source in now:
                there[source] = now[source]
            else:
                there.pop(source, None)
    faults[LOST] += sum(now.get(source) != label for source, label in there.items())
    faults[RISEN] += len(now.keys() - there.keys())
    faults[TORN] += len(verify_index(path, model).problems)
    return faults


def main() -> None:
    """Kill as many as asked for, half of them at a large index, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    half = options.times // 2
    found = kill_writers(half, seed=options.seed)
    found += kill_writers(options.times - half, seed=options.seed, large=True)
    if options.report is not None:
        options.report.write_text(json.dumps({"index": found}, indent=1), encoding="utf-8")
    for outcome in (KILLED, ENDED, *FAULTS):
        sys.stdout.write(f"{outcome}: {found[outcome]:,}\n")
    sys.exit(any(found[outcome] for outcome in FAULTS))


if __name__ == "__main__":
    main()
