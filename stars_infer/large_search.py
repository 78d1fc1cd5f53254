"""Nearest exemplars of a large index: likely ones by neighbour lists, of those the nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.ann import CHOSEN, NeighbourLists
from stars_infer.clip import BoolArray, FloatArray
from stars_infer.description import Description, vectors_of
from stars_infer.index_rows import Ids, RowReader
from stars_infer.search import SEEN, Found, sketches, unit
from stars_infer.threads import single_threaded
from stars_infer.warping import similarities_once


class LargeSearcher:
    """Finds exemplars of a large index; see `stars_infer.search.Searcher`.

    Where vectors are compared, the nearest by their codes are compared again by their vectors, and
    similarities beyond those are by code. Where sequences are, the `SEEN` nearest by their
    sketches are warped, and no others are found.

    Args:
        lists: Of the exemplars at the first places, if there are any.
        fresh: Unit vectors or sketches of those at the places that follow, (N, W).
        ids: Numbers of the exemplars, ascending, (P,).
        there: Which of them have not been removed, (P,).
        reader: Reads them.
    """

    def __init__(
        self,
        lists: NeighbourLists | None,
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
        self, queries: Sequence[Description], k: int, *, without: BoolArray | None = None
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
            drawn = unit(np.concatenate([sketches(one[None]) for one in asked]))
            likely = self._likely(drawn, min(k, SEEN) if without is not None else SEEN, there)
            found = [
                self._warped(one, places) for one, (places, _) in zip(asked, likely, strict=True)
            ]
        return [(places[:k], similar[:k]) for places, similar in found]

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
        for (places, near), row in zip(listed, cosines, strict=True):
            fresh = np.flatnonzero(np.isfinite(row))
            places = np.concatenate((places, start + fresh))
            result.append(_best(places, np.concatenate((near, row[fresh])), most))
        return result

    def _chosen(self, asked: FloatArray, places: NDArray[np.intp], near: FloatArray) -> Found:
        """The best by their codes, now by their vectors; those by code alone come after them."""
        if self._lists is None or self._lists.probes is None:
            return places, near
        rows = self._reader.with_ids(self._ids[places[:CHOSEN]])
        exact = np.asarray(unit(rows.data) @ asked)
        chosen = np.searchsorted(self._ids, rows.ids)
        best, similar = _best(chosen, exact, CHOSEN)
        rest = np.minimum(near[CHOSEN:], similar[-1]) if len(similar) else near[CHOSEN:]
        return np.concatenate((best, places[CHOSEN:])), np.concatenate((similar, rest))

    def _warped(self, asked: FloatArray, places: NDArray[np.intp]) -> Found:
        rows = self._reader.with_ids(self._ids[places])
        similar = similarities_once(asked, rows.parts())
        return _best(np.searchsorted(self._ids, rows.ids), similar, len(similar))


def _best(places: NDArray[np.intp], similar: FloatArray, most: int) -> Found:
    order = np.argsort(-similar, kind="stable")[:most]
    return places[order], similar[order]
