"""Finds exemplars of a large index: by their codes, then by what is read of the nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.index.large.ann import RERANKED, IVFIndex
from stars_infer.index.rows import Ids, RowReader
from stars_infer.machine import single_threaded
from stars_infer.similarity.features import Features, unit, vectors_of
from stars_infer.similarity.nearest import (
    SHORTLIST,
    Matches,
    coarse_descriptors,
    most_similar,
    rank_shortlist,
)


class LargeSearcher:
    """Finds exemplars of a large index; see `stars_infer.similarity.nearest.Searcher`.

    Where the model compares vectors, the `RERANKED` nearest by their codes are ranked again by
    their vectors; similarities beyond those are by code. Where it compares sequences, the
    `SHORTLIST` nearest by their coarse descriptors are warped, and no others are found; where
    vectors count, too, they rank these.

    Args:
        lists: Of the exemplars at the first positions, if there are any.
        fresh: Unit vectors or coarse descriptors of those at the following positions, (N, W).
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
    ) -> list[Matches]:
        """See `Searcher`; of sequences at most `SHORTLIST` are found.

        Args:
            queries: From `Encoder.encode`.
            k: How many.
            without: Positions that are not to be found, (P,).
        """
        if not queries:
            return []
        there = self._there if without is None else self._there & ~without
        if queries[0].sequence is None:
            vectors = unit(vectors_of(queries))
            likely = self._likely(vectors, max(k, RERANKED), there)
            found = [
                self._rank_by_vector(one, *at) for one, at in zip(vectors, likely, strict=True)
            ]
        else:
            asked = [np.asarray(one.sequence) for one in queries]
            drawn = unit(np.concatenate([coarse_descriptors(one[None]) for one in asked]))
            most = SHORTLIST if without is None else min(k, SHORTLIST)
            likely = self._likely(drawn, most, there)
            found = [
                self._rank_by_warping(one, positions)
                for one, (positions, _) in zip(queries, likely, strict=True)
            ]
        return [(positions[:k], similar[:k]) for positions, similar in found]

    def _likely(self, asked: FloatArray, most: int, there: BoolArray) -> list[Matches]:
        """The nearest of each (N, W) by codes and fresh vectors."""
        first = there[: self.size - len(self._fresh)]
        listed: list[Matches] = [(np.zeros(0, np.intp), np.zeros(0, np.float32))] * len(asked)
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
            result.append(most_similar(positions, np.concatenate((near, row[fresh])), most))
        return result

    def _rank_by_vector(
        self, asked: FloatArray, positions: NDArray[np.intp], near: FloatArray
    ) -> Matches:
        """The nearest by their codes, ranked by their vectors; those by code alone come after."""
        if self._lists is None or self._lists.probes is None:
            return positions, near
        rows = self._reader.with_ids(self._ids[positions[:RERANKED]], all_there=True)
        exact = np.asarray(unit(rows.data) @ asked)
        best, similar = most_similar(np.searchsorted(self._ids, rows.ids), exact, RERANKED)
        rest = np.minimum(near[RERANKED:], similar[-1]) if len(similar) else near[RERANKED:]
        return np.concatenate((best, positions[RERANKED:])), np.concatenate((similar, rest))

    def _rank_by_warping(self, asked: Features, positions: NDArray[np.intp]) -> Matches:
        rows = self._reader.with_ids(self._ids[positions], all_there=True)
        at, how = np.searchsorted(self._ids, rows.ids), self._reader.comparison
        return rank_shortlist(asked, at, self._reader.as_queries(rows), len(positions), how=how)
