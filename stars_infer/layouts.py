"""Joint layouts: names and bones of a skeleton, and its way to the 25 joints of NTU RGB+D.

A layout is always named, never guessed from a joint count: NTU and OpenPose BODY_25 both have 25.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import UsageError

Mixture = Mapping[str, float]
"""A joint as a weighted sum of source joints; the weights sum to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Joints and bones of one kind of skeleton.

    Attributes:
        name: What `--layout` calls it.
        joints: Joint names in file order.
        bones: Pairs of joint indices that are joined by a bone, parent first.
        ntu25: For every NTU-25 joint, the mixture of this layout's joints that stands for it.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    ntu25: Mapping[str, Mixture]

    def ntu25_matrix(self) -> NDArray[np.float32]:
        """Weights (25, V) that map this layout's joints to NTU-25."""
        return mixture_matrix(self.ntu25, self.joints)


def mixture_matrix(mixtures: Mapping[str, Mixture], joints: tuple[str, ...]) -> NDArray[np.float32]:
    """Write mixtures of named joints as a matrix (25, V), rows in NTU-25 order.

    Raises:
        UsageError: If a mixture names a joint that is not in `joints`.
    """
    column = {name: v for v, name in enumerate(joints)}
    weights = np.zeros((len(NTU25_JOINTS), len(joints)), np.float32)
    for row, target in enumerate(NTU25_JOINTS):
        for name, weight in mixtures[target].items():
            if name not in column:
                raise UsageError(f"the joint {name!r}, needed for {target!r}, is missing")
            weights[row, column[name]] += weight
    return weights


NTU25_JOINTS = (
    "base of spine", "middle of spine", "neck", "head",
    "left shoulder", "left elbow", "left wrist", "left hand",
    "right shoulder", "right elbow", "right wrist", "right hand",
    "left hip", "left knee", "left ankle", "left foot",
    "right hip", "right knee", "right ankle", "right foot",
    "spine at shoulders", "tip of left hand", "left thumb", "tip of right hand", "right thumb",
)  # fmt: skip
_NTU25_BONES = (
    (0, 1), (1, 20), (20, 2), (2, 3),
    (20, 4), (4, 5), (5, 6), (6, 7), (7, 21), (6, 22),
    (20, 8), (8, 9), (9, 10), (10, 11), (11, 23), (10, 24),
    (0, 12), (12, 13), (13, 14), (14, 15),
    (0, 16), (16, 17), (17, 18), (18, 19),
)  # fmt: skip

NTU25_PARENTS = tuple(
    next((parent for parent, child in _NTU25_BONES if child == joint), joint)
    for joint in range(len(NTU25_JOINTS))
)
"""For each NTU-25 joint the one it hangs on; the base of the spine hangs on itself."""

NTU25 = Layout(
    name="ntu25",
    joints=NTU25_JOINTS,
    bones=_NTU25_BONES,
    ntu25={name: {name: 1.0} for name in NTU25_JOINTS},
)


def _ends(joint: str, last: str, before: str, *, beyond: float) -> dict[str, Mixture]:
    """Hands or feet that a layout lacks: its last joint, carried on along the bone to it."""
    mixtures: dict[str, Mixture] = {}
    for side in ("left", "right"):
        end = {f"{side} {last}": 1 + beyond} | ({f"{side} {before}": -beyond} if beyond else {})
        mixtures |= {f"{side} {joint}": end}
        if joint == "hand":
            mixtures |= {f"tip of {side} hand": end, f"{side} thumb": end}
    return mixtures


def _hand_tips(joint: str) -> dict[str, Mixture]:
    """Tips and thumbs that a layout lacks, at its hands."""
    return {
        name: {f"{side} {joint}": 1.0}
        for side in ("left", "right")
        for name in (f"tip of {side} hand", f"{side} thumb")
    }


