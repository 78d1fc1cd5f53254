"""Similarity of clips: the cosine of their vectors, time warping of their sequences, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features, sequences_of, unit, vectors_of
from stars_infer.similarity.joint import join
from stars_infer.similarity.nearest import VectorSearcher

_BLOCK = 256
"""Clips to which one is compared at once; with smaller blocks, less is computed twice."""

Similarity = Callable[[NDArray[np.intp], NDArray[np.intp]], FloatArray]
"""Gives the similarities (Q, E) of the clips at some positions to those at others."""


def cosine_of(vectors: FloatArray) -> Similarity:
    """The cosine of vectors (N, D)."""
    unit_vectors = unit(vectors)
    return lambda queries, exemplars: np.asarray(unit_vectors[queries] @ unit_vectors[exemplars].T)


def cosine_through_faiss(vectors: FloatArray) -> Similarity:
    """The same through FAISS, as the papers search: all exemplars are found for every query.

    Raises:
        MissingExtraError: If FAISS is not installed, when clips are compared.
    """

    def similarity(queries: NDArray[np.intp], exemplars: NDArray[np.intp]) -> FloatArray:
        searcher = VectorSearcher(vectors[exemplars])
        table = np.empty((len(queries), len(exemplars)), np.float32)
        found = searcher.nearest_to(vectors[queries], len(exemplars))
        for row, (positions, similarities) in zip(table, found, strict=True):
            row[positions] = similarities
        return table

    return similarity


class DTWSimilarity:
    """Similarity of sequences by time warping, which is computed once for each query and kept.

    Args:
        sequences: The sequence of each of N clips, (1 or 2, S, F).
        exemplars: Which of the clips may be exemplars, (N,).
        how: How sequences are compared.
    """

    def __init__(
        self, sequences: Sequence[FloatArray], exemplars: NDArray[np.bool_], how: SequenceConfig
    ) -> None:
        self._sequences = sequences
        self._gallery = WarpingGallery(
            [sequences[int(position)] for position in np.flatnonzero(exemplars)], how
        )
        self._column = exemplars.cumsum() - 1
        self._rows: dict[int, FloatArray] = {}
        self._mirrored_rows: dict[int, FloatArray] = {}

    def __call__(self, queries: NDArray[np.intp], exemplars: NDArray[np.intp]) -> FloatArray:
        """See `Similarity`."""
        compare = self._gallery.similarities
        return self._table(queries, exemplars, self._rows, compare)

    def mirrored(self, queries: NDArray[np.intp], exemplars: NDArray[np.intp]) -> FloatArray:
        """The same for the mirror images of the queries."""
        compare = self._gallery.mirrored_similarities
        return self._table(queries, exemplars, self._mirrored_rows, compare)

    def _table(
        self,
        queries: NDArray[np.intp],
        exemplars: NDArray[np.intp],
        rows: dict[int, FloatArray],
        compare: Callable[[FloatArray], FloatArray],
    ) -> FloatArray:
        for query in queries.tolist():
            if query not in rows:
                rows[query] = compare(self._sequences[query])
        return np.stack([rows[query][self._column[exemplars]] for query in queries.tolist()])


class JointSimilarity:
    """Similarity of sequences, joined with the cosine of vectors.

    Args:
        sequences: That of the sequences of N clips.
        cosine: That of their vectors.
        how: How much vectors count.
    """

    def __init__(self, sequences: DTWSimilarity, cosine: Similarity, how: SequenceConfig) -> None:
        self._sequences, self._cosine, self._how = sequences, cosine, how
        self.mirrored = sequences.mirrored

    def __call__(self, queries: NDArray[np.intp], exemplars: NDArray[np.intp]) -> FloatArray:
        """See `Similarity`."""
        warped = self._sequences(queries, exemplars)
        return join(warped, self._cosine(queries, exemplars), self._how)


def similarity_of(
    clip_features: Sequence[Features], exemplars: NDArray[np.bool_], how: SequenceConfig | None
) -> Similarity:
    """Similarity of N clips as their model compares them.

    Args:
        clip_features: Features of the clips, from `Encoder.encode`.
        exemplars: Which of the clips may be exemplars, (N,).
        how: How the model compares sequences; None if it compares vectors.
    """
    if how is None:
        return cosine_of(vectors_of(clip_features))
    warped = DTWSimilarity(sequences_of(clip_features), exemplars, how)
    if not how.vector_weight:
        return warped
    return JointSimilarity(warped, cosine_of(vectors_of(clip_features)), how)


def between(
    queries: Sequence[Features],
    exemplars: Sequence[Features],
    how: SequenceConfig | None,
    *,
    progress: Callable[[], None] | None = None,
) -> FloatArray:
    """Similarity of Q clips to E exemplars, as their model compares them, (Q, E).

    Args:
        queries: Features of the clips, from `Encoder.encode`.
        exemplars: Features of the exemplars.
        how: How the model compares sequences; None if it compares vectors.
        progress: Called after each clip whose sequence was compared.
    """
    if not queries or not exemplars:
        return np.zeros((len(queries), len(exemplars)), np.float32)
    if how is None:
        return _cosines(queries, exemplars)
    gallery = WarpingGallery(sequences_of(exemplars), how)
    warped = _rows(gallery.similarities, sequences_of(queries), progress)
    return join(warped, _cosines(queries, exemplars), how) if how.vector_weight else warped


def between_mirrored(
    queries: Sequence[Features],
    exemplars: Sequence[Features],
    how: SequenceConfig,
    *,
    progress: Callable[[], None] | None = None,
) -> FloatArray:
    """Similarity of the mirror images of Q clips to E exemplars, (Q, E); see `between`."""
    if not queries or not exemplars:
        return np.zeros((len(queries), len(exemplars)), np.float32)
    gallery = WarpingGallery(sequences_of(exemplars), how)
    return _rows(gallery.mirrored_similarities, sequences_of(queries), progress)


def pairwise(
    clip_features: Sequence[Features],
    how: SequenceConfig | None,
    *,
    progress: Callable[[], None] | None = None,
) -> FloatArray:
    """Similarity of every clip to every other, as their model compares them.

    Every pair is compared once, which takes about 20 microseconds for sequences.

    Args:
        clip_features: Features of the clips, from `Encoder.encode`.
        how: How the model compares sequences; None if it compares vectors.
        progress: Called after each clip whose sequence was compared.

    Returns:
        The similarities, (E, E), symmetric, 1 on the diagonal.
    """
    if how is None or not clip_features:
        table = _cosine_table(clip_features)
    else:
        table = _warp_all_pairs(sequences_of(clip_features), how, progress)
        if how.vector_weight:
            table = join(table, _cosine_table(clip_features), how)
    np.fill_diagonal(table, 1.0)
    return table


def _rows(
    compare: Callable[[FloatArray], FloatArray],
    sequences: Sequence[FloatArray],
    progress: Callable[[], None] | None,
) -> FloatArray:
    rows = []
    for sequence in sequences:
        rows.append(compare(sequence))
        if progress is not None:
            progress()
    return np.stack(rows)


def _cosines(queries: Sequence[Features], exemplars: Sequence[Features]) -> FloatArray:
    return np.asarray(unit(vectors_of(queries)) @ unit(vectors_of(exemplars)).T)


def _cosine_table(clip_features: Sequence[Features]) -> FloatArray:
    if not clip_features:
        return np.zeros((0, 0), np.float32)
    unit_vectors = unit(vectors_of(clip_features))
    table = unit_vectors @ unit_vectors.T
    return np.asarray((table + table.T) / 2)


def _warp_all_pairs(
    sequences: Sequence[FloatArray], how: SequenceConfig, progress: Callable[[], None] | None
) -> FloatArray:
    """Compute the lower half, block by block, and copy it to the upper half."""
    size = len(sequences)
    table = np.zeros((size, size), np.float32)
    starts = range(0, size, _BLOCK)
    blocks = [WarpingGallery(sequences[start : start + _BLOCK], how) for start in starts]
    for row, query in enumerate(sequences):
        for start, block in zip(starts, blocks, strict=True):
            if start < row:
                table[row, start : start + block.size] = block.similarities(query)
        if progress is not None:
            progress()
    lower = np.tril(table, -1)
    return np.asarray(lower + lower.T)
