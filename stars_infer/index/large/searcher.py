"""Finds exemplars of a large index: by their codes, then by what is read of the nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.index.large.ann import IVFIndex
from stars_infer.index.rows import Ids, RowReader
from stars_infer.machine import single_threaded
from stars_infer.similarity.features import Features, unit, vectors_of
from stars_infer.similarity.nearest import (
    Matches,
    coarse_descriptors,
    most_similar,
    rank_shortlist,
)
from stars_infer.similarity.rough import rough_similarities

RANKED = 96
"""So many exemplars at least are compared with a query as the model compares, by which it is named;
for each of them, or of the following, a row is read, perhaps from the disk."""
LIKELY = 600
"""Where sequences are compared, one kernel chooses these among so many with the nearest coarse
descriptors."""


class LargeSearcher:
    """Finds exemplars of a large index; see `stars_infer.similarity.nearest.Searcher`.

    Where the model compares vectors, the `RANKED` nearest by their codes are ranked again by
    their vectors; similarities beyond those are by code. Where it compares sequences, no others
    than the `LIKELY` nearest by their coarse descriptors are found. One kernel compares these;
    then all kernels compare the nearest by that one, and vectors do where they count.

    Args:
        lists: Of the exemplars at the first positions, if there are any.
        fresh: Unit vectors or coarse descriptors of those at the following positions, (N, W).
        ids: Numbers of the exemplars, ascending, (P,).
        there: Which of them have not been removed, (P,).
        reader: Reads them.

    Attributes:
        ranked: The exemplars that were ranked for the last query, by position.
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
        self.ranked: dict[int, Features] = {}
        self._lists, self._fresh, self._ids, self._reader = lists, fresh, ids, reader
        self._there = there

    def nearest(
        self, queries: Sequence[Features], k: int, *, without: BoolArray | None = None
    ) -> list[Matches]:
        """See `Searcher`; of sequences at most `LIKELY` are found.

        Args:
            queries: From `Encoder.encode`.
            k: How many.
            without: Positions that are not to be found, (P,).
        """
        if not queries:
            return []
        there = self._there if without is None else self._there & ~without
        if queries[0].sequence is None:
            asked, most = unit(vectors_of(queries)), max(k, RANKED)
        else:
            drawn = [coarse_descriptors(np.asarray(one.sequence)[None]) for one in queries]
            asked, most = unit(np.concatenate(drawn)), LIKELY
        likely = self._likely(asked, most, there)
        found = [self._rank(one, k, *at) for one, at in zip(queries, likely, strict=True)]
        return [(positions[:k], similar[:k]) for positions, similar in found]

    def _likely(self, asked: FloatArray, most: int, there: BoolArray) -> list[Matches]:
        """The nearest of each (N, W) by codes and fresh vectors."""
        start = self.size - len(self._fresh)
        with single_threaded():
            cosines = asked @ self._fresh.T
        fresh = np.flatnonzero(there[start:])
        found = [(start + fresh, row) for row in cosines[:, fresh]]
        if self._lists is not None:
            bits = None if there[:start].all() else np.packbits(there[:start], bitorder="little")
            listed = self._lists.nearest(asked, most, there=bits)
            found = [
                (np.concatenate((positions, more)), np.concatenate((near, row)))
                for (positions, near), (more, row) in zip(listed, found, strict=True)
            ]
        return [most_similar(positions, near, most) for positions, near in found]

    def _rank(
        self, query: Features, k: int, positions: NDArray[np.intp], near: FloatArray
    ) -> Matches:
        """Those that are likely, ranked by what is read of them.

        Args:
            query: What they are compared with.
            k: How many are wanted.
            positions: Of the exemplars.
            near: Their similarity by code.
        """
        some = positions if query.sequence is not None else positions[:RANKED]
        rows = self._reader.with_ids(self._ids[some], all_there=True)
        read, at = self._reader.as_queries(rows), np.searchsorted(self._ids, rows.ids)
        self.ranked = dict(zip(at.tolist(), read, strict=True))
        if query.sequence is None:
            exact = unit(rows.data) @ unit(vectors_of([query]))[0]
            best, similar = most_similar(at, exact, len(at))
            rest = np.minimum(near[len(at) :], similar.min(initial=1.0))
            return np.concatenate((best, positions[len(at) :])), np.concatenate((similar, rest))
        how, most = self._reader.comparison, max(k, RANKED)
        if len(at) > most:
            at, _ = most_similar(at, rough_similarities(query, read, how), most)
        chosen = [self.ranked[one] for one in at.tolist()]
        return rank_shortlist(query, at, chosen, len(at), how=how)
