"""The neighbors of every clip of a set among the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.nearest import Matches, Searcher, SequenceSearcher, VectorSearcher
from stars_infer.similarity.pairwise import pairwise

ALL_PAIRS_LIMIT = 3000
"""Most clips of which every pair is compared: half a minute of time warping on one core."""
NEIGHBORS = 200
"""Clips that each is compared with in a larger set: the nearest by coarse descriptor or vector."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighborhood:
    """The K nearest others of each of E clips, nearest first.

    Attributes:
        positions: Which they are, (E, K).
        similarities: How similar they are, (E, K).
        exact: Whether every pair was compared, so that K is E - 1.
    """

    positions: NDArray[np.intp]
    similarities: FloatArray
    exact: bool

    @classmethod
    def of_table(cls, table: FloatArray) -> Neighborhood:
        """From the similarity of all pairs (E, E); the diagonal does not count."""
        alone = table.astype(np.float32)
        np.fill_diagonal(alone, -np.inf)
        positions = np.argsort(-alone, axis=1, kind="stable")[:, : max(0, len(table) - 1)]
        return cls(
            positions=positions,
            similarities=np.take_along_axis(alone, positions, axis=1),
            exact=True,
        )


def neighborhood(
    clip_features: Sequence[Features],
    how: SequenceConfig | None,
    *,
    progress: Callable[[], None] | None = None,
) -> Neighborhood:
    """Find the neighbors of every clip among the others, as the model compares.

    Every pair of up to `ALL_PAIRS_LIMIT` clips is compared. In a larger set each clip is compared
    with the `NEIGHBORS` whose coarse descriptor (or vector, where the model compares vectors) is
    nearest.

    Args:
        clip_features: From `Encoder.encode`.
        how: How the model compares sequences; None if it compares vectors.
        progress: Called after each clip.
    """
    if len(clip_features) <= ALL_PAIRS_LIMIT:
        return Neighborhood.of_table(pairwise(clip_features, how, progress=progress))
    searcher: Searcher
    if how is None:
        searcher = VectorSearcher(vectors_of(clip_features))
    else:
        searcher = SequenceSearcher(clip_features, how, exhaustive_limit=0, shortlist=NEIGHBORS + 1)
    rows = []
    for position, item in enumerate(clip_features):
        (matches,) = searcher.nearest([item], NEIGHBORS + 1)
        rows.append(_without(position, matches))
        if progress is not None:
            progress()
    positions, similarities = zip(*rows, strict=True)
    return Neighborhood(
        positions=np.stack(positions), similarities=np.stack(similarities), exact=False
    )


def _without(position: int, matches: Matches) -> Matches:
    """Without the clip itself; the last one where it is not among them."""
    positions, similarities = matches
    others = positions != position
    return positions[others][:NEIGHBORS], similarities[others][:NEIGHBORS]
