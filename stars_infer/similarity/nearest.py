"""Nearest exemplars: by the cosine of vectors through FAISS, or by time warping of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError
from stars_infer.similarity.dtw import WarpingGallery, similarities_once
from stars_infer.similarity.features import Features, vectors_of

if TYPE_CHECKING:
    import faiss

EXHAUSTIVE_LIMIT = 1000
"""A query is compared with every exemplar where there are at most so many."""
SHORTLIST = 500
"""Of more exemplars, so many are looked at: those with the nearest vectors, or, where sequences are
compared, those with the nearest coarse descriptors, which are then warped."""
DESCRIPTOR_PARTS = 4
"""Parts into which a coarse descriptor cuts a sequence, in time and by size."""

Matches = tuple[NDArray[np.intp], FloatArray]
"""Positions of exemplars, the most similar first, and their similarities."""


class Searcher(Protocol):
    """Finds exemplars; `size` is how many there are."""

    size: int

    def nearest(self, queries: Sequence[Features], k: int) -> list[Matches]:
        """The k nearest exemplars of each query, fewer if there are fewer."""


class VectorSearcher:
    """Cosine of each query's vector with all vectors (FAISS, flat inner product).

    Args:
        vectors: Of the exemplars, (E, D).
    """

    def __init__(self, vectors: FloatArray) -> None:
        try:
            import faiss
        except ImportError as error:
            raise MissingExtraError("searching an index", "cpu", "faiss") from error
        self.size, width = vectors.shape
        self._flat: faiss.IndexFlatIP = faiss.IndexFlatIP(width)
        self._flat.add(unit(vectors))

    def nearest(self, queries: Sequence[Features], k: int) -> list[Matches]:
        """See `Searcher`."""
        return self.nearest_to(vectors_of(queries), k)

    def nearest_to(self, vectors: FloatArray, k: int) -> list[Matches]:
        """The same for vectors (N, D)."""
        similarities, positions = self._flat.search(unit(vectors), min(k, self.size))
        return list(zip(positions, similarities, strict=True))


class SequenceSearcher:
    """Similarity of sequences by time warping; of many exemplars only a shortlist is warped.

    Args:
        sequences: Of the exemplars, (1 or 2, S, F) each.
        exhaustive_limit: Most exemplars of which all are warped to a query.
        shortlist: How many are warped of more.
    """

    def __init__(
        self,
        sequences: Sequence[FloatArray],
        *,
        exhaustive_limit: int = EXHAUSTIVE_LIMIT,
        shortlist: int = SHORTLIST,
    ) -> None:
        self.size = len(sequences)
        self._sequences = sequences
        self._shortlist = shortlist
        self._all = self._coarse = None
        if self.size <= exhaustive_limit:
            self._all = WarpingGallery(sequences)
        else:
            self._coarse = VectorSearcher(np.stack([coarse_descriptor(item) for item in sequences]))

    def nearest(self, queries: Sequence[Features], k: int) -> list[Matches]:
        """See `Searcher`; where a shortlist is warped, no more than that is found."""
        return [self._nearest(query, k) for query in queries]

    def _nearest(self, query: Features, k: int) -> Matches:
        assert query.sequence is not None
        if self._all is not None:
            return most_similar(np.arange(self.size), self._all.similarities(query.sequence), k)
        assert self._coarse is not None
        drawn = coarse_descriptor(query.sequence)[None]
        ((positions, _),) = self._coarse.nearest_to(drawn, self._shortlist)
        likely = [self._sequences[int(position)] for position in positions]
        return rank_by_warping(query.sequence, positions, likely, k)


def rank_by_warping(
    query: FloatArray, positions: NDArray[np.intp], sequences: Sequence[FloatArray], k: int
) -> Matches:
    """Warp a shortlist to a query.

    Args:
        query: A sequence (1 or 2, S, F).
        positions: Of the exemplars on the shortlist, (L,).
        sequences: Theirs, L of them.
        k: How many to give.
    """
    return most_similar(positions, similarities_once(query, sequences), k)


def most_similar(positions: NDArray[np.intp], similarities: FloatArray, k: int) -> Matches:
    """The k most similar, the most similar first; of equals, the first."""
    order = np.argsort(-similarities, kind="stable")[:k]
    return positions[order], similarities[order]


def searcher_of(clip_features: Sequence[Features]) -> Searcher:
    """What finds exemplars: by their sequences where all have one, else by their vectors."""
    sequences = [item.sequence for item in clip_features if item.sequence is not None]
    if len(sequences) == len(clip_features):
        return SequenceSearcher(sequences)
    return VectorSearcher(vectors_of(clip_features))


def coarse_descriptor(sequence: FloatArray) -> FloatArray:
    """A short form (8 F,) of a sequence (M, S, F), by which a shortlist is chosen.

    The mean over bodies is averaged over each quarter of the time, and then, so that pace matters
    less, over each quarter of the sorted values that each number takes.
    """
    return np.asarray(coarse_descriptors(sequence[None])[0])


def coarse_descriptors(sequences: FloatArray) -> FloatArray:
    """The same of several sequences with equally many bodies, (N, M, S, F)."""
    mean = np.asarray(sequences, np.float32).mean(axis=1)
    parts = [
        part.mean(axis=1)
        for numbers in (mean, np.sort(mean, axis=1))
        for part in np.array_split(numbers, min(DESCRIPTOR_PARTS, mean.shape[1]), axis=1)
    ]
    return np.concatenate(parts, axis=1)


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors (N, D) scaled to length one; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
