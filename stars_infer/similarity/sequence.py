"""A clip as a sequence of postures, to be compared by time warping."""

from __future__ import annotations

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.preprocessing.normalize import face_camera, level, stand_upright
from stars_infer.preprocessing.prepare import prepare
from stars_infer.similarity.comparison import POSTURE, SequenceConfig
from stars_infer.similarity.modes import JOINTS, MODES, SIDES

_FLIP = np.array([-1, 1, 1], np.float32)
"""Mirrors x, y and z."""
MIRRORED: FloatArray = np.concatenate([*[np.outer(SIDES, _FLIP).ravel()] * 3, _FLIP])
"""What each number of a step is multiplied by in the mirror image, (F,)."""


def sequence_of(clip: Clip, how: SequenceConfig) -> FloatArray:
    """Prepare a clip and compute its sequence, (M, S, F).

    Args:
        clip: The clip.
        how: How sequences are made.

    Raises:
        ClipError: If fewer than two frames show a body.
    """
    return posture_sequence(prepare(clip, how.preprocessing), how)


def posture_sequence(bodies: FloatArray, how: SequenceConfig) -> FloatArray:
    """Compute the sequence of postures of a prepared clip.

    Args:
        bodies: Joint positions (M, T, 25, 3), meters, from `prepare`, not turned to the camera.
        how: How sequences are made.

    Returns:
        The sequence of each body, (M, S, F), meters. A step holds the modes of the posture when
        actor 1 is upright and faces the camera, when it faces the camera, and as it was recorded,
        and then the position of the hips. Large tilts are taken out of the latter two as well.
    """
    steps = bodies.reshape(len(bodies), how.steps, -1, *bodies.shape[2:]).mean(axis=2)
    upright = face_camera(stand_upright(steps))
    hips = upright[:, :, 0] - upright[:, :1, 0]
    leveled = level(steps)
    parts = (_modes(upright), _modes(face_camera(leveled)), _modes(leveled), hips)
    return np.asarray(np.concatenate(parts, axis=2), np.float32)


def mirror_sequence(sequence: FloatArray) -> FloatArray:
    """The sequence (M, S, F) of the mirror image of a clip."""
    return np.asarray(sequence * MIRRORED, np.float32)


def _modes(steps: FloatArray) -> FloatArray:
    """The modes of postures (M, S, 25, 3), (M, S, 24)."""
    posture = (steps - steps[:, :, :1])[:, :, JOINTS]
    return np.asarray((MODES @ posture).reshape(*steps.shape[:2], POSTURE))
