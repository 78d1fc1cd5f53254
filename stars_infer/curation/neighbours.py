"""Of every clip of a set, which others are near and how near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.similarity.dtw import similarities_once
from stars_infer.similarity.features import Description, vectors_of
from stars_infer.similarity.nearest import VectorSearcher, sketch
from stars_infer.similarity.pairwise import pairwise

EXACT = 3000
"""Most clips of which every pair is compared: half a minute of time warping on one core."""
CANDIDATES = 200
"""Others that each is compared with in a larger set: those whose sketch or vector is nearest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbourhood:
    """The others of each of E clips, nearest first, K of them.

    Attributes:
        places: Which they are, (E, K).
        similarities: How alike, (E, K).
        exact: Whether these are all others, compared one by one; else only likely candidates.
    """

    places: NDArray[np.intp]
    similarities: FloatArray
    exact: bool

    @classmethod
    def of_table(cls, table: FloatArray) -> Neighbourhood:
        """From the likeness of all pairs (E, E); the diagonal is not looked at."""
        alone = table.astype(np.float32)
        np.fill_diagonal(alone, -np.inf)
        places = np.argsort(-alone, axis=1, kind="stable")[:, : max(0, len(table) - 1)]
        return cls(
            places=places, similarities=np.take_along_axis(alone, places, axis=1), exact=True
        )


def neighbourhood(
    descriptions: Sequence[Description], *, done: Callable[[], None] | None = None
) -> Neighbourhood:
    """Neighbours of every clip among the others, as the model compares.

    All pairs of up to `EXACT` clips are compared. In a larger set each clip is compared with the
    `CANDIDATES` whose sketch (or vector, where the model compares vectors) is nearest.

    Args:
        descriptions: From `Encoder.describe`, all as questions or none.
        done: Called after each clip, for progress.
    """
    if len(descriptions) <= EXACT:
        return Neighbourhood.of_table(pairwise(descriptions, done=done))
    sequences = [item.sequence for item in descriptions if item.sequence is not None]
    if len(sequences) < len(descriptions):
        return _nearest_vectors(vectors_of(descriptions), done)
    return _nearest_sequences(sequences, done)


def _nearest_vectors(vectors: FloatArray, done: Callable[[], None] | None) -> Neighbourhood:
    searcher = VectorSearcher(vectors)
    rows = []
    for place, vector in enumerate(vectors):
        ((found, near),) = searcher.nearest_to(vector[None], CANDIDATES + 1)
        rows.append(_others(place, found, near))
        if done is not None:
            done()
    return _stacked(rows)


def _nearest_sequences(
    sequences: Sequence[FloatArray], done: Callable[[], None] | None
) -> Neighbourhood:
    sketches = np.stack([sketch(sequence) for sequence in sequences])
    searcher = VectorSearcher(sketches)
    rows = []
    for place, sequence in enumerate(sequences):
        ((found, _),) = searcher.nearest_to(sketches[place][None], CANDIDATES + 1)
        near = similarities_once(sequence, [sequences[int(other)] for other in found])
        rows.append(_others(place, found, near))
        if done is not None:
            done()
    return _stacked(rows)


def _others(
    place: int, found: NDArray[np.intp], near: FloatArray
) -> tuple[NDArray[np.intp], FloatArray]:
    """Found places without the clip itself, nearest first, `CANDIDATES` of them."""
    other = found != place
    found, near = found[other][:CANDIDATES], near[other][:CANDIDATES]
    order = np.argsort(-near, kind="stable")
    return found[order], near[order]


def _stacked(rows: Sequence[tuple[NDArray[np.intp], FloatArray]]) -> Neighbourhood:
    places, similarities = zip(*rows, strict=True)
    return Neighbourhood(places=np.stack(places), similarities=np.stack(similarities), exact=False)
