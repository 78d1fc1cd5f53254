"""Similarity by one kernel of half as many steps, in a thirtieth of the time that all kernels take.

It is good enough to tell which of a few hundred clips may be nearest to another one, and how much
those that are nearest resemble each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.machine import single_threaded
from stars_infer.similarity.comparison import MOVING, POSTURE, SequenceConfig
from stars_infer.similarity.contents import content_of
from stars_infer.similarity.dtw import FREE_SHARE, warping_distances
from stars_infer.similarity.features import Features, sequences_of, unit, vectors_of
from stars_infer.similarity.joint import join, join_with_query
from stars_infer.similarity.nearest import unit_vectors_of

LESS = 0.87
"""All kernels find clips that are near each other so much less dissimilar than this one does: the
median of 350 clips and the 80 nearest to each."""
SHARED = 0.4
"""So much of what one kernel lacks between a clip and an exemplar counts where that exemplar is
compared with others; with 0.35 to 0.5 clips are named equally well."""
_COMPARED = np.r_[:POSTURE, -3:0]
"""What `MOVING` takes of the numbers of a step: the first of the postures, and the hips."""
_BLOCK = 16
"""Clips that are compared with all at once: with more, their costs leave the cache."""


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
        warped = _warp(asked.steps, bodies.steps, how).reshape(len(asked.steps), -1)
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
            warped = _warp_all_pairs(bodies.steps, how)
            table = _best_pairing(warped, bodies, bodies)
            if how.vector_weight:
                table = join(table, _cosines(clip_features), how)
    np.fill_diagonal(table, 1.0)
    return table


def rough_among(
    asked: Sequence[Features],
    exemplars: Sequence[Features],
    similar: FloatArray,
    how: SequenceConfig | None,
) -> FloatArray:
    """Similarity of the exemplars nearest to a clip to each other, (E, E), by what is known of it.

    What one kernel does not see in an exemplar, it does not see wherever that is compared. So where
    all kernels find a clip nearer to an exemplar, or less near, that exemplar is taken to be so to
    the others.

    Args:
        asked: The clip, and its other views.
        exemplars: Those near it.
        similar: How similar they are to it, by all kernels, (E,).
        how: As in `rough_pairwise`.
    """
    table = rough_pairwise([*asked, *exemplars], how)
    seen, among = table[: len(asked), len(asked) :], table[len(asked) :, len(asked) :]
    lacking = SHARED * (similar - seen.max(axis=0))
    among = np.minimum(among + lacking[:, None] + lacking, 1)
    np.fill_diagonal(among, 1.0)
    return np.asarray(among, np.float32)


class _Bodies:
    """What is compared of the bodies of some clips, (B, S / 2, C), and which are those of each."""

    def __init__(self, sequences: Sequence[FloatArray]) -> None:
        compared = np.concatenate(sequences)[:, :, _COMPARED].astype(np.float32)
        halved = np.asarray((compared[:, ::2] + compared[:, 1::2]) / 2, np.float32)
        self.steps = content_of(halved, MOVING)
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


def _warp_all_pairs(bodies: FloatArray, how: SequenceConfig) -> FloatArray:
    """Similarity of bodies (B, S, C) to each other, (B, B), symmetric."""
    count = len(bodies)
    warped = np.empty((count, count), np.float32)
    for start in range(0, count, _BLOCK):
        some = bodies[start : start + _BLOCK]
        rows = _warp(some, bodies[start:], how).reshape(len(some), -1)
        warped[start : start + _BLOCK, start:] = rows
        warped[start:, start : start + _BLOCK] = rows.T
    return np.asarray(np.maximum(warped, warped.T))


def _warp(one: FloatArray, other: FloatArray, how: SequenceConfig) -> FloatArray:
    """Similarity of bodies (A, S, C) to others (B, S, C), pair by pair, (A B,).

    Args:
        one: What is compared of some.
        other: The same of the others.
        how: How their model compares sequences.
    """
    steps, ones = one.shape[1], np.ones((*other.shape[:2], 1), np.float32)
    rows = np.concatenate((-2 * one, _squares(one), np.ones_like(one[:, :, :1])), axis=2)
    columns = np.concatenate((other, ones, _squares(other)), axis=2)
    costs = np.matmul(rows.transpose(1, 0, 2)[:, None], columns.transpose(1, 2, 0))
    distances = warping_distances(costs.reshape(steps, steps, -1), free=steps // FREE_SHARE)
    dissimilar = distances / (2 * steps * how.mirror.width)
    return np.asarray(1 - LESS * how.kernel_width * dissimilar)


def _squares(steps: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("nsc,nsc->ns", steps, steps)[:, :, None])


def _cosines(clip_features: Sequence[Features]) -> FloatArray:
    unit_vectors = unit(vectors_of(clip_features))
    return np.asarray(unit_vectors @ unit_vectors.T)