_KINECT20_JOINTS = (
    "hip centre", "spine", "shoulder centre", "head",
    "left shoulder", "left elbow", "left wrist", "left hand",
    "right shoulder", "right elbow", "right wrist", "right hand",
    "left hip", "left knee", "left ankle", "left foot",
    "right hip", "right knee", "right ankle", "right foot",
)  # fmt: skip
_KINECT20_BONES = (
    (0, 1), (1, 2), (2, 3),
    (2, 4), (4, 5), (5, 6), (6, 7),
    (2, 8), (8, 9), (9, 10), (10, 11),
    (0, 12), (12, 13), (13, 14), (14, 15),
    (0, 16), (16, 17), (17, 18), (18, 19),
)  # fmt: skip

KINECT20 = Layout(
    name="kinect20",
    joints=_KINECT20_JOINTS,
    bones=_KINECT20_BONES,
    ntu25={name: {name: 1.0} for name in _KINECT20_JOINTS[3:]}
    | {
        "base of spine": {"hip centre": 1.0},
        "middle of spine": {"spine": 1.0},
        "spine at shoulders": {"shoulder centre": 1.0},
        "neck": {"shoulder centre": 0.5, "head": 0.5},
    }
    | _hand_tips("hand"),
)

_H36M17_JOINTS = (
    "pelvis", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "spine", "thorax", "neck", "head",
    "left shoulder", "left elbow", "left wrist", "right shoulder", "right elbow", "right wrist",
)  # fmt: skip
_H36M17_BONES = (
    (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (0, 7), (7, 8), (8, 9), (9, 10),
    (8, 11), (11, 12), (12, 13), (8, 14), (14, 15), (15, 16),
)  # fmt: skip

H36M17 = Layout(
    name="h36m17",
    joints=_H36M17_JOINTS,
    bones=_H36M17_BONES,
    ntu25={name: {name: 1.0} for name in _H36M17_JOINTS if name in NTU25_JOINTS}
    | {
        "base of spine": {"pelvis": 1.0},
        "middle of spine": {"spine": 1.0},
        "spine at shoulders": {"thorax": 1.0},
    }
    | _ends("hand", "wrist", "elbow", beyond=0.3)
    | _ends("foot", "ankle", "knee", beyond=0.0),
)

_OPENNI15_JOINTS = (
    "head", "neck", "torso",
    "left shoulder", "left elbow", "left hand", "right shoulder", "right elbow", "right hand",
    "left hip", "left knee", "left foot", "right hip", "right knee", "right foot",
)  # fmt: skip
_OPENNI15_BONES = (
    (2, 1), (1, 0), (1, 3), (3, 4), (4, 5), (1, 6), (6, 7), (7, 8),
    (2, 9), (9, 10), (10, 11), (2, 12), (12, 13), (13, 14),
)  # fmt: skip

OPENNI15 = Layout(
    name="openni15",
    joints=_OPENNI15_JOINTS,
    bones=_OPENNI15_BONES,
    # OpenNI's hand lies near the wrist and its foot at the ankle.
    ntu25={name: {name: 1.0} for name in _OPENNI15_JOINTS if name in NTU25_JOINTS}
    | {
        "base of spine": {"left hip": 0.5, "right hip": 0.5},
        "middle of spine": {"torso": 1.0},
        "spine at shoulders": {"neck": 1.0},
        "neck": {"neck": 0.5, "head": 0.5},
    }
    | {f"{side} wrist": {f"{side} hand": 0.8, f"{side} elbow": 0.2} for side in ("left", "right")}
    | {f"{side} ankle": {f"{side} foot": 1.0} for side in ("left", "right")}
    | _hand_tips("hand"),
)

LAYOUTS = {layout.name: layout for layout in (NTU25, KINECT20, H36M17, OPENNI15)}


def get_layout(name: str) -> Layout:
    """Look a layout up by its name.

    Raises:
        UsageError: If there is no such layout; the message lists those there are.
    """
    try:
        return LAYOUTS[name]
    except KeyError:
        known = ", ".join(LAYOUTS)
        raise UsageError(f"there is no layout {name!r}; known layouts: {known}") from None


def layouts_with(joint_count: int) -> list[str]:
    """Names of the layouts that have so many joints."""
    return [layout.name for layout in LAYOUTS.values() if len(layout.joints) == joint_count]
