"""Joints between frames: linear interpolation in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.clip import FloatArray


def resize(joints: FloatArray, frames: int) -> FloatArray:
    """Resample (M, T, V, 3) to so many frames: linear, half-pixel centres, edges clamped."""
    length = joints.shape[1]
    position = (np.arange(frames, dtype=np.float64) + 0.5) * (length / frames) - 0.5
    return at_positions(joints, position)


def at_positions(joints: FloatArray, position: NDArray[np.float64]) -> FloatArray:
    """Joints (M, T, V, 3) at fractional frames (T',), linear between frames, held at the ends."""
    last = joints.shape[1] - 1
    position = position.clip(0, last)
    before = np.floor(position).astype(np.intp)
    after = np.minimum(before + 1, last)
    weight = (position - before).astype(np.float32)[:, None, None]
    return np.asarray(joints[:, before] * (1 - weight) + joints[:, after] * weight)
