"""A kinematic body: the 25 joints of NTU RGB+D from the motion of hips, hands and feet.

In the frame of the body, x points to its right, y up and -z ahead, in meters. An arm or a leg is
two bones of constant length, so that elbow and knee follow from the ends by geometry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.layouts import NTU25_INDEX

Positions = NDArray[np.float64]

_SIDES = (("left", -1.0), ("right", 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportions:
    """Lengths of a body, meters."""

    spine: float
    neck: float
    shoulder: float
    """Half the distance between the shoulders."""
    upper_arm: float
    forearm: float
    hand: float
    hip: float
    """Half the distance between the hips."""
    thigh: float
    shin: float
    foot: float

    @classmethod
    def of_height(cls, height: float) -> Proportions:
        """Give an adult of this height, in meters, average proportions."""
        return cls(
            spine=0.29 * height,
            neck=0.12 * height,
            shoulder=0.105 * height,
            upper_arm=0.165 * height,
            forearm=0.15 * height,
            hand=0.05 * height,
            hip=0.05 * height,
            thigh=0.24 * height,
            shin=0.235 * height,
            foot=0.075 * height,
        )

    @property
    def arm(self) -> float:
        """Length from shoulder to wrist, stretched out."""
        return self.upper_arm + self.forearm

    @property
    def leg(self) -> float:
        """Length from hip to ankle, stretched out."""
        return self.thigh + self.shin


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """The motion of the ends of a body, in its own frame.

    Attributes:
        hips: Center of the hips (T, 3) relative to the point on the floor below the start, in leg
            lengths; (0, 1, 0) is standing.
        lean: Angle (T,) by which the trunk leans forward, radians.
        wrists: Left and right wrist (T, 2, 3) relative to their shoulder, in arm lengths.
        ankles: Left and right ankle (T, 2, 3) relative to the point on the floor below their hip at
            the start, in leg lengths.
    """

    hips: Positions
    lean: Positions
    wrists: Positions
    ankles: Positions


def joints_of(motion: Motion, body: Proportions) -> FloatArray:
    """Compute the joints (T, 25, 3) of a body in motion, in its own frame, meters."""
    frames = len(motion.lean)
    joints = np.zeros((frames, len(NTU25_INDEX), 3))
    base = motion.hips * body.leg
    up = np.stack((np.zeros(frames), np.cos(motion.lean), -np.sin(motion.lean)), axis=1)
    shoulders = base + body.spine * up
    joints[:, NTU25_INDEX["base of spine"]] = base
    joints[:, NTU25_INDEX["middle of spine"]] = base + 0.52 * body.spine * up
    joints[:, NTU25_INDEX["spine at shoulders"]] = shoulders
    joints[:, NTU25_INDEX["neck"]] = shoulders + 0.35 * body.neck * up
    joints[:, NTU25_INDEX["head"]] = shoulders + body.neck * up
    for side, (name, sign) in enumerate(_SIDES):
        across = np.array([sign, 0.0, 0.0])
        shoulder = shoulders + body.shoulder * across
        elbow, wrist = _two_bones(
            shoulder,
            shoulder + motion.wrists[:, side] * body.arm,
            body.upper_arm,
            body.forearm,
            bend=np.array([0.6 * sign, -0.6, 0.5]),
        )
        along = _unit(wrist - elbow)
        aside = _across(np.array([-0.7 * sign, 0.6, -0.4]), along)
        hip = base + body.hip * across
        floor = np.array([sign * body.hip, 0.0, 0.0])
        knee, ankle = _two_bones(
            hip,
            floor + motion.ankles[:, side] * body.leg,
            body.thigh,
            body.shin,
            bend=np.array([0.0, 0.0, -1.0]),
        )
        for joint, position in {
            f"{name} shoulder": shoulder,
            f"{name} elbow": elbow,
            f"{name} wrist": wrist,
            f"{name} hand": wrist + body.hand * along,
            f"tip of {name} hand": wrist + 1.9 * body.hand * along,
            f"{name} thumb": wrist + 0.8 * body.hand * along + 0.6 * body.hand * aside,
            f"{name} hip": hip,
            f"{name} knee": knee,
            f"{name} ankle": ankle,
            f"{name} foot": ankle + np.array([0.0, -0.3 * body.foot, -body.foot]),
        }.items():
            joints[:, NTU25_INDEX[joint]] = position
    return joints.astype(np.float32)


def _two_bones(
    root: Positions, target: Positions, first: float, second: float, *, bend: Positions
) -> tuple[Positions, Positions]:
    """Find the middle and end (T, 3) of two bones from root toward target, bent toward `bend`."""
    reach = target - root
    distance = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / np.maximum(distance, 1e-6)
    distance = distance.clip(abs(first - second) + 1e-3, first + second - 1e-3)
    foot = (first**2 - second**2 + distance**2) / (2 * distance)
    height = np.sqrt(np.maximum(first**2 - foot**2, 0))
    aside = _across(bend, along)
    return root + foot * along + height * aside, root + distance * along


def _across(direction: Positions, along: Positions) -> Positions:
    """Unit vectors (T, 3) nearest to a direction that are at right angles to `along` (T, 3)."""
    return _unit(direction - (along @ direction)[:, None] * along)


def _unit(vectors: Positions) -> Positions:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6))
