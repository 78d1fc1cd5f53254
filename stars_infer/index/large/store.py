"""What an index holds, by place: all of it in memory, or a large one by its cache."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.index.large.ann import CHOSEN, IVFIndex, Progress, extended
from stars_infer.index.large.cache import Cache, CacheFolder, current_token, new_token, removed_ids
from stars_infer.index.rows import (
    Ids,
    RowReader,
    Rows,
    as_queries,
    count_of,
    labeled_ids,
    sources_of,
)
from stars_infer.machine import single_threaded
from stars_infer.similarity.dtw import similarities_once
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.nearest import (
    ACTIONS,
    OTHERS,
    SEEN,
    Found,
    coarse_descriptors,
    unit,
)

FRESH = 5000
"""New exemplars that are all compared beside a cache; more go into it."""
FRESH_SHARE = 0.01
"""The same, as a share of those in the cache: writing a large one takes longer."""
_MOST_GONE = 0.25
"""A cache of which so large a share was removed is made anew."""
_MOST_GROWTH = 2.0
"""So much larger than when its lists were laid out, they are laid out anew."""


@dataclass(slots=True, kw_only=True)
class _Fresh:
    """Exemplars that are newer than the cache, in the order of their numbers.

    Attributes:
        ids: Numbers of them, block after block.
        labels: Places of their actions in `names`, the same.
        unit_vectors: What is searched of them, the same.
        names: Actions, those of the cache first.
        last: The largest number that was read.
    """

    ids: list[Ids] = field(default_factory=list)
    labels: list[NDArray[np.int32]] = field(default_factory=list)
    unit_vectors: list[FloatArray] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    last: int = 0

    def add(self, rows: Rows, unit_vectors: FloatArray) -> None:
        """Take in rows that are newer still."""
        if not len(rows.ids):
            return
        numbers = [self.names.setdefault(label, len(self.names)) for label in rows.labels]
        self.ids.append(rows.ids)
        self.labels.append(np.array(numbers, np.int32))
        self.unit_vectors.append(unit_vectors)
        self.last = int(rows.ids[-1])


class LargeStore:
    """The exemplars of a large index: those in its cache, then newer ones; see `ExemplarStore`.

    Args:
        connection: The index.
        folder: Of its cache.
        model: Whose exemplars they are.
    """

    names: list[str]
    classes: NDArray[np.intp]
    searcher: LargeSearcher

    def __init__(
        self, connection: sqlite3.Connection, folder: CacheFolder, model: ModelInfo
    ) -> None:
        self._db = connection
        self._folder = folder
        self._model = model
        self._reader = RowReader(connection, model)
        self._cache: Cache | None = None
        self._fresh = _Fresh()
        self._token: str | None = None
        self._ids: Ids = np.zeros(0, np.int64)

    def refresh(self, progress: Progress = lambda at, end: None) -> None:
        """Take over what the index holds now; make or extend the cache where that is due.

        Args:
            progress: Progress of the cache.
        """
        self._follow_cache()
        if self._is_due() and self._folder.can_keep(self._db):
            self._renew(progress)
        while True:
            self._db.execute("BEGIN")  # all that follows is of one moment
            try:
                if current_token(self._db) == self._token:
                    rows = self._reader.newer(self._fresh.last)
                    gone = removed_ids(self._db)
                    break
            finally:
                self._db.execute("COMMIT")
            self._follow_cache()
        self._fresh.add(rows, self._reader.unit_vectors_of(rows))
        self._lay_out(gone)

    def candidates(self, query: Features, apart: int | None = None) -> Found:
        """See `ExemplarStore`; these are the nearest, and the nearest of further actions.

        Of an action with a thousand exemplars all the nearest may be: then nothing would tell how
        far other actions are, which is what unknown clips are known by.
        """
        without = np.zeros(len(self._ids), np.bool_) if apart is None else self.classes == apart
        ((positions, similar),) = self.searcher.nearest([query], SEEN, without=without)
        while len(actions := np.unique(self.classes[positions])) < ACTIONS:
            without |= np.isin(self.classes, actions)
            ((others, less),) = self.searcher.nearest([query], OTHERS, without=without)
            if not len(others):
                break
            positions, similar = (
                np.concatenate((positions, others)),
                np.concatenate((similar, less)),
            )
        order = np.argsort(-similar, kind="stable")
        return positions[order], similar[order]

    def sources(self, positions: NDArray[np.intp]) -> list[str]:
        """See `ExemplarStore`."""
        return sources_of(self._db, self._ids[positions].tolist())

    def queries(self, positions: NDArray[np.intp]) -> list[Features]:
        """See `ExemplarStore`; those that were removed just now are left out."""
        return as_queries(self._reader.with_ids(self._ids[positions]), self._model)

    def _follow_cache(self) -> None:
        """Load the cache that counts, unless it is loaded; another may come to count meanwhile."""
        while (token := current_token(self._db)) != self._token:
            self._token = token
            width = self._reader.searched_width
            self._take(None if token is None else self._folder.load(token, width))

    def _take(self, cache: Cache | None) -> None:
        self._cache, self._fresh = cache, _Fresh()
        if cache is not None:
            self._fresh.names = {name: position for position, name in enumerate(cache.names)}
            self._fresh.last = int(cache.ids[-1])

    def _held(self) -> int:
        """How many exemplars of the cache have not been removed."""
        if self._cache is None:
            return 0
        return len(self._cache.ids) - int(np.isin(removed_ids(self._db), self._cache.ids).sum())

    def _is_due(self) -> bool:
        """Whether so much was added or removed that the cache should be made or extended."""
        if self._cache is None:
            new = count_of(self._db)
            return new > FRESH
        if not self._cache.kept:
            return False
        held, listed = self._held(), len(self._cache.ids)
        return (
            count_of(self._db) - held > max(FRESH, FRESH_SHARE * held)
            or listed - held > _MOST_GONE * listed
        )

    def _renew(self, progress: Progress) -> None:
        """Make the cache anew, or put into it what is new; a process that is faster is followed."""
        made = self._extended(progress) or self._made(progress)
        if self._folder.keep(self._db, made, before=self._token):
            self._token = made.token
            self._take(made)
        elif current_token(self._db) == self._token:
            self._take(replace(made, kept=False))
        else:
            self._follow_cache()

    def _made(self, progress: Progress) -> Cache:
        ids, labels, names = labeled_ids(self._db)
        lists = IVFIndex.of(
            len(ids), lambda positions: self._reader.unit_vectors(ids[positions]), progress=progress
        )
        return Cache(token=new_token(), lists=lists, ids=ids, labels=labels, names=names)

    def _extended(self, progress: Progress) -> Cache | None:
        """None where the lists should be laid out anew."""
        old = self._cache
        if old is None or old.lists.probes is None:
            return None
        held, size = self._held(), count_of(self._db)
        if held < (1 - _MOST_GONE) * len(old.ids) or size > _MOST_GROWTH * old.lists.trained:
            return None
        ids, labels, names = labeled_ids(self._db, after=int(old.ids[-1]), known=old.names)
        try:
            lists = extended(
                self._folder.lists_of(old.token),
                old.lists,
                len(ids),
                lambda positions: self._reader.unit_vectors(ids[positions]),
                progress=progress,
            )
        except RuntimeError:  # deleted, or damaged since it was loaded
            return None
        return Cache(
            token=new_token(),
            lists=lists,
            ids=np.concatenate((old.ids, ids)),
            labels=np.concatenate((old.labels, labels)),
            names=names,
        )

    def _lay_out(self, gone: Ids) -> None:
        """Places of all exemplars that there are, and of those that were removed."""
        cached = [] if self._cache is None else [self._cache]
        self._ids = ids = np.concatenate([*(one.ids for one in cached), *self._fresh.ids])
        labels = np.concatenate([*(one.labels for one in cached), *self._fresh.labels])
        there = np.ones(len(ids), np.bool_)
        there[np.searchsorted(ids, gone[np.isin(gone, ids)])] = False
        every = list(self._fresh.names)
        present = np.flatnonzero(np.bincount(labels[there], minlength=len(every)))
        order = sorted(present.tolist(), key=lambda position: every[position])
        self.names = [every[position] for position in order]
        number = np.full(len(every), -1, np.intp)
        number[order] = np.arange(len(order))
        self.classes = np.where(there, number[labels], -1)
        empty = np.zeros((0, self._reader.searched_width), np.float32)
        self.searcher = LargeSearcher(
            cached[0].lists if cached else None,
            np.concatenate([empty, *self._fresh.unit_vectors]),
            ids=ids,
            there=there,
            reader=self._reader,
        )


class LargeSearcher:
    """Finds exemplars of a large index; see `stars_infer.similarity.nearest.Searcher`.

    Where vectors are compared, the nearest by their codes are compared again by their vectors, and
    similarities beyond those are by code. Where sequences are, the `SEEN` nearest by their
    coarse descriptors are warped, and no others are found.

    Args:
        lists: Of the exemplars at the first places, if there are any.
        fresh: Unit vectors or coarse descriptors of those at the places that follow, (N, W).
        ids: Numbers of the exemplars, ascending, (P,).
        there: Which of them have not been removed, (P,).
        reader: Reads them.
    """

    def __init__(
        self,
        lists: IVFIndex | None,
        fresh: FloatArray,
        *,
        ids: Ids,
        there: BoolArray,
        reader: RowReader,
    ) -> None:
        self.size = len(ids)
        self._lists, self._fresh, self._ids, self._reader = lists, fresh, ids, reader
        self._there = there

    def nearest(
        self, queries: Sequence[Features], k: int, *, without: BoolArray | None = None
    ) -> list[Found]:
        """See `Searcher`; of sequences at most `SEEN` are found.

        Args:
            queries: What is asked.
            k: How many.
            without: Places that are not to be found, (P,).
        """
        if not queries:
            return []
        there = self._there if without is None else self._there & ~without
        if queries[0].sequence is None:
            vectors = unit(vectors_of(queries))
            likely = self._likely(vectors, max(k, CHOSEN), there)
            found = [self._chosen(one, *at) for one, at in zip(vectors, likely, strict=True)]
        else:
            asked = [np.asarray(one.sequence) for one in queries]
            drawn = unit(np.concatenate([coarse_descriptors(one[None]) for one in asked]))
            likely = self._likely(drawn, min(k, SEEN) if without is not None else SEEN, there)
            found = [
                self._warped(one, positions)
                for one, (positions, _) in zip(asked, likely, strict=True)
            ]
        return [(positions[:k], similar[:k]) for positions, similar in found]

    def _likely(self, asked: FloatArray, most: int, there: BoolArray) -> list[Found]:
        """The nearest of each (N, W) by codes and fresh vectors."""
        first = there[: self.size - len(self._fresh)]
        listed: list[Found] = [(np.zeros(0, np.intp), np.zeros(0, np.float32))] * len(asked)
        start = 0
        if self._lists is not None:
            bits = None if first.all() else np.packbits(first, bitorder="little")
            listed = self._lists.nearest(asked, most, there=bits)
            start = self._lists.size
        with single_threaded():
            cosines = asked @ self._fresh.T
        cosines[:, ~there[len(first) :]] = -np.inf
        result = []
        for (positions, near), row in zip(listed, cosines, strict=True):
            fresh = np.flatnonzero(np.isfinite(row))
            positions = np.concatenate((positions, start + fresh))
            result.append(_best(positions, np.concatenate((near, row[fresh])), most))
        return result

    def _chosen(self, asked: FloatArray, positions: NDArray[np.intp], near: FloatArray) -> Found:
        """The best by their codes, now by their vectors; those by code alone come after them."""
        if self._lists is None or self._lists.probes is None:
            return positions, near
        rows = self._reader.with_ids(self._ids[positions[:CHOSEN]])
        exact = np.asarray(unit(rows.data) @ asked)
        chosen = np.searchsorted(self._ids, rows.ids)
        best, similar = _best(chosen, exact, CHOSEN)
        rest = np.minimum(near[CHOSEN:], similar[-1]) if len(similar) else near[CHOSEN:]
        return np.concatenate((best, positions[CHOSEN:])), np.concatenate((similar, rest))

    def _warped(self, asked: FloatArray, positions: NDArray[np.intp]) -> Found:
        rows = self._reader.with_ids(self._ids[positions])
        similar = similarities_once(asked, rows.parts())
        return _best(np.searchsorted(self._ids, rows.ids), similar, len(similar))


def _best(positions: NDArray[np.intp], similar: FloatArray, most: int) -> Found:
    order = np.argsort(-similar, kind="stable")[:most]
    return positions[order], similar[order]
