"""Similarity by one kernel of half as many steps, in a thirtieth of the time that all kernels take.

It is good enough to tell which of a few hundred clips may be nearest to another one, and how much
those that are nearest resemble each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.machine import single_threaded
from stars_infer.similarity.comparison import MOVING, SequenceConfig
from stars_infer.similarity.contents import content_of
from stars_infer.similarity.dtw import FREE_SHARE, warping_distances
from stars_infer.similarity.features import Features, sequences_of, unit, vectors_of
from stars_infer.similarity.joint import join, join_with_query
from stars_infer.similarity.nearest import unit_vectors_of


def rough_similarities(
    query: Features, exemplars: Sequence[Features], how: SequenceConfig
) -> FloatArray:
    """Similarity of a clip to some hundred others, (E,).

    Args:
        query: The clip, with its sequence; from `Encoder.encode`.
        exemplars: The others.
        how: How their model compares sequences.
    """
    asked, bodies = (_Bodies(some) for some in (sequences_of([query]), sequences_of(exemplars)))
    with single_threaded():
        every = np.indices((len(asked.steps), len(bodies.steps))).reshape(2, -1)
        warped = _warp(asked.steps, bodies.steps, *every, how).reshape(len(asked.steps), -1)
        similar = _best_pairing(warped, asked, bodies)[0]
        return join_with_query(similar, query, unit_vectors_of(exemplars, how), how)


def rough_pairwise(clip_features: Sequence[Features], how: SequenceConfig | None) -> FloatArray:
    """Similarity of some dozens of clips to each other, (E, E), symmetric, 1 on the diagonal.

    Args:
        clip_features: The clips.
        how: As in `rough_similarities`; None if their model compares vectors.
    """
    if not clip_features:
        return np.zeros((0, 0), np.float32)
    with single_threaded():
        if how is None:
            table = _cosines(clip_features)
        else:
            bodies = _Bodies(sequences_of(clip_features))
            row, column = np.triu_indices(len(bodies.steps))
            warped = np.empty((len(bodies.steps),) * 2, np.float32)
            warped[row, column] = _warp(bodies.steps, bodies.steps, row, column, how)
            warped[column, row] = warped[row, column]
            table = _best_pairing(warped, bodies, bodies)
            if how.vector_weight:
                table = join(table, _cosines(clip_features), how)
    np.fill_diagonal(table, 1.0)
    return table


class _Bodies:
    """The bodies of some clips one after the other, (B, S, F), and which are those of each."""

    def __init__(self, sequences: Sequence[FloatArray]) -> None:
        self.steps = np.concatenate(sequences).astype(np.float32)
        self.counts = np.array([len(one) for one in sequences])
        self.last = self.counts.cumsum() - 1
        self.first = self.last - self.counts + 1


def _best_pairing(table: FloatArray, clips: _Bodies, others: _Bodies) -> FloatArray:
    """Similarity of clips from that of their bodies; see `WarpingGallery.similarities`."""
    ((straight, crossed), (crossed_too, straight_too)) = (
        [table[np.ix_(one, other)] for other in (others.first, others.last)]
        for one in (clips.first, clips.last)
    )
    paired = np.maximum(straight + straight_too, crossed + crossed_too)
    alone = np.max((straight, straight_too, crossed, crossed_too), axis=0)
    equal = clips.counts[:, None] == others.counts
    return np.asarray(np.where(equal, paired, alone) / 2, np.float32)


def _warp(
    clips: FloatArray,
    others: FloatArray,
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    how: SequenceConfig,
) -> FloatArray:
    """Similarity of bodies of clips (B, S, F), at some rows, to some of others, (P,)."""
    one, other = (
        content_of((some[:, ::2] + some[:, 1::2]) / 2, MOVING) for some in (clips, others)
    )
    steps = one.shape[1]
    # All products at once are faster than pair by pair, though not all of them are needed.
    products = one.reshape(-1, one.shape[2]) @ other.reshape(-1, other.shape[2]).T
    by_pair = products.reshape(len(one), steps, len(other), steps).transpose(0, 2, 1, 3)
    costs = np.ascontiguousarray(by_pair[row, column].transpose(1, 2, 0))
    costs *= -2
    costs += np.einsum("nsc,nsc->sn", one, one)[:, None, row]
    costs += np.einsum("nsc,nsc->sn", other, other)[None, :, column]
    distances = warping_distances(costs, free=steps // FREE_SHARE)
    return np.asarray(1 - how.kernel_width / (2 * steps * how.mirror.width) * distances)


def _cosines(clip_features: Sequence[Features]) -> FloatArray:
    unit_vectors = unit(vectors_of(clip_features))
    return np.asarray(unit_vectors @ unit_vectors.T)
