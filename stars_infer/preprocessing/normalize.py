"""Remove what differs between two people who do the same: facing, proportions and pace.

These steps of preprocessing are optional; the `model.json` of a model names those that it needs.
`train/views/normalize.py` does the same to batches on a device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.layouts import NTU25_PARENTS
from stars_infer.layouts.bones import STANDARD_LENGTHS
from stars_infer.preprocessing.resample import at_positions, moments, resize

SIDES = ((4, 8), (12, 16))
"""Left and right shoulder, left and right hip, in NTU-25 order."""
HIPS, SHOULDERS = 0, 20
KNEES, ANKLES = (13, 17), (14, 18)
"""Base of the spine, spine at the shoulders, left and right knee and ankle, in NTU-25 order."""
MOST_TILT = np.deg2rad(60)
"""Somebody who is tilted farther lies, which is part of the action."""
LEANING, TILTED = np.deg2rad(15), np.deg2rad(25)
"""People lean by up to the first on average over a clip; a larger tilt is that of a camera."""
STRETCH = (1 / 3, 3.0)
"""Smallest and largest ratio by which a bone is stretched; a joint on its parent stays there."""
PACE_FRAMES = 128
"""Number of frames to which a clip is resampled before its pace is measured."""
PACE_SMOOTHING = 2.0
"""Standard deviation, in these frames, of the smoothing that keeps sensor noise from counting as
motion."""


def chain_matrix() -> FloatArray:
    """Make the matrix (25, 25) of the bones, by their end joints, that lead to each joint."""
    chain = np.zeros((len(NTU25_PARENTS),) * 2, np.float32)
    for joint in range(len(NTU25_PARENTS)):
        at = joint
        while at != NTU25_PARENTS[at]:
            chain[joint, at] = 1
            at = NTU25_PARENTS[at]
    return chain


CHAIN = chain_matrix()
FROM_ROOT = tuple(
    (int(joint), NTU25_PARENTS[joint]) for joint in np.argsort(CHAIN.sum(axis=1), kind="stable")[1:]
)
"""Every joint except the base of the spine, with its parent; parents come first."""


def face_camera(actors: FloatArray) -> FloatArray:
    """Turn actors (M, T, 25, 3) about y so that actor 1, on average over the clip, faces -z.

    The right side of the body then points to +x, as for a person who looks into a Kinect. If actor
    1 is never seen, nothing is turned.
    """
    seen = actors[0][actors[0].any(axis=(1, 2))]
    across = sum(seen[:, right] - seen[:, left] for left, right in SIDES).sum(axis=0)
    angle = np.arctan2(across[2], across[0])
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], np.float32)
    return actors @ turn.T


def stand_upright(actors: FloatArray) -> FloatArray:
    """Turn actors (M, T, 25, 3) so that actor 1, on average over the clip, is upright along y.

    This takes out the tilt of a camera, and that of a person who leans. Of somebody who stands, the
    line from the ankles to the shoulders is upright; of somebody who sits, the trunk and the shanks
    are. If that is farther from y than `MOST_TILT`, nothing is turned.
    """
    return _turn_upright(actors, lambda tilt: 1.0)


def level(actors: FloatArray) -> FloatArray:
    """Turn actors (M, T, 25, 3) upright if a camera was tilted, and let them lean if they do.

    Up to `LEANING`, a tilt stays, because it may be how somebody stands; from `TILTED` on, it is
    taken out as by `stand_upright`; in between, a growing share of it is.
    """
    return _turn_upright(
        actors, lambda tilt: float(np.clip((tilt - LEANING) / (TILTED - LEANING), 0, 1))
    )


def _turn_upright(actors: FloatArray, share: Callable[[float], float]) -> FloatArray:
    """Take out a share of the tilt of actors (M, T, 25, 3), which depends on the tilt, radians."""
    seen = actors[0][actors[0].any(axis=(1, 2))]
    if not len(seen):
        return actors
    up = _upward(seen)
    across = np.cross(up, (0.0, 1.0, 0.0))
    length = float(np.linalg.norm(across))
    tilt = float(np.arctan2(length, up[1]))
    angle = tilt * share(tilt)
    if length < 1e-6 or tilt > MOST_TILT or not angle:
        return actors
    x, y, z = across / length
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    # Rodrigues' formula.
    turn = np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew
    return np.asarray(actors @ turn.T.astype(np.float32))


def _upward(joints: FloatArray) -> NDArray[np.float64]:
    """The direction (3,) in which a body (T, 25, 3) is upright."""
    knees, ankles = (joints[:, pair].mean(axis=1) for pair in (KNEES, ANKLES))
    hips, shoulders = joints[:, HIPS], joints[:, SHOULDERS]
    trunk, shanks = _mean_direction(shoulders - hips), _mean_direction(knees - ankles)
    thighs, whole = _mean_direction(hips - knees), _mean_direction(shoulders - ankles)
    standing = max(0.0, float(thighs @ trunk)) ** 2
    return _unit(standing * whole + (1 - standing) * _unit(trunk + shanks))


def _mean_direction(bones: FloatArray) -> NDArray[np.float64]:
    lengths = np.linalg.norm(bones, axis=1, keepdims=True)
    return _unit((bones / np.maximum(lengths, 1e-6)).mean(axis=0))


def _unit(vector: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float64)


def standard_body(actors: FloatArray) -> FloatArray:
    """Give actors (M, T, 25, 3) the bone lengths of a standard body.

    Each bone is stretched by one ratio over the whole clip: standard length over the lower median
    of its lengths. The base of the spine keeps its path, and bones keep their directions.
    """
    bones = actors - actors[:, :, NTU25_PARENTS]
    present = np.asarray(actors.any(axis=(2, 3)))
    lengths = np.linalg.norm(bones, axis=3)
    stretch = np.ones((len(actors), 1, len(NTU25_PARENTS), 1), np.float32)
    for actor, seen in enumerate(present):
        if seen.any():
            median = np.sort(lengths[actor, seen], axis=0)[(seen.sum() - 1) // 2]
            ratio = STANDARD_LENGTHS / np.maximum(median, 1e-6)
            stretch[actor, 0, :, 0] = np.clip(ratio, *STRETCH)
    bones *= stretch
    joints = np.zeros_like(actors)
    for joint, parent in FROM_ROOT:
        np.add(joints[:, :, parent], bones[:, :, joint], out=joints[:, :, joint])
    return np.where(present[:, :, None, None], joints + actors[:, :, :1], np.float32(0))


def even_pace(actors: FloatArray, frames: int, share: float, *, samplings: int = 1) -> FloatArray:
    """Resample actors (M, T, 25, 3) so that all frames stand for the same amount of motion.

    The frames of the result are evenly spaced in a mix of motion, weighted by `share`, and of time,
    weighted by the rest. Motion is the length of the path of all joints together, in the space of
    their positions relative to the base of the spine. Pauses shrink, and fast movements stretch.

    Args:
        actors: Actors, whose motion is added up.
        frames: Number of frames T' of the result.
        share: From 0 (even in time) to 1 (even in motion).
        samplings: Number of samplings, as in `stars_infer.preprocessing.resample.moments`.

    Returns:
        (M, samplings * frames, 25, 3).
    """
    fine = resize(actors, PACE_FRAMES)
    return at_positions(fine, pace_moments(fine, frames, share, samplings=samplings))


def pace_moments(
    fine: FloatArray, frames: int, share: float, *, samplings: int = 1
) -> NDArray[np.float64]:
    """The fractional frames (samplings * frames,) that `even_pace` takes of `PACE_FRAMES` ones."""
    smooth = _smooth(fine - fine[:, :, :1])
    steps = np.linalg.norm(np.diff(smooth, axis=1), axis=(2, 3)).sum(axis=0)
    pace = share * steps / max(float(steps.mean()), 1e-9) + (1 - share)
    path = np.concatenate(([0.0], np.cumsum(pace)))
    wanted = moments(frames, samplings) / frames * path[-1]
    return np.asarray(np.interp(wanted, path, np.arange(PACE_FRAMES)), np.float64)


def smoothing_kernel() -> NDArray[np.float64]:
    """Make a Gaussian of `PACE_SMOOTHING` frames, cut off at three standard deviations."""
    reach = int(np.ceil(3 * PACE_SMOOTHING))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / PACE_SMOOTHING) ** 2)
    return np.asarray(kernel / kernel.sum())


def _smooth(joints: FloatArray) -> FloatArray:
    """Smooth (M, T, V, 3) in time, with the first and the last frame repeated at the ends."""
    kernel = smoothing_kernel().astype(np.float32)
    reach = len(kernel) // 2
    frames = joints.shape[1]
    held = joints.take(np.arange(-reach, frames + reach), axis=1, mode="clip")
    smooth = kernel[reach] * joints
    for step in range(1, reach + 1):
        before, after = reach - step, reach + step
        both = held[:, before : before + frames] + held[:, after : after + frames]
        both *= kernel[reach + step]
        smooth += both
    return np.asarray(smooth)
