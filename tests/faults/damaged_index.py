"""Damage to the file of an index: the answer is the same, or an error, and never another one.

`python -m tests.faults.damaged_index 3000` damages copies at random places and counts what follows.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from stars_infer.errors import ExemplarIndexError
from stars_infer.index.index import ExemplarIndex
from stars_infer.similarity.features import Features
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing

SAME, ERROR, OTHER, ESCAPED = "the same answer", "an error", "another answer", "another exception"
PAGE = 4096
Damage = Callable[[bytearray, random.Random], bytearray]


def _flip(content: bytearray, chance: random.Random) -> bytearray:
    """One bit."""
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content


def _scatter(content: bytearray, chance: random.Random) -> bytearray:
    """Some bytes all over the file."""
    for _ in range(chance.randrange(2, 40)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    return content


def _blot(content: bytearray, chance: random.Random) -> bytearray:
    """A stretch of zeros, or of noise."""
    start, size = chance.randrange(len(content)), chance.choice((8, 64, 512, PAGE))
    end = min(start + size, len(content))
    noise = chance.random() < 0.5
    content[start:end] = chance.randbytes(end - start) if noise else bytes(end - start)
    return content


def _misplace(content: bytearray, chance: random.Random) -> bytearray:
    """A page over another, as of a disk that loses its way."""
    pages = max(1, len(content) // PAGE)
    source, place = (PAGE * chance.randrange(pages) for _ in range(2))
    content[place : place + PAGE] = content[source : source + PAGE]
    return content


def _cut(content: bytearray, chance: random.Random) -> bytearray:
    """The end is gone."""
    return content[: chance.randrange(len(content))]


def _structure(content: bytearray, chance: random.Random) -> bytearray:
    """A bit of the head of a page, or of its list of cells, by which SQLite finds everything."""
    page = PAGE * chance.randrange(max(1, len(content) // PAGE))
    content[page + chance.randrange(24)] ^= 1 << chance.randrange(8)
    return content


KINDS: dict[str, Damage] = {
    one.__name__[1:]: one for one in (_flip, _scatter, _blot, _misplace, _cut, _structure)
}


def _go_back(before: bytes) -> Damage:
    """A page as it was before the last changes: a write that the disk has lost."""

    def go_back(content: bytearray, chance: random.Random) -> bytearray:
        spans = [slice(n, n + PAGE) for n in range(0, min(len(before), len(content)), PAGE)]
        place = chance.choice([one for one in spans if before[one] != content[one]])
        content[place] = before[place]
        return content

    return go_back


def damage_index(times: int, *, seed: int = 0, large: bool = False) -> Counter[tuple[str, str]]:
    """Damage an index again and again.

    Args:
        times: How often.
        seed: Of the places.
        large: Take an index with a cache, and damage a file of that every other time.

    Returns:
        How often each kind of damage had which outcome.
    """
    chance, found = random.Random(seed), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as name, _large_at(20 if large else 1000):
        path = Path(name) / "stars.db"
        kinds = {**KINDS, "go_back": _go_back(_make(path, large=large))}
        right = _answers(path, large=large)
        whole = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
        for number in range(times):
            kind = chance.choice(list(kinds))
            file = path if number % 2 or kind == "go_back" else chance.choice(list(whole))
            for one in path.parent.rglob("*"):
                if one.is_file() and one not in whole:
                    one.unlink()
            for one, content in whole.items():
                one.write_bytes(content)
            file.write_bytes(kinds[kind](bytearray(whole[file]), chance))
            found[kind, _outcome(path, right, large=large)] += 1
    return found


@contextmanager
def _large_at(limit: int) -> Iterator[None]:
    """An index with more than so many exemplars is a large one."""
    with (
        patch("stars_infer.index.small.EXHAUSTIVE_LIMIT", limit),
        patch("stars_infer.index.large.store.FRESH", limit),
    ):
        yield


def _features(action: int, *, noise: float, seed: int, large: bool) -> Features:
    if large:
        return pointing(action, tilt=noise * (1 + seed % 7))
    return moving(action, noise=noise, seed=seed)


def _make(path: Path, *, large: bool) -> bytes:
    """Make an index, and say what was in its file before the last changes."""
    model, shots = (VECTORS, 12) if large else (SEQUENCES, 6)
    with ExemplarIndex.open(path, model) as index:
        index.add(
            [
                new(f"action {n}", _features(n, noise=0.2, seed=s, large=large), f"{n}/{s}")
                for n in range(5)
                for s in range(shots)
            ]
        )
        index.prepare()
        index.set_false_accept_rate(0.3)
    before = path.read_bytes()
    with ExemplarIndex.open(path, model) as index:
        index.rename("action 4", "action 9")
        index.remove(ids=[3])
        index.relabel([8], "action 0")
        index.add([new("action 3", _features(3, noise=0.1, seed=50, large=large), "late")])
        index.set_false_accept_rate(0.1)
        index.confirm(7)
        index.deny(3)
        index.prepare()
        index.calibration()
    return before


def _answers(path: Path, *, large: bool) -> list[object]:
    """What the index says, of everything that it can be asked."""
    with ExemplarIndex.open(path, VECTORS if large else SEQUENCES, create=False) as index:
        queries = [_features(n, noise=0.4, seed=90 + n, large=large) for n in range(4)]
        said: list[object] = [
            (one.label, one.known, round(one.confidence, 4), one.neighbors[0].source)
            for one in index.classify(queries)
        ]
        said += [[near.source for near in one] for one in index.search(queries, 3)]
        said += [index.options(), index.unknown_share(), index.counts(), index.flat]
        said += [(one.id, one.label, one.source, one.content_hash) for one in index.exemplars()]
        said += [
            (one.id, np.asarray(kept.vector if large else kept.sequence).tobytes())
            for one, kept in index.features()
        ]
        return said


def _outcome(path: Path, right: list[object], *, large: bool) -> str:
    try:
        return SAME if _answers(path, large=large) == right else OTHER
    except ExemplarIndexError:
        return ERROR
    except Exception as error:  # whatever escapes is what is looked for
        return f"{ESCAPED}: {type(error).__name__}: {error}"


def main() -> None:
    """Damage indexes, small and large, and print what followed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("times", type=int, nargs="?", default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    outcomes: Counter[str] = Counter()
    for large in (False, True):
        found = damage_index(given.times // 2, seed=given.seed, large=large)
        for (_, outcome), count in found.items():
            outcomes[outcome] += count
        sys.stdout.write("a large index\n" if large else "a small index\n")
        for (kind, outcome), count in sorted(found.items()):
            sys.stdout.write(f"  {kind:10} {outcome:20} {count:6}\n")
    if given.report is not None:
        given.report.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
