"""What is found out about a whole index, in threads of its own, once for each state of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.curation.check import Finding, findings
from stars_infer.curation.neighbors import Neighborhood, neighborhood
from stars_infer.index.exemplar import Exemplar
from stars_infer.index.index import ExemplarIndex
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.nearest import EXHAUSTIVE_LIMIT, coarse_descriptors
from stars_infer.studio.advice import Advice, advise
from stars_infer.studio.confusion import Confusion, confusion_of
from stars_infer.studio.embedding_map import (
    EmbeddingMap,
    draft,
    lay_out,
    read_map,
    write_map,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """The examples at one time.

    Attributes:
        exemplars: The examples, by number.
        features: What is held of each.
        numbers: Differs where their numbers do.
    """

    exemplars: Sequence[Exemplar]
    features: Sequence[Features]
    numbers: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """What was found.

    Attributes:
        exemplars: The examples that it is about.
        findings: What looks wrong.
        confusion: How examples are named without themselves.
        advice: What would help.
    """

    exemplars: Sequence[Exemplar]
    findings: Sequence[Finding]
    confusion: Confusion
    advice: Sequence[Advice]


class Tending:
    """Finds out about an index.

    Args:
        index: The examples.
        folder: Where the map is kept.
    """

    def __init__(self, index: ExemplarIndex, folder: Path) -> None:
        self._index, self._folder = index, folder
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="tending")
        self._jobs: dict[tuple[str, str], Future[Any]] = {}
        self._near: tuple[str, Neighborhood] | None = None
        self._turned: tuple[str, Neighborhood] | None = None
        self._draft: EmbeddingMap | None = None
        self._latest: tuple[str, State] | None = None
        self._lock, self._comparing, self._reading = (threading.Lock() for _ in range(3))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def map(self) -> tuple[EmbeddingMap | None, Sequence[Exemplar]]:
        """The map, or a draft of it, or None while there is neither; and the examples."""
        exemplars = self._index.exemplars()
        if not exemplars:
            return EmbeddingMap(
                ids=np.zeros(0, np.int64), places=np.zeros((0, 2), np.float32)
            ), exemplars
        numbers, _ = _tokens(exemplars)
        found = self._result("map", numbers, self._make_map)
        if found is None and self._draft is not None:
            there = {one.id for one in exemplars}
            if there == set(self._draft.ids.tolist()):
                return self._draft, exemplars
        return found, exemplars

    def report(self) -> Report | None:
        """What looks wrong, what is confused, and what would help; None while that is looked at."""
        exemplars = self._index.exemplars()
        _, token = _tokens(exemplars)
        found: Report | None = self._result("report", token, self._make_report)
        return found

    def _result(self, what: str, token: str, make: Callable[[], Any]) -> Any:
        """The result for a state of the index; None while it is made."""
        with self._lock:
            job = self._jobs.get((what, token))
            if job is None:
                for key in [key for key in self._jobs if key[0] == what]:
                    self._jobs.pop(key).cancel()
                job = self._jobs[what, token] = self._threads.submit(make)
        if not job.done():
            return None
        if job.exception() is not None:
            with self._lock:  # tried again the next time
                self._jobs.pop((what, token), None)
        return job.result()

    def _state(self) -> State:
        """The examples now; read once for the map and the report."""
        with self._reading:
            exemplars = self._index.exemplars()
            numbers, token = _tokens(exemplars)
            if self._latest is None or self._latest[0] != token:
                kept = sorted(self._index.features(), key=lambda pair: pair[0].id)
                exemplars = [one for one, _ in kept]
                numbers, token = _tokens(exemplars)
                features = [one for _, one in kept]
                made = State(exemplars=exemplars, features=features, numbers=numbers)
                self._latest = token, made
            return self._latest[1]

    def _make_map(self) -> EmbeddingMap:
        state = self._state()
        ids = np.array([one.id for one in state.exemplars], np.int64)
        how = self._index.model.comparison
        digest = "" if how is None else how.digest()
        before = read_map(self._folder, digest)
        if before is not None and set(before.ids.tolist()) == set(ids.tolist()):
            return before
        first = draft(ids, _descriptors(state.features))
        self._draft = first
        made = lay_out(ids, self._neighbors(state), first, before)
        write_map(self._folder, digest, made)
        return made

    def _make_report(self) -> Report:
        state = self._state()
        if not state.exemplars:
            empty = Confusion(labels=(), table=np.zeros((0, 0), np.intp), confused=())
            return Report(exemplars=(), findings=(), confusion=empty, advice=advise((), (), empty))
        how = self._index.model.comparison
        labels = [one.label for one in state.exemplars]
        near = self._neighbors(state)
        found = findings(self._neighbors_in_any_direction(state), labels)
        confusion = confusion_of(
            state.exemplars,
            near,
            self._index.compare_exemplars() if len(labels) <= EXHAUSTIVE_LIMIT else None,
            width=None if how is None else how.kernel_width,
        )
        return Report(
            exemplars=state.exemplars,
            findings=found,
            confusion=confusion,
            advice=advise(state.exemplars, found, confusion),
        )

    def _neighbors(self, state: State) -> Neighborhood:
        """The neighbors of examples by the similarity that names."""
        with self._comparing:  # the map and the report need the same
            if self._near is None or self._near[0] != state.numbers:
                if len(state.exemplars) <= EXHAUSTIVE_LIMIT:
                    near = Neighborhood.of_table(self._index.compare_exemplars())
                else:
                    near = neighborhood(state.features, self._index.model.comparison)
                self._near = state.numbers, near
            return self._near[1]

    def _neighbors_in_any_direction(self, state: State) -> Neighborhood:
        """The same as copies and wrong labels are looked for."""
        how = self._index.model.comparison
        if how is None:
            return self._neighbors(state)
        if self._turned is None or self._turned[0] != state.numbers:
            self._turned = state.numbers, neighborhood(state.features, how.in_any_direction())
        return self._turned[1]


def _descriptors(features: Sequence[Features]) -> FloatArray:
    """What examples are looked up by, (N, W)."""
    sequences = [one.sequence for one in features if one.sequence is not None]
    if len(sequences) < len(features):
        return vectors_of(features)
    people = np.array([len(one) for one in sequences])
    made: FloatArray | None = None
    for count in np.unique(people):
        at = np.flatnonzero(people == count)
        some = coarse_descriptors(np.stack([sequences[int(place)] for place in at]))
        if made is None:
            made = np.zeros((len(features), some.shape[1]), np.float32)
        made[at] = some
    assert made is not None
    return made


def _tokens(exemplars: Sequence[Exemplar]) -> tuple[str, str]:
    """Two texts: one differs where numbers do, the other where numbers or labels do."""
    pairs = sorted((one.id, one.label) for one in exemplars)
    numbers = [number for number, _ in pairs]
    first, second = (hashlib.sha256(repr(one).encode()).hexdigest() for one in (numbers, pairs))
    return first, second
