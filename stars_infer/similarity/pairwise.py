"""How alike clips are: by the cosine of their vectors, or step by step by time warping."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.nearest import unit

_BLOCK = 256
"""Clips that one is warped to at once; smaller blocks waste less of the table's half."""

Similarity = Callable[[NDArray[np.intp], NDArray[np.intp]], FloatArray]
"""Similarities (Q, E) of clips at some places to exemplars at others."""


def cosine_of(vectors: FloatArray) -> Similarity:
    """Cosine of vectors (N, D)."""
    unit_vectors = unit(vectors)
    return lambda queries, exemplars: np.asarray(unit_vectors[queries] @ unit_vectors[exemplars].T)


class DTWSimilarity:
    """Similarity of sequences by time warping; each query is warped once, to all exemplars.

    Args:
        sequences: Of all clips, (1 or 2, S, F) each.
        exemplars: Which of them may be exemplars, (N,).
    """

    def __init__(self, sequences: Sequence[FloatArray], exemplars: NDArray[np.bool_]) -> None:
        self._sequences = sequences
        self._gallery = WarpingGallery(
            [sequences[int(position)] for position in np.flatnonzero(exemplars)]
        )
        self._column = exemplars.cumsum() - 1
        self._rows: dict[int, FloatArray] = {}

    def __call__(self, queries: NDArray[np.intp], exemplars: NDArray[np.intp]) -> FloatArray:
        """See `Similarity`."""
        return np.stack([self._row(int(query))[self._column[exemplars]] for query in queries])

    def _row(self, query: int) -> FloatArray:
        if query not in self._rows:
            self._rows[query] = self._gallery.similarities(self._sequences[query])
        return self._rows[query]


def similarity_of(clip_features: Sequence[Features], exemplars: NDArray[np.bool_]) -> Similarity:
    """Similarity as the model compares: of sequences where it makes them, else of vectors.

    Args:
        clip_features: From `Encoder.encode`.
        exemplars: Which of them may be exemplars, (N,).
    """
    sequences = [item.sequence for item in clip_features if item.sequence is not None]
    if len(sequences) == len(clip_features):
        return DTWSimilarity(sequences, exemplars)
    return cosine_of(vectors_of(clip_features))


def between(
    queries: Sequence[Features],
    exemplars: Sequence[Features],
    *,
    progress: Callable[[], None] | None = None,
) -> FloatArray:
    """Similarity of clips to exemplars, as the model compares, (Q, E).

    Args:
        queries: From `Encoder.encode`.
        exemplars: The same of the exemplars.
        progress: Called after each query, for progress.
    """
    if not queries or not exemplars:
        return np.zeros((len(queries), len(exemplars)), np.float32)
    asked = [item.sequence for item in queries if item.sequence is not None]
    known = [item.sequence for item in exemplars if item.sequence is not None]
    if len(asked) < len(queries) or len(known) < len(exemplars):
        return np.asarray(unit(vectors_of(queries)) @ unit(vectors_of(exemplars)).T)
    gallery = WarpingGallery(known)
    rows = []
    for sequence in asked:
        rows.append(gallery.similarities(sequence))
        if progress is not None:
            progress()
    return np.stack(rows)


def pairwise(
    clip_features: Sequence[Features], *, progress: Callable[[], None] | None = None
) -> FloatArray:
    """Similarity of every clip to every other, as the model compares.

    Every pair is compared once, exactly: about 5 microseconds a pair of sequences.

    Args:
        clip_features: From `Encoder.encode`, all as questions or none.
        progress: Called after each clip, for progress.

    Returns:
        (E, E), symmetric, 1 on the diagonal.
    """
    sequences = [item.sequence for item in clip_features if item.sequence is not None]
    if not clip_features or len(sequences) < len(clip_features):
        table = _cosines(clip_features)
    else:
        table = _warped(sequences, progress)
    np.fill_diagonal(table, 1.0)
    return table


def _cosines(clip_features: Sequence[Features]) -> FloatArray:
    if not clip_features:
        return np.zeros((0, 0), np.float32)
    unit_vectors = unit(vectors_of(clip_features))
    table = unit_vectors @ unit_vectors.T
    return np.asarray((table + table.T) / 2)


def _warped(sequences: Sequence[FloatArray], progress: Callable[[], None] | None) -> FloatArray:
    """The lower half, block by block, and its mirror image."""
    size = len(sequences)
    table = np.zeros((size, size), np.float32)
    starts = range(0, size, _BLOCK)
    blocks = [WarpingGallery(sequences[start : start + _BLOCK]) for start in starts]
    for row, query in enumerate(sequences):
        for start, block in zip(starts, blocks, strict=True):
            if start < row:
                table[row, start : start + block.size] = block.similarities(query)
        if progress is not None:
            progress()
    lower = np.tril(table, -1)
    return np.asarray(lower + lower.T)
