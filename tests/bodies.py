"""Bodies in the joints of any layout, made from bodies in those of NTU-25.

A joint that stands for one of NTU-25 is there; the others lie where anatomy has them, so that a
layout's way to NTU-25 can be compared with the body it came from.
"""

import re

import numpy as np

from stars_infer.layouts import NTU25_JOINTS, get_layout
from stars_infer.preprocessing.normalize import SIDES

CENTIMETER = 0.01


def axes(joints):
    """Up, ahead and to the right of each body, unit vectors (..., 3), from (..., 25, 3)."""

    def unit(vector):
        return vector / np.linalg.norm(vector, axis=-1, keepdims=True)

    right = unit(sum(joints[..., right, :] - joints[..., left, :] for left, right in SIDES))
    up = joints[..., 20, :] - joints[..., 0, :]
    up = unit(up - (up * right).sum(-1, keepdims=True) * right)
    return up, np.cross(up, right), right


def at(joints, name):
    """A joint of bodies (..., 25, 3)."""
    return joints[..., NTU25_JOINTS.index(name), :]


def in_layout(joints, name):
    """Bodies (..., 25, 3) in the joints of a layout, (..., V, 3)."""
    layout = get_layout(name)
    roles = {
        next(iter(layout.ntu25[target])): target
        for target in reversed(NTU25_JOINTS)
        if len(layout.ntu25[target]) == 1
    }
    side = dict.fromkeys(layout.joints, "")
    for left, right in layout.mirror:
        side |= {layout.joints[left]: "left", layout.joints[right]: "right"}
    points = [
        at(joints, roles[joint]) if joint in roles else landmark(joints, joint, side[joint])
        for joint in layout.joints
    ]
    return np.stack(points, axis=-2).astype(np.float32)


ALONG_SPINE = {
    "spine navel": 0.36, "spine chest": 0.66, "LowerBack": 0.0,
    "Spine": 0.25, "Spine1": 0.5, "Spine2": 0.6, "Spine3": 0.75, "Chest": 0.75,
    "spine1": 0.25, "spine2": 0.5, "spine3": 0.75, "upperback_@_thorax": 0.95,
    "thorax_@_lowerneck": 1.05, "Ab": 0.25, "L5": 0.1, "L3": 0.3, "T12": 0.45, "T8": 0.6,
    "spine.001": 0.25, "spine.003": 0.75,
    "abdomenLower": 0.15, "chestLower": 0.6, "chestUpper": 0.8,
    "naval spine": 0.36, "chest spine": 0.66, "root": 0.0, "TRXO": 1.05,
    **{f"spine_{number}_joint": number / 8 for number in range(1, 8)},
}  # fmt: skip
"""Share of the way from the base of the spine to the spine at the shoulders."""

ON_HEAD = {
    "nose": (0, 10, 0), "mouth": (-5, 9, 2), "ear": (0, 0, 7), "eye inner": (3, 8, 1.5),
    "eye": (3, 8, 3), "eye outer": (3, 7, 4.5), "Eye": (3, 8, 3), "eye smplhf": (3, 8, 3),
    "jaw": (-5, 4, 0), "chin": (-8, 8, 0), "eyeball": (3, 8, 3), "eyeLowerLid": (2, 8, 3),
    "eyeUpperLid": (4, 8, 3),
}  # fmt: skip
"""Centimeters up, ahead and aside from the middle of the head."""

ON_LIMBS = {
    "heel": ("ankle", (-5, -4, 0)), "big toe": ("foot", (0, 0, -2)),
    "small toe": ("foot", (0, 0, 2)), "toesEnd": ("foot", (0, 5, 0)),
}  # fmt: skip
"""The NTU-25 joint, and centimeters up, ahead and aside from it."""

NECK_TO_HEAD = {
    "Neck1": 0.2, "lowerneck_@_upperneck": 0.3, "Head": 0.5, "head": 0.5, "HeadTop_End": 1.5,
    "spine.006": 0.5, "neck_2": 0.1, "neck_3": 0.2, "neck_4": 0.3,
}  # fmt: skip
"""Share of the way from the neck to the middle of the head."""


FINGER = re.compile(
    r"(?P<finger>pinky|index|mid(dle)?|ring|thumb)[ _]?(?P<along>Start|\d?|End)$", re.IGNORECASE
)
ALONG_FINGER = {"Start": 0.2, "": 0.4, "1": 0.4, "2": 0.6, "3": 0.8, "4": 1.0, "End": 1.0}
"""How far beyond the middle of the hand a joint of a finger is, in lengths of half a hand."""


def landmark(joints, joint, side):
    """Where a joint is that NTU-25 does not have, (..., 3)."""

    def between(one, two, share):
        return (1 - share) * at(joints, one) + share * at(joints, two)

    kind = re.sub(r"^(left|right)[ _]?| (left|right)$|\.[LR]$", "", joint)
    if kind not in ALONG_SPINE:
        kind = kind.removesuffix("_joint")
    if kind in ALONG_SPINE:
        return between("base of spine", "spine at shoulders", ALONG_SPINE[kind])
    if kind in NECK_TO_HEAD:
        return between("neck", "head", NECK_TO_HEAD[kind])
    if kind in ON_HEAD:
        return at(joints, "head") + shifted(joints, ON_HEAD[kind], side)
    if kind in ON_LIMBS:
        origin, offset = ON_LIMBS[kind]
        return at(joints, f"{side} {origin}") + shifted(joints, offset, side)
    if finger := FINGER.search(kind):
        name, along = finger["finger"].lower(), ALONG_FINGER[finger["along"]]
        hand, thumb = at(joints, f"{side} hand"), at(joints, f"{side} thumb")
        if name == "thumb":
            return hand + along * (thumb - hand)
        aside = {"pinky": -0.3, "ring": -0.15, "index": 0.3}.get(name, 0.0)
        return hand + along * (hand - at(joints, f"{side} wrist")) + aside * (thumb - hand)
    if kind.endswith(("clavicle", "collar", "Collar", "Shoulder", "shoulder", "shoulder_1")):
        return between("spine at shoulders", f"{side} shoulder", 0.2)
    if kind.endswith("HipJoint"):
        return between("base of spine", f"{side} hip", 0.3)
    raise KeyError(
        f"tests/bodies.py does not know where {joint!r} is: NTU-25 does not have it; add it to "
        "ALONG_SPINE, NECK_TO_HEAD, ON_HEAD or ON_LIMBS, or to landmark()"
    )


def shifted(joints, offset, side):
    up, ahead, right = axes(joints)
    aside = {"left": -right, "right": right}.get(side, 0 * right)
    return CENTIMETER * sum(c * axis for c, axis in zip(offset, (up, ahead, aside), strict=True))
