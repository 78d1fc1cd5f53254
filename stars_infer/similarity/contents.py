"""What is compared of the steps of a sequence: parts of it, and the contents of these.

Posture and motion are each divided by their size over the part, because people perform an action
with different amplitudes. What remains is the direction in which everything moves, and when.
"""

from __future__ import annotations

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.similarity.comparison import (
    DEVIATION,
    FIRST,
    LAST,
    MIDDLE,
    MOVING,
    POSTURE,
    STEPS,
    UNTURNED,
    WHOLE,
)

OWN_SHARE = 0.75
"""Share of a step in the two that are made of it where a half is stretched; the rest is that of the
step before or after."""
ABSENT = 1e-3
"""Size of a posture, meters, that no body has; somebody who has left has none."""
POSTURES = (MOVING, DEVIATION, UNTURNED)
"""The contents whose postures a sequence holds, in its order."""
STILL = 0.03
"""Motion of all modes together, meters per step of `STEPS`, below which it is a sensor's noise.
Motion is not scaled up to more than that, lest noise should look like motion."""
STIFF = 0.05
"""The same for the deviation of the posture from its mean, meters."""
MOVING_SHARES = (0.648, 0.252, 0.1)
"""Shares of posture, motion and path of the hips."""
UNTURNED_SHARES = (0.72, 0.28, 0.0)
"""The same of clips as they were recorded."""
WALKING, HEIGHT = 0.05, 0.2
"""Speed of the hips, meters per step of `STEPS`, and change of their height, meters, that count
like a whole posture."""


def part_of(sequences: FloatArray, part: str) -> FloatArray:
    """A part of sequences (N, S, F), one of `stars_infer.similarity.comparison.PARTS`.

    A half is stretched to S steps: each of its steps becomes two, which lie a quarter of the way to
    the step before and after, so that little of it is lost where it is compared with a whole.
    """
    if part == WHOLE:
        return sequences
    steps = sequences.shape[1]
    start = {FIRST: 0, LAST: steps // 2, MIDDLE: steps // 4}[part]
    half = sequences[:, start : start + steps // 2]
    stretched = np.empty_like(sequences)
    stretched[:, ::2] = OWN_SHARE * half + (1 - OWN_SHARE) * half[:, [0, *range(steps // 2 - 1)]]
    stretched[:, 1::2] = OWN_SHARE * half + (1 - OWN_SHARE) * half[:, [*range(1, steps // 2), -1]]
    return stretched


def content_of(sequences: FloatArray, content: str) -> FloatArray:
    """What is compared of parts of sequences.

    Args:
        sequences: Parts of N bodies, (N, S, F).
        content: One of `stars_infer.similarity.comparison.CONTENTS`.

    Returns:
        (N, S, C). The mean square norm of a step is about 1, less for a body that hardly moves.
    """
    pace = STEPS / sequences.shape[1]
    start = POSTURE * POSTURES.index(content)
    posture = sequences[:, :, start : start + POSTURE]
    if content == DEVIATION:
        return _scale(posture - posture.mean(axis=1, keepdims=True), STIFF)
    shares = UNTURNED_SHARES if content == UNTURNED else MOVING_SHARES
    motion = np.gradient(posture, axis=1)
    parts = [shares[0] ** 0.5 * _scale(posture, ABSENT)]
    parts.append(shares[1] ** 0.5 * _scale(motion, STILL * pace))
    if content != UNTURNED:
        parts.append(shares[2] ** 0.5 * _path(sequences[:, :, -3:], WALKING * pace))
    return np.concatenate(parts, axis=2)


def _path(hips: FloatArray, walking: float) -> FloatArray:
    """How fast hips (N, S, 3) move over the floor, and how high they are, (N, S, 2)."""
    speed = np.linalg.norm(np.gradient(hips[:, :, ::2], axis=1), axis=2)
    height = hips[:, :, 1] - hips[:, :, 1].mean(axis=1, keepdims=True)
    return np.asarray(np.stack((np.tanh(speed / walking), np.tanh(height / HEIGHT)), axis=2))


def _scale(steps: FloatArray, least: float) -> FloatArray:
    """Divide each part (N, S, C) by its size, the root mean square norm of a step."""
    size = np.sqrt(np.einsum("nsc,nsc->n", steps, steps) / steps.shape[1])
    return np.asarray(steps / np.maximum(size, least)[:, None, None], np.float32)
