"""Resample clips in time by linear interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray

_GOLDEN = (5**0.5 - 1) / 2
"""The golden ratio, less 1: no other number has multiples that spread as evenly modulo 1."""


def moments(frames: int, samplings: int = 1) -> NDArray[np.float64]:
    """Choose the moments of the clip that become frames, in frames of the result.

    The clip is cut into as many equal parts as the result has frames. A single sampling takes the
    middle of each part. Of several uniform samplings, each takes one moment of every part, and
    together they cover every part evenly. Nothing is random, so that a clip always has the same
    vector.

    Returns:
        Moments (samplings * frames,), one sampling after the other.
    """
    steps = np.arange(frames, dtype=np.float64)
    if samplings == 1:
        return steps + 0.5
    within = (np.arange(samplings)[:, None] + 0.5) / samplings + steps * _GOLDEN
    return np.asarray((steps + within % 1).ravel())


def resize(joints: FloatArray, frames: int, *, samplings: int = 1) -> FloatArray:
    """Resample (M, T, V, 3) to `frames`, linearly, with half-pixel centers and clamped edges.

    Several samplings follow each other, (M, samplings * frames, V, 3).
    """
    length = joints.shape[1]
    return at_positions(joints, moments(frames, samplings) * (length / frames) - 0.5)


def at_positions(joints: FloatArray, position: NDArray[np.float64]) -> FloatArray:
    """Interpolate joints (M, T, V, 3) at fractional frames (T',), clamped to the first and last."""
    last = joints.shape[1] - 1
    position = position.clip(0, last)
    before = np.floor(position).astype(np.intp)
    after = np.minimum(before + 1, last)
    weight = (position - before).astype(np.float32)[:, None, None]
    return np.asarray(joints[:, before] * (1 - weight) + joints[:, after] * weight)
