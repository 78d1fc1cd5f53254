"""What needs no learning: joints seen from the hip, resampled.

They are compared as they are, or warped; or a ridge names them by features of each clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from feature_ridge import FeatureRidge, inner_products
from methods import Method
from numpy.typing import NDArray
from sets import EvaluationSet

from stars_infer.classification.classifiers import Ridge
from stars_infer.clips.clip import Clip
from stars_infer.errors import MissingExtraError
from stars_infer.preprocessing.prepare import Preprocessing, prepare
from stars_infer.similarity.modes import JOINTS as BUT_THE_HIPS
from stars_infer.similarity.pairwise import Similarity, cosine_of

JOINTS = (0, *BUT_THE_HIPS)
"""Those 20 that every layout has."""

PLAIN = Preprocessing(frames=30, crop=1.0)
"""Resampled joints, nothing else; 20 or 60 frames change no accuracy of comparisons by more than a
point. With 60, MiniRocket gains one to three points on most sets and loses four on IRDS."""

SPEEDS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, np.inf)
"""Edges of the histogram of speeds, meters per second."""

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

    def by_statistics(data: EvaluationSet) -> Similarity:
        return inner_products(statistics(data.clips))

    def by_convolutions(data: EvaluationSet) -> Similarity:
        return inner_products(minirocket(scaled(joints(data.clips)), data.exemplar))

    yield Method(
        name="no learning: mean, deviation and speeds of joints, linear ridge",
        similarity=by_statistics,
        classifier=lambda n: FeatureRidge(),
    )
    yield Method(name="no learning: cosine of resampled joints", similarity=cosine)
    yield Method(name="no learning: dynamic time warping of them", similarity=warped)
    best = Method(
        name="no learning: the same, less the mean posture", similarity=centered_and_warped
    )
    yield best
    yield replace(best, name=f"{best.name}, ridge", classifier=lambda n: Ridge())
    yield Method(
        name="no learning: MiniRocket, linear ridge",
        similarity=by_convolutions,
        classifier=lambda n: FeatureRidge(),
    )


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


def statistics(clips: list[Clip]) -> Series:
    """What is left of clips without the order of their frames, (N, bodies * 20 * 12).

    Of each joint: the mean and standard deviation of its place, the clip scaled to length one, and
    how often it moves at which speed.
    """
    places = joints(clips)
    seconds = np.array([(clip.frames - 1) / clip.fps for clip in clips])
    rate = (PLAIN.frames - 1) / np.maximum(seconds, 1e-3)
    steps = np.diff(places.reshape(len(clips), PLAIN.frames, -1, 3), axis=1)
    speeds = np.linalg.norm(steps, axis=3) * rate[:, None, None]
    bins = np.digitize(speeds, SPEEDS[1:-1])
    shares = [(bins == number).mean(axis=1) for number in range(len(SPEEDS) - 1)]
    body = scaled(places)
    return np.concatenate([body.mean(axis=1), body.std(axis=1), *shares], axis=1)


def minirocket(series: Series, exemplar: NDArray[np.bool_]) -> Series:
    """Features of MiniRocket, (N, 9996): how often each of its random convolutions exceeds a bias.

    The biases are quantiles of the convolutions of some of the possible exemplars. They are chosen
    once for a set, without labels, and not anew for each draw of exemplars. Another seed moves
    accuracies by a point or two, on MSR-Action3D and HDM05 by four, on IRDS by nine. See Dempster,
    Schmidt and Webb, "MiniRocket", 2021.

    Args:
        series: Of all clips, (N, T, F).
        exemplar: Who may be exemplar, (N,).

    Raises:
        MissingExtraError: If aeon is not installed.
    """
    try:
        from aeon.transformations.collection.convolution_based import MiniRocket
    except ImportError as error:
        raise MissingExtraError("the MiniRocket baseline", "bench", "aeon") from error
    channels = series.swapaxes(1, 2)
    transform = MiniRocket(random_state=0).fit(channels[exemplar])
    return np.asarray(transform.transform(channels), np.float64)


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
