"""Nearest exemplars: by the cosine of vectors through FAISS, or step by step through warping."""

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

CANDIDATES = 1000
"""Most exemplars of which all are compared with a clip."""
SEEN = 500
"""Exemplars that are looked at in a larger index: the nearest by vector, or those that are warped,
whose coarse descriptors are nearest."""
DESCRIPTOR_PARTS = 4
"""Into so many parts a coarse descriptor cuts a sequence, in time and by size."""

ACTIONS = 6
"""Actions, as far as there are so many, of which exemplars are looked at to name a clip."""
OTHERS = 20
"""Exemplars of further actions that are looked at, at once, where the nearest are of fewer."""

Found = tuple[NDArray[np.intp], FloatArray]
"""Places of the nearest exemplars, nearest first, and their similarities."""


class Searcher(Protocol):
    """Finds exemplars; `size` is how many there are."""

    size: int

    def nearest(self, queries: Sequence[Features], k: int) -> list[Found]:
        """The k nearest exemplars of each query, fewer if there are fewer."""


class VectorSearcher:
    """Cosine of unit vectors, all compared (FAISS, flat inner product).

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

    def nearest(self, queries: Sequence[Features], k: int) -> list[Found]:
        """See `Searcher`."""
        return self.nearest_to(vectors_of(queries), k)

    def nearest_to(self, vectors: FloatArray, k: int) -> list[Found]:
        """The same for vectors (N, D)."""
        similarities, positions = self._flat.search(unit(vectors), min(k, self.size))
        return list(zip(positions, similarities, strict=True))


class SequenceSearcher:
    """Similarity of sequences by time warping; in a large index only of likely exemplars.

    Args:
        sequences: Of the exemplars, (1 or 2, S, F) each.
    """

    def __init__(self, sequences: Sequence[FloatArray]) -> None:
        self.size = len(sequences)
        self._sequences = sequences
        self._all = self._coarse = None
        if self.size <= CANDIDATES:
            self._all = WarpingGallery(sequences)
        else:
            self._coarse = VectorSearcher(np.stack([coarse_descriptor(item) for item in sequences]))

    def nearest(self, queries: Sequence[Features], k: int) -> list[Found]:
        """See `Searcher`; of a large index at most `SEEN` are found."""
        return [self._nearest(query, k) for query in queries]

    def _nearest(self, query: Features, k: int) -> Found:
        assert query.sequence is not None
        if self._all is not None:
            positions, similarities = np.arange(self.size), self._all.similarities(query.sequence)
        else:
            assert self._coarse is not None
            ((positions, _),) = self._coarse.nearest_to(
                coarse_descriptor(query.sequence)[None], SEEN
            )
            likely = [self._sequences[int(position)] for position in positions]
            similarities = similarities_once(query.sequence, likely)
        order = np.argsort(-similarities, kind="stable")[:k]
        return positions[order], similarities[order]


def searcher_of(clip_features: Sequence[Features]) -> Searcher:
    """What finds exemplars: by their sequences where all have one, else by their vectors."""
    sequences = [item.sequence for item in clip_features if item.sequence is not None]
    if len(sequences) == len(clip_features):
        return SequenceSearcher(sequences)
    return VectorSearcher(vectors_of(clip_features))


def coarse_descriptor(sequence: FloatArray) -> FloatArray:
    """A short form of a sequence (M, S, F), compared without warping, (8 F,).

    The mean over bodies, averaged over each quarter of the time, and, so that pace matters less,
    over each quarter of the values that each number takes in the course of it.
    """
    return np.asarray(coarse_descriptors(sequence[None])[0])


def coarse_descriptors(sequences: FloatArray) -> FloatArray:
    """The same of many that have as many bodies, (N, M, S, F)."""
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
