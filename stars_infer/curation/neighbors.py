"""Of every clip of a set, which others are near and how near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.similarity.dtw import similarities_once
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.nearest import VectorSearcher, coarse_descriptor
from stars_infer.similarity.pairwise import pairwise

EXACT = 3000
"""Most clips of which every pair is compared: half a minute of time warping on one core."""
CANDIDATES = 200
"""Clips that each is compared with in a larger set: the nearest by coarse descriptor or vector."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighborhood:
    """The others of each of E clips, nearest first, K of them.

    Attributes:
        positions: Which they are, (E, K).
        similarities: How alike, (E, K).
        exact: Whether these are all others, compared one by one; else only likely candidates.
    """

    positions: NDArray[np.intp]
    similarities: FloatArray
    exact: bool

    @classmethod
    def of_table(cls, table: FloatArray) -> Neighborhood:
        """From the similarity of all pairs (E, E); the diagonal is not looked at."""
        alone = table.astype(np.float32)
        np.fill_diagonal(alone, -np.inf)
        positions = np.argsort(-alone, axis=1, kind="stable")[:, : max(0, len(table) - 1)]
        return cls(
            positions=positions,
            similarities=np.take_along_axis(alone, positions, axis=1),
            exact=True,
        )


def neighborhood(
    clip_features: Sequence[Features], *, progress: Callable[[], None] | None = None
) -> Neighborhood:
    """Neighbors of every clip among the others, as the model compares.

    All pairs of up to `EXACT` clips are compared. In a larger set each clip is compared with the
    `CANDIDATES` whose coarse descriptor (or vector, where the model compares vectors) is nearest.

    Args:
        clip_features: From `Encoder.encode`, all as questions or none.
        progress: Called after each clip, for progress.
    """
    if len(clip_features) <= EXACT:
        return Neighborhood.of_table(pairwise(clip_features, progress=progress))
    sequences = [item.sequence for item in clip_features if item.sequence is not None]
    if len(sequences) < len(clip_features):
        return _nearest_vectors(vectors_of(clip_features), progress)
    return _nearest_sequences(sequences, progress)


def _nearest_vectors(vectors: FloatArray, progress: Callable[[], None] | None) -> Neighborhood:
    searcher = VectorSearcher(vectors)
    rows = []
    for position, vector in enumerate(vectors):
        ((found, near),) = searcher.nearest_to(vector[None], CANDIDATES + 1)
        rows.append(_others(position, found, near))
        if progress is not None:
            progress()
    return _stacked(rows)


def _nearest_sequences(
    sequences: Sequence[FloatArray], progress: Callable[[], None] | None
) -> Neighborhood:
    coarse_descriptors = np.stack([coarse_descriptor(sequence) for sequence in sequences])
    searcher = VectorSearcher(coarse_descriptors)
    rows = []
    for position, sequence in enumerate(sequences):
        ((found, _),) = searcher.nearest_to(coarse_descriptors[position][None], CANDIDATES + 1)
        near = similarities_once(sequence, [sequences[int(other)] for other in found])
        rows.append(_others(position, found, near))
        if progress is not None:
            progress()
    return _stacked(rows)


def _others(
    position: int, found: NDArray[np.intp], near: FloatArray
) -> tuple[NDArray[np.intp], FloatArray]:
    """Found places without the clip itself, nearest first, `CANDIDATES` of them."""
    other = found != position
    found, near = found[other][:CANDIDATES], near[other][:CANDIDATES]
    order = np.argsort(-near, kind="stable")
    return found[order], near[order]


def _stacked(rows: Sequence[tuple[NDArray[np.intp], FloatArray]]) -> Neighborhood:
    positions, similarities = zip(*rows, strict=True)
    return Neighborhood(
        positions=np.stack(positions), similarities=np.stack(similarities), exact=False
    )
