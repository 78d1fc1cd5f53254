"""What needs no learning: joints seen from the hip, resampled; compared as they are, or warped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from methods import Method
from numpy.typing import NDArray
from sets import EvaluationSet

from stars_infer.classification.classifiers import Ridge
from stars_infer.clips.clip import Clip
from stars_infer.errors import MissingExtraError
from stars_infer.preprocessing.prepare import Preprocessing, prepare
from stars_infer.similarity.pairwise import Similarity, cosine_of
from stars_infer.similarity.sequence import JOINTS

PLAIN = Preprocessing(frames=30, crop=1.0)
"""Resampled joints, nothing else; 20 or 60 frames change no accuracy by more than a point."""

Series = NDArray[np.float64]


def baselines() -> Iterator[Method]:
    """Rows without learning, the plainest first."""

    def cosine(data: EvaluationSet) -> Similarity:
        return cosine_of(joints(data.clips).reshape(len(data.clips), -1))

    def warped(data: EvaluationSet) -> Similarity:
        return warping(scaled(joints(data.clips)), "euclidean")

    @cache
    def centered_and_warped(data: EvaluationSet) -> Similarity:
        series = joints(data.clips)
        series -= series.mean(axis=1, keepdims=True)
        return warping(scaled(series), "squared euclidean")

    yield Method(name="no learning: cosine of resampled joints", similarity=cosine)
    yield Method(name="no learning: dynamic time warping of them", similarity=warped)
    best = Method(
        name="no learning: the same, less the mean posture", similarity=centered_and_warped
    )
    yield best
    yield replace(best, name=f"{best.name}, ridge", classifier=lambda n: Ridge())


def joints(clips: list[Clip]) -> Series:
    """Joints of clips relative to the hip in every frame, resampled, (N, 30, bodies * 60), meters.

    The joints are those 20 that every layout has; a body that is missing is zero.
    """
    prepared = [prepare(clip, PLAIN) for clip in clips]
    bodies = max(len(clip) for clip in prepared)
    table = np.zeros((len(clips), PLAIN.frames, bodies, len(JOINTS), 3))
    for row, clip in zip(table, prepared, strict=True):
        row[:, : len(clip)] = (clip - clip[:, :, :1])[:, :, JOINTS].swapaxes(0, 1)
    return table.reshape(len(clips), PLAIN.frames, -1)


def scaled(series: Series) -> Series:
    """Series (N, T, F), each scaled to length one as a whole: bodies differ in size."""
    length = np.linalg.norm(series, axis=(1, 2), keepdims=True)
    return np.asarray(series / np.maximum(length, 1e-12))


def warping(series: Series, cost: str) -> Similarity:
    """Similarity by dynamic time warping, all dimensions together (DTW_D), without a window.

    Args:
        series: Of all clips, (N, T, F).
        cost: Of matching two frames, `euclidean` or `squared euclidean`.

    Raises:
        MissingExtraError: If dtaidistance is not installed.
    """
    try:
        from dtaidistance import dtw_ndim
    except ImportError as error:
        raise MissingExtraError("the time-warping baseline", "bench", "dtaidistance") from error
    distances = dtw_ndim.distance_matrix_fast(list(series), inner_dist=cost)
    table = -np.asarray(distances, np.float32)
    return lambda queries, exemplars: table[np.ix_(queries, exemplars)]
