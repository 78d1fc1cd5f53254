"""Joints between frames: linear interpolation in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray

_GOLDEN = (5**0.5 - 1) / 2
"""Its multiples, modulo 1, spread more evenly than those of any other number."""


def moments(frames: int, samplings: int = 1) -> NDArray[np.float64]:
    """When frames are taken, in frames of the result, (samplings * frames,), one sampling each.

    A single sampling takes the middle of each frame's part of the clip. Several are uniform
    samplings: each takes one moment of every part, another in each part, and all together cover
    every part evenly. Nothing is drawn, so that a clip always has the same vector.
    """
    steps = np.arange(frames, dtype=np.float64)
    if samplings == 1:
        return steps + 0.5
    within = (np.arange(samplings)[:, None] + 0.5) / samplings + steps * _GOLDEN
    return np.asarray((steps + within % 1).ravel())


def resize(joints: FloatArray, frames: int, *, samplings: int = 1) -> FloatArray:
    """Resample (M, T, V, 3) to so many frames: linear, half-pixel centers, edges clamped.

    Several samplings follow each other, (M, samplings * frames, V, 3).
    """
    length = joints.shape[1]
    return at_positions(joints, moments(frames, samplings) * (length / frames) - 0.5)


def at_positions(joints: FloatArray, position: NDArray[np.float64]) -> FloatArray:
    """Joints (M, T, V, 3) at fractional frames (T',), linear between frames, held at the ends."""
    last = joints.shape[1] - 1
    position = position.clip(0, last)
    before = np.floor(position).astype(np.intp)
    after = np.minimum(before + 1, last)
    weight = (position - before).astype(np.float32)[:, None, None]
    return np.asarray(joints[:, before] * (1 - weight) + joints[:, after] * weight)
