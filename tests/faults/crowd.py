"""Writers and readers of one index at once: no call fails, no answer is wrong, nothing is lost.

`python -m tests.faults.crowd 600` keeps eight of each at it for ten minutes.
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
from multiprocessing.connection import Connection
from pathlib import Path

from stars_infer.errors import StarsError
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.salvage import verify_index
from tests.faults.damaged_index import _large_at
from tests.stars_infer.index.toy import SEQUENCES, moving, new

ADDED, REMOVED, NAMED = "added", "removed", "named"
WRONG, LOST, RISEN, TORN = "wrong answers", "lost", "there again", "torn"
FAILED = "failed: "
"""Begins what is counted of calls that raise an error; the error follows."""
_ACTIONS, _KEPT = 4, 5
"""Actions, and exemplars that each writer keeps before it removes one for one that it adds."""


def crowd(
    seconds: float, *, writers: int = 8, readers: int = 8, large: bool = False
) -> Counter[str]:
    """Let processes add, remove and name at once.

    Args:
        seconds: For how long.
        writers: How many processes add and remove.
        readers: How many name.
        large: Treat the index as a large one, whose readers read while they are asked.

    Returns:
        How many were added, removed and named, and every fault.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    found, there = Counter[str](), set[str]()
    with tempfile.TemporaryDirectory() as name, _large_at(8 if large else 1000):
        path, until = Path(name) / "stars.db", time.time() + seconds
        with ExemplarIndex.open(path, SEQUENCES) as index:
            for action in range(_ACTIONS):
                there.add(f"first/{action}")
                index.add([new(f"action {action}", moving(action), f"first/{action}")])
        ends = []
        for number in range(writers + readers):
            ours, theirs = context.Pipe(duplex=False)
            work = _write if number < writers else _read
            process = context.Process(target=work, args=(path, large, number, until, theirs))
            process.start()
            theirs.close()
            ends.append((process, ours))
        for process, ours in ends:
            counts, kept = ours.recv()
            found.update(counts)
            there |= kept
            process.join()
        with ExemplarIndex.open(path, SEQUENCES) as index:
            now = [one.source for one in index.exemplars()]
        found[LOST] += len(there - set(now))
        found[RISEN] += len(now) - len(there & set(now))
        found[TORN] += len(verify_index(path, SEQUENCES).problems)
    return found


def faults_of(found: Counter[str]) -> Counter[str]:
    """What of `crowd` should not be."""
    return Counter({name: count for name, count in found.items()
                    if count and name not in (ADDED, REMOVED, NAMED)})  # fmt: skip


def _write(path: Path, large: bool, number: int, until: float, told: Connection) -> None:
    chance, counts, kept = random.Random(number), Counter[str](), list[tuple[int, str]]()
    with _large_at(8 if large else 1000), ExemplarIndex.open(path, SEQUENCES) as index:
        while time.time() < until or not counts[ADDED]:
            try:
                if len(kept) > _KEPT:
                    counts[REMOVED] += index.remove(ids=[kept[0][0]])
                    kept.pop(0)
                action, source = chance.randrange(_ACTIONS), f"{number}/{counts[ADDED]}"
                features = moving(action, noise=0.2, seed=counts[ADDED])
                index.add([new(f"action {action}", features, source)])
                counts[ADDED] += 1
                (own,) = (one.id for one in index.exemplars() if one.source == source)
                kept.append((own, source))
            except (StarsError, ValueError) as error:
                counts[f"{FAILED}{error}"] += 1
            time.sleep(0.02 * chance.random())
    told.send((counts, {source for _, source in kept}))


def _read(path: Path, large: bool, number: int, until: float, told: Connection) -> None:
    chance, counts = random.Random(number), Counter[str]()
    with _large_at(8 if large else 1000), ExemplarIndex.open(path, SEQUENCES) as index:
        while time.time() < until or not counts[NAMED]:
            action = chance.randrange(_ACTIONS)
            try:
                (answer,) = index.classify([moving(action, noise=0.1, seed=counts[NAMED])])
                counts[NAMED] += 1
                counts[WRONG] += answer.label != f"action {action}"
            except StarsError as error:
                counts[f"{FAILED}{error}"] += 1
    told.send((counts, set()))


def main() -> None:
    """Half of the time at a small index, half of it at a large one; print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    found = crowd(options.seconds / 2) + crowd(options.seconds / 2, large=True)
    if options.report is not None:
        facts = {"seconds": options.seconds, **found}
        options.report.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for name in (ADDED, REMOVED, NAMED):
        sys.stdout.write(f"{name}: {found[name]:,}\n")
    for name, count in (faults := faults_of(found)).items():
        sys.stdout.write(f"{name}: {count:,}\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
