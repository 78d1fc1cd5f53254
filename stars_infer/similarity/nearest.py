"""Nearest exemplars: by the cosine of vectors through FAISS, or by time warping of sequences.

Where vectors have a weight beside sequences, the similarity of both is joined
(`stars_infer.similarity.joint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError, UsageError
from stars_infer.similarity.comparison import MOVING, WHOLE, SequenceConfig
from stars_infer.similarity.contents import content_of, part_of
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features, sequences_of, unit, vectors_of
from stars_infer.similarity.joint import join_with_query

if TYPE_CHECKING:
    import faiss

EXHAUSTIVE_LIMIT = 1000
"""A query is compared with every exemplar where there are at most so many."""
SHORTLIST = 200
"""Of more exemplars, so many are looked at: those with the nearest vectors, or, where sequences are
compared, those with the nearest coarse descriptors, which are then warped. So, too, where vectors
count beside sequences: they rank the shortlist, and do not choose it."""
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
        exemplars: With their sequences; where vectors count, with those, too.
        how: How they are compared.
        exhaustive_limit: Most exemplars of which all are warped to a query.
        shortlist: How many are warped of more.
    """

    def __init__(
        self,
        exemplars: Sequence[Features],
        how: SequenceConfig,
        *,
        exhaustive_limit: int = EXHAUSTIVE_LIMIT,
        shortlist: int = SHORTLIST,
    ) -> None:
        sequences = sequences_of(exemplars)
        self.size = len(exemplars)
        self._exemplars = exemplars
        self._how = how
        self._shortlist = shortlist
        self._all = self._coarse = self._unit_vectors = None
        if self.size <= exhaustive_limit:
            self._all = WarpingGallery(sequences, how)
            self._unit_vectors = unit_vectors_of(exemplars, how)
        else:
            self._coarse = VectorSearcher(np.stack([coarse_descriptor(item) for item in sequences]))

    def nearest(self, queries: Sequence[Features], k: int) -> list[Matches]:
        """See `Searcher`; where a shortlist is warped, no more than that is found."""
        return [self._nearest(query, k) for query in queries]

    def mirrored_similarities(self, query: Features) -> FloatArray:
        """Similarity of the mirror image of a query to every exemplar, (E,).

        Raises:
            UsageError: If there are too many exemplars to compare all.
        """
        gallery, sequence = self._compared_all(query)
        return gallery.mirrored_similarities(sequence)

    def whole_similarities(self, query: Features) -> FloatArray:
        """Similarity of a query to every exemplar without kernels of halves, (E,).

        Sequences alone count, since this tells where an action ends.

        Raises:
            UsageError: If there are too many exemplars to compare all.
        """
        gallery, sequence = self._compared_all(query)
        return gallery.whole_similarities(sequence)

    def _compared_all(self, query: Features) -> tuple[WarpingGallery, FloatArray]:
        if self._all is None or query.sequence is None:
            raise UsageError(f"{self.size:,} examples are too many to compare all")
        return self._all, query.sequence

    def _nearest(self, query: Features, k: int) -> Matches:
        assert query.sequence is not None
        if self._all is not None:
            warped = self._all.similarities(query.sequence)
            similarities = join_with_query(warped, query, self._unit_vectors, self._how)
            return most_similar(np.arange(self.size), similarities, k)
        assert self._coarse is not None
        drawn = coarse_descriptor(query.sequence)[None]
        ((positions, _),) = self._coarse.nearest_to(drawn, self._shortlist)
        likely = [self._exemplars[int(position)] for position in positions]
        return rank_shortlist(query, positions, likely, k, how=self._how)


def rank_shortlist(
    query: Features,
    positions: NDArray[np.intp],
    exemplars: Sequence[Features],
    k: int,
    *,
    how: SequenceConfig,
) -> Matches:
    """Warp a shortlist to a query, and compare vectors where they count.

    Args:
        query: With a sequence, (1 or 2, S, F).
        positions: Of the exemplars on the shortlist, (L,).
        exemplars: They themselves, L of them.
        k: How many to give.
        how: How they are compared.
    """
    assert query.sequence is not None
    warped = WarpingGallery(sequences_of(exemplars), how).similarities(query.sequence)
    vectors = unit_vectors_of(exemplars, how)
    return most_similar(positions, join_with_query(warped, query, vectors, how), k)


def unit_vectors_of(exemplars: Sequence[Features], how: SequenceConfig) -> FloatArray | None:
    """The unit vectors of exemplars, (E, D); None where vectors do not count."""
    if not how.vector_weight or not exemplars:
        return None
    return unit(vectors_of(exemplars))


def most_similar(positions: NDArray[np.intp], similarities: FloatArray, k: int) -> Matches:
    """The k most similar, the most similar first; of equals, the first."""
    order = np.argsort(-similarities, kind="stable")[:k]
    return positions[order], similarities[order]


def searcher_of(clip_features: Sequence[Features], how: SequenceConfig | None) -> Searcher:
    """What finds exemplars: by their sequences where the model compares these, else by vectors."""
    if how is None:
        return VectorSearcher(vectors_of(clip_features))
    return SequenceSearcher(clip_features, how)


def coarse_descriptor(sequence: FloatArray) -> FloatArray:
    """A short form (W,) of a sequence (M, S, F), by which a shortlist is chosen.

    It is made of what the whole of a sequence is compared by. The mean over bodies is averaged over
    each quarter of the time, and then, so that pace matters less, over each quarter of the sorted
    values that each number takes.
    """
    return np.asarray(coarse_descriptors(sequence[None])[0])


def coarse_descriptors(sequences: FloatArray) -> FloatArray:
    """The same of several sequences with equally many bodies, (N, M, S, F)."""
    count, bodies, *form = sequences.shape
    each = part_of(np.asarray(sequences, np.float32).reshape(count * bodies, *form), WHOLE)
    compared = content_of(each, MOVING)
    mean = compared.reshape(count, bodies, *compared.shape[1:]).mean(axis=1)
    parts = [
        part.mean(axis=1)
        for numbers in (mean, np.sort(mean, axis=1))
        for part in np.array_split(numbers, min(DESCRIPTOR_PARTS, mean.shape[1]), axis=1)
    ]
    return np.concatenate(parts, axis=1)
