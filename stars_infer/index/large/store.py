"""The exemplars of a large index: those in its cache, and those that are newer."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.atomic import owned_name
from stars_infer.encoder.model import ModelInfo
from stars_infer.index.checksums import check_count
from stars_infer.index.file import IndexFile
from stars_infer.index.large.ann import IVFIndex
from stars_infer.index.large.cache import (
    Cache,
    CacheFolder,
    changed_labels,
    current_token,
    removed_ids,
)
from stars_infer.index.large.searcher import RANKED, LargeSearcher
from stars_infer.index.rows import (
    ExemplarRows,
    Ids,
    RowReader,
    count_of,
    labeled_ids,
    sources_of,
)
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import Matches

FRESH = 5000
"""New exemplars that are all compared beside a cache; more go into it."""
FRESH_SHARE = 0.01
"""The same, as a share of those in the cache: writing a large one takes longer."""
_MOST_GONE = 0.25
"""A cache of which so large a share was removed is made anew."""
_MOST_GROWTH = 2.0
"""So much larger than when its lists were laid out, they are laid out anew."""


class _Fresh(NamedTuple):
    """Exemplars that are newer than the cache, in the order of their numbers."""

    ids: Ids
    """Numbers of them, (N,)."""
    labels: NDArray[np.int32]
    """Positions of their actions in the names of the store, (N,)."""
    unit_vectors: FloatArray
    """What is searched of them, (N, W)."""


class LargeStore:
    """The exemplars of a large index: those in its cache, then newer ones; see `ExemplarStore`.

    It reads rows when it is asked, so its answers are those of one state of the file only within
    the transaction in which `read` took that state over.

    Args:
        file: The index.
        model: Its model.
    """

    names: list[str]
    classes: NDArray[np.intp]
    ids: Ids
    searcher: LargeSearcher

    def __init__(self, file: IndexFile, model: ModelInfo) -> None:
        self._file = file
        self._folder = CacheFolder(file)
        self._reader = RowReader(file, model)
        self._token: str | None = ""  # of no cache, not even of none, until one is followed

    def prepare(self, progress: ReportProgress = lambda at, end: None) -> None:
        """Load the cache that counts; make or extend it where that is due.

        Args:
            progress: Progress of the cache.
        """
        with self._file.lock:
            self._follow_cache()
            with self._file.reading():
                due = self._is_due()
            if due and self._folder.can_keep():
                self._renew(progress)

    def read(self) -> bool:
        """Take over what the index holds now, for use within `IndexFile.reading`.

        Returns:
            False where another cache counts than the one that was loaded: `prepare` comes first.
        """
        with self._file.reading() as connection:
            if current_token(connection) != self._token:
                return False
            self._add(self._reader.newer(self._last))
            self._lay_out(removed_ids(connection), changed_labels(connection)[0])
            check_count(connection, "labels", int((self.classes >= 0).sum()))
        return True

    def candidates(self, query: Features, class_out: int | None = None) -> Matches:
        """The nearest exemplars; see `ExemplarStore`."""
        without = None if class_out is None else self.classes == class_out
        ((positions, similar),) = self.searcher.nearest([query], RANKED, without=without)
        return positions, similar

    def sources(self, positions: NDArray[np.intp]) -> list[str]:
        """See `ExemplarStore`."""
        with self._file.reading() as connection:
            return sources_of(connection, self.ids[positions].tolist())

    def queries(self, positions: NDArray[np.intp]) -> list[Features]:
        """See `ExemplarStore`."""
        ranked = self.searcher.ranked
        if all(at in ranked for at in positions.tolist()):  # as those that were just found are
            return [ranked[at] for at in positions.tolist()]
        return self._reader.queries(self.ids[positions])

    def _follow_cache(self) -> None:
        """Load the cache that counts, unless it is loaded; another may come to count meanwhile."""
        while (token := self._current_token()) != self._token:
            self._token = token
            width = self._reader.searched_width
            self._take(None if token is None else self._folder.load(token, width))

    def _current_token(self) -> str | None:
        with self._file.reading() as connection:
            return current_token(connection)

    def _take(self, cache: Cache | None) -> None:
        """Begin with a cache, and with nothing that is newer."""
        self._cache, self._names, self._last = cache, dict[str, int](), 0
        empty = np.zeros((0, self._reader.searched_width), np.float32)
        self._fresh = _Fresh(np.zeros(0, np.int64), np.zeros(0, np.int32), empty)
        if cache is not None:
            self._names = {name: position for position, name in enumerate(cache.names)}
            self._last = int(cache.ids[-1])

    def _add(self, rows: ExemplarRows) -> None:
        """Take in rows that are newer still."""
        if len(rows.ids):
            numbers = [self._names.setdefault(one, len(self._names)) for one in rows.labels]
            ids, labels, unit_vectors = self._fresh
            self._fresh = _Fresh(
                np.concatenate((ids, rows.ids)),
                np.concatenate((labels, np.array(numbers, np.int32))),
                np.concatenate((unit_vectors, self._reader.unit_vectors_of(rows))),
            )
            self._last = int(rows.ids[-1])

    def _count_cached(self, cache: Cache) -> int:
        """How many exemplars of a cache have not been removed."""
        gone = removed_ids(self._file.connection)
        return len(cache.ids) - int(np.isin(gone, cache.ids).sum())

    def _is_due(self) -> bool:
        """Whether so much was added or removed that the cache should be made or extended."""
        size, cache = count_of(self._file.connection), self._cache
        if cache is None:
            return size > FRESH
        held, listed = self._count_cached(cache), len(cache.ids)
        new, gone = size - held, listed - held
        return cache.kept and (new > max(FRESH, FRESH_SHARE * held) or gone > _MOST_GONE * listed)

    def _renew(self, progress: ReportProgress) -> None:
        """Make the cache anew, or put into it what is new; a process that is faster is followed."""
        made = self._extend_cache(progress) or self._make_cache(progress)
        kept = self._folder.keep(made, before=self._token)
        if kept is not None:
            self._token = kept.token
            self._take(kept)
        elif self._current_token() == self._token:
            self._take(replace(made, kept=False))
        else:
            self._follow_cache()

    def _make_cache(self, progress: ReportProgress) -> Cache:
        with self._file.reading() as connection:
            ids, labels, names = labeled_ids(connection)
            _, until = changed_labels(connection)
            vectors = self._reader.unit_vectors_at(ids, labels, names)
            lists = IVFIndex.of(len(ids), vectors, progress=progress)
        return Cache(
            token=owned_name(),
            lists=lists,
            ids=ids,
            labels=labels,
            names=names,
            relabeled_until=until,
        )

    def _extend_cache(self, progress: ReportProgress) -> Cache | None:
        """None where the lists should be laid out anew."""
        old = self._cache
        if old is None or not old.kept:
            return None
        with self._file.reading() as connection:
            held, size = self._count_cached(old), count_of(connection)
            if held < (1 - _MOST_GONE) * len(old.ids) or size > _MOST_GROWTH * old.lists.trained:
                return None
            changed, until = changed_labels(connection)
            ids, labels, names = labeled_ids(connection, after=int(old.ids[-1]), known=old.names)
            vectors = self._reader.unit_vectors_at(ids, labels, names)
            try:
                file = self._folder.lists_of(old.token)
                lists = old.lists.extended(file, len(ids), vectors, progress=progress)
            except RuntimeError:  # deleted, or damaged since it was loaded
                return None
        numbers = {name: position for position, name in enumerate(names)}
        every = np.concatenate((old.ids, ids))
        return Cache(
            token=owned_name(),
            lists=lists,
            ids=every,
            labels=_relabel(every, np.concatenate((old.labels, labels)), numbers, changed),
            names=tuple(numbers),
            relabeled_until=until,
        )

    def _lay_out(self, gone: Ids, changed: dict[int, str]) -> None:
        """Give every exemplar a position, also those that were removed from under the cache.

        Args:
            gone: Numbers of those.
            changed: Labels that are no longer those of the cache, by number.
        """
        cache, ids, labels = self._cache, self._fresh.ids, self._fresh.labels
        if cache is not None:
            ids, labels = np.concatenate((cache.ids, ids)), np.concatenate((cache.labels, labels))
        self.ids, labels = ids, _relabel(ids, labels, self._names, changed)
        there = np.ones(len(ids), np.bool_)
        there[np.searchsorted(ids, gone[np.isin(gone, ids)])] = False
        every = list(self._names)
        present = np.flatnonzero(np.bincount(labels[there], minlength=len(every)))
        order = sorted(present.tolist(), key=lambda position: every[position])
        self.names = [every[position] for position in order]
        number = np.full(len(every), -1, np.intp)
        number[order] = np.arange(len(order))
        self.classes = np.where(there, number[labels], -1)
        lists, fresh = None if cache is None else cache.lists, self._fresh.unit_vectors
        self.searcher = LargeSearcher(lists, fresh, ids=ids, there=there, reader=self._reader)


def _relabel(
    ids: Ids, labels: NDArray[np.int32], names: dict[str, int], changed: dict[int, str]
) -> NDArray[np.int32]:
    """Labels of exemplars, some of them changed; a new name gets the next number.

    Args:
        ids: Numbers of the exemplars, ascending, (P,).
        labels: Numbers of their labels, (P,).
        names: Numbers of labels, which is added to.
        changed: New labels of exemplars.
    """
    labels = labels.copy()
    for number, label in changed.items():
        position = int(np.searchsorted(ids, number))
        if position < len(ids) and ids[position] == number:
            labels[position] = names.setdefault(label, len(names))
    return labels
