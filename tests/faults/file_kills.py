"""Processes that are killed while they write checkpoints, packs, models and caches.

`python -m tests.faults.file_kills 1000` kills so many and counts what is lost or torn.
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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from stars_infer.atomic import has_ended, owned_name
from stars_infer.errors import ModelError, StarsError
from tests.faults.damaged_index import _large_at
from tests.stars_infer.index.toy import VECTORS, new, pointing

KILLED, ENDED = "killed at work", "ended before"
LOST, TORN, LITTER = "lost", "torn", "left behind"
FAULTS = (LOST, TORN, LITTER)
_LONGEST = 0.12
"""Seconds of a process's work, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is written again and again, each time with a number in it.

    Attributes:
        write: Writes it with a number; what it returns is not used.
        read: The number in what is there; it raises a `StarsError` where that is torn.
        most: Files and folders that may lie there between two writes.
    """

    write: Callable[[Path, int], object]
    read: Callable[[Path], int]
    most: int


def _write_checkpoint(folder: Path, number: int) -> None:
    import torch

    from stars_infer.train.checkpoint import Checkpoint, save_checkpoint

    state = Checkpoint(
        config={"method": "mamp"}, step=number, history={}, optimizer={},
        weights={"encoder.a": torch.full((200_000,), float(number))},
    )  # fmt: skip
    save_checkpoint(state, folder / "run")


def _read_checkpoint(folder: Path) -> int:
    from stars_infer.train.checkpoint import load_checkpoint

    found = load_checkpoint(folder / "run")
    if not bool((found.weights["encoder.a"] == found.step).all()):
        raise ModelError("weights of another step")
    return found.step


def _write_pack(folder: Path, number: int) -> None:
    from stars_infer.train.datasets.pack import PackWriter, SourceClip

    with PackWriter(folder / "pack", force=True) as pack:
        for _ in range(number % 7 + 1):
            actors = np.full((1, 40, 25, 3), number, np.float32)
            pack.add(SourceClip(actors=actors, label=f"{number}", subject="", source=""))


def _read_pack(folder: Path) -> int:
    from stars_infer.train.datasets.pack import Pack

    pack = Pack.open(folder / "pack")
    number = int(pack.clips[0].label)
    if not (pack.joints == number).all() or len(pack.clips) != number % 7 + 1:
        raise StarsError("joints of another pack")
    return number


def _write_model(folder: Path, number: int) -> None:
    from stars_infer.exporters.directory import replace_model, write_description

    with replace_model(folder / "model") as beside:
        (beside / "encoder.onnx").write_bytes(number.to_bytes(4, "little") * 50_000)
        write_description(beside, replace(VECTORS, facts={"number": number}), "")


def _read_model(folder: Path) -> int:
    from stars_infer.encoder.model import read_model_info

    info = read_model_info(folder / "model")
    number = int(info.facts["number"])
    graph = (folder / "model" / "encoder.onnx").read_bytes()
    if graph != number.to_bytes(4, "little") * 50_000:
        raise ModelError("a graph of another model")
    return number


def _write_cache(folder: Path, number: int) -> None:
    from stars_infer.index.index import ExemplarIndex
    from stars_infer.index.large import store

    store.FRESH = 5
    with ExemplarIndex.open(folder / "stars.db", VECTORS) as index:
        index.add([new("a", pointing(one), f"{number}/{one}") for one in range(30)])
        index.remove(ids=[one.id for one in index.exemplars()[:-30]])
        index.prepare()


def _read_cache(folder: Path) -> int:
    from stars_infer.index.index import ExemplarIndex

    with ExemplarIndex.open(folder / "stars.db", VECTORS) as index:
        sources = [one.source for one in index.exemplars()][-30:]
        (near,) = index.search([pointing(0)], len(index))
        if len(near) != len(index) or not {one.source for one in near} >= set(sources):
            raise StarsError("the cache gives others than the index holds")
        (number,) = {int(source.split("/")[0]) for source in sources}
        return number


WORKS = {
    "checkpoint": Work(write=_write_checkpoint, read=_read_checkpoint, most=2),
    "pack": Work(write=_write_pack, read=_read_pack, most=2),
    "export": Work(write=_write_model, read=_read_model, most=3),
    "cache": Work(write=_write_cache, read=_read_cache, most=2),
}


def kill_writers(kind: str, times: int, *, seed: int = 0) -> Counter[str]:
    """Kill processes that write one kind of file, one after the other, in one folder.

    Args:
        kind: One of `WORKS`.
        times: How many.
        seed: Of the moments.

    Returns:
        How many were killed at work; how often what was said to be written was lost, what was there
        was torn, and something was left behind by those that were killed before the last.
    """
    chance, found = random.Random(seed), Counter[str]()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch", "stars_infer.exporters.directory"])
    work = WORKS[kind]
    with tempfile.TemporaryDirectory() as name, _large_at(20):
        folder, done = Path(name), 0
        for _ in range(times):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_write, args=(kind, folder, done + 1, theirs))
            process.start()
            theirs.close()
            with suppress(EOFError):
                ours.recv()  # it is at work
            time.sleep(_LONGEST * chance.random())
            process.kill()
            process.join()
            found[KILLED if process.exitcode == -9 else ENDED] += 1
            with suppress(EOFError):
                while True:
                    done = ours.recv()
            done = _judge(work, folder, done, found)
            _wait_for_the_end(process.pid)
        work.write(folder, done + 1)  # after which nothing is left of those that were killed
        found[LITTER] += max(0, _files(folder, kind) - work.most)
    return found


def _wait_for_the_end(process: int) -> None:
    """Wait until nothing is known of a process, as whoever sweeps after it asks for."""
    end = time.monotonic() + 60
    while not has_ended(owned_name().partition("-")[0], process) and time.monotonic() < end:
        time.sleep(0.01)


def _write(kind: str, folder: Path, first: int, told: Connection) -> None:
    with _large_at(20):
        told.send(0)
        for number in count(first):
            WORKS[kind].write(folder, number)
            told.send(number)


def _judge(work: Work, folder: Path, done: int, found: Counter[str]) -> int:
    """Look at what is there; the number that was written last."""
    try:
        now = work.read(folder)
    except (StarsError, ValueError, OSError) as error:
        if done:
            found[TORN] += 1
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return done
    found[LOST] += now < done
    return max(now, done)


def _files(folder: Path, kind: str) -> int:
    """How many files lie where this kind is written, and beside that."""
    places = {"checkpoint": "run", "pack": "pack", "export": "model", "cache": "stars.db.cache"}
    beside = [one for one in folder.iterdir() if one.name.startswith(".")]
    return len(list((folder / places[kind]).iterdir())) + len(beside)


def main() -> None:
    """Kill as many as asked for, the same number at each kind, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    kinds: dict[str, dict[str, int]] = {}
    for kind in WORKS:
        kinds[kind] = dict(kill_writers(kind, options.times // len(WORKS), seed=options.seed))
        sys.stdout.write(f"{kind}: {json.dumps(kinds[kind])}\n")
    if options.report is not None:
        options.report.write_text(json.dumps(kinds, indent=1), encoding="utf-8")
    sys.exit(any(found.get(fault) for found in kinds.values() for fault in FAULTS))


if __name__ == "__main__":
    main()
