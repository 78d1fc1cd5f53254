"""What recordings of people suffer from: a change of the joints of a clip for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stars_infer.arrays import FloatArray

LEGS = (13, 14, 15, 17, 18, 19)
"""Knees, ankles and feet of a Kinect v1."""
LEFT_ARM = (5, 6, 7)
"""Left elbow, wrist and hand of a Kinect v1."""
Change = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Changes the joints (T, V, 3) of a clip, to those of one body or, (M, T, V, 3), of several."""


def tilted(axis: int, degrees: float) -> Change:
    """Turn a clip about an axis."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    one, other = (place for place in range(3) if place != axis)

    def change(joints: FloatArray, random: np.random.Generator) -> FloatArray:
        turned = joints.copy()
        turned[:, :, one] = cosine * joints[:, :, one] - sine * joints[:, :, other]
        turned[:, :, other] = sine * joints[:, :, one] + cosine * joints[:, :, other]
        return turned

    return change


def lost(share: float, value: float) -> Change:
    """Lose a share of the joints."""

    def change(joints: FloatArray, random: np.random.Generator) -> FloatArray:
        changed = joints.copy()
        changed[random.random(joints.shape[:2]) < share] = value
        return changed

    return change


def lacking(joints: Sequence[int]) -> Change:
    """Lose some joints in the whole clip."""
    lost_joints = list(joints)

    def change(joints: FloatArray, random: np.random.Generator) -> FloatArray:
        changed = joints.copy()
        changed[:, lost_joints] = np.nan
        return changed

    return change


def beside(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """Somebody stands 1.5 m beside and sways, seen with a sensor's noise."""
    frames = len(joints)
    sway = random.normal(0, 0.01, (frames, 1, 3)).cumsum(axis=0) / np.sqrt(frames)
    stands = joints[:1] + np.array([1.5, 0, 0]) + sway + random.normal(0, 0.01, joints.shape)
    return np.stack((joints, stands.astype(np.float32)))


def walks_past(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """Somebody is seen behind for the middle 40 %, who moves as the clip does backward."""
    frames = len(joints)
    other = np.zeros_like(joints)
    seen = slice(int(0.3 * frames), int(0.7 * frames))
    passing = joints[::-1][seen] + np.float32([0, 0, 1.5])
    passing[..., 0] += np.linspace(-1.5, 1.5, len(passing), dtype=np.float32)[:, None]
    other[seen] = passing
    return np.stack((joints, other))


def changing_places(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """The same as `beside`, and the two bodies change places in 40 % of the frames."""
    bodies = beside(joints, random)
    changed = random.random(len(joints)) < 0.4
    bodies[:, changed] = bodies[::-1][:, changed]
    return bodies


def one_joint_off(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """One joint is 2 m off in one frame: the one at the base of the spine, which matters most."""
    changed = joints.copy()
    changed[random.integers(len(joints)), 0, 1] += 2
    return changed


CHANGES: dict[str, Change] = {
    "the first half only": lambda joints, random: joints[: max(4, len(joints) // 2)],
    "the first 70 %": lambda joints, random: joints[: max(4, int(0.7 * len(joints)))],
    "done twice": lambda joints, random: np.concatenate((joints, joints)),
    "1 s still before and after": lambda joints, random: np.concatenate(
        (joints[:1].repeat(30, axis=0), joints, joints[-1:].repeat(30, axis=0))
    ),
    "every fourth frame": lambda joints, random: joints[::4],
    "tilted forward by 30°": tilted(0, 30),
    "tilted backward by 30°": tilted(0, -30),
    "tilted to the side by 30°": tilted(2, 30),
    "turned by 90°": tilted(1, 90),
    "noise of 5 cm": lambda joints, random: (
        joints + random.normal(0, 0.05, joints.shape).astype(np.float32)
    ),
    "noise of 2 cm": lambda joints, random: (
        joints + random.normal(0, 0.02, joints.shape).astype(np.float32)
    ),
    "30 % of the joints lost, as NaN": lost(0.3, np.nan),
    "10 % of the joints lost, as zeros": lost(0.1, 0.0),
    "10 % of the joints lost, as -1": lost(0.1, -1.0),
    "10 % of the joints lost, as -9999": lost(0.1, -9999.0),
    "10 % of the joints lost, as the largest float": lost(0.1, np.finfo(np.float32).max),
    "without legs": lacking(LEGS),
    "without the left arm": lacking(LEFT_ARM),
    "upside down": lambda joints, random: joints * np.float32([-1, -1, 1]),
    "z up": lambda joints, random: np.stack(
        (joints[..., 0], -joints[..., 2], joints[..., 1]), axis=-1
    ),
    "somebody stands beside": beside,
    "somebody walks past": walks_past,
    "somebody beside, and bodies change places": changing_places,
    "one joint off in one frame": one_joint_off,
}
AXES = ("upside down", "z up")
"""Changes that `--up auto` undoes."""
