"""Joints that move together: a posture in 8 points instead of 19.

The joints of a body hang together, so most of what a posture says lies in few weighted sums of
joints: both arms raised, one arm before the other, knees bent. The weights here are the first eight
principal components of postures and motions (72 and 28 % of the weight) of CMU Motion Capture and
of HDM05's actors bd, bk and dg, over joints relative to the base of the spine; x, y and z share
them. They hold 98.9 % of the variance. Similarity of clips is as good as with all joints, and takes
less than half of the time (docs/quality.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray

JOINTS = (1, 20, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
"""NTU-25 joints that are compared, those that a Kinect v1 sees, too, less the base of the spine:
three of the trunk, then four of the left arm, the right arm, the left leg and the right leg."""

_TRUNK = (
    (-0.126, -0.25, -0.337),
    (-0.002, 0.024, 0.081),
    (0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0),
    (0.142, 0.343, 0.481),
    (0.0, 0.0, 0.0),
    (-0.052, -0.079, 0.079),
    (0.011, -0.098, -0.234),
)
_ARM = (
    (-0.249, -0.165, -0.16, -0.161),
    (0.024, 0.148, 0.381, 0.444),
    (0.167, 0.312, 0.395, 0.418),
    (0.028, -0.027, -0.144, -0.174),
    (0.339, 0.021, -0.169, -0.215),
    (-0.333, -0.468, 0.149, 0.317),
    (-0.079, -0.375, -0.005, 0.107),
    (-0.097, 0.527, -0.016, -0.182),
)
_LEG = (
    (-0.006, 0.161, 0.334, 0.355),
    (0.004, 0.199, 0.191, 0.236),
    (0.069, 0.104, 0.112, 0.126),
    (0.028, 0.273, 0.419, 0.444),
    (0.015, 0.258, 0.158, 0.184),
    (-0.127, -0.076, 0.12, 0.107),
    (-0.017, 0.488, -0.271, -0.151),
    (0.001, 0.35, -0.092, -0.128),
)
SIDES: NDArray[np.float32] = np.array([1, 1, -1, -1, 1, -1, 1, 1], np.float32)
"""1 for a mode in which left and right move alike, -1 for one in which they move against each
other; in the mirror image the latter change their sign."""


def _modes() -> FloatArray:
    trunk, arm, leg = (np.array(part, np.float32) for part in (_TRUNK, _ARM, _LEG))
    sides = SIDES[:, None]
    return np.concatenate((trunk, arm, sides * arm, leg, sides * leg), axis=1)


MODES: FloatArray = _modes()
"""Weight of each joint in each mode, (8, 19)."""
MODE_COUNT = len(MODES)
