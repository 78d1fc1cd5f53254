"""Motion-capture hierarchies, recognised by their joint names, and their way to NTU-25."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stars_infer.clip import FloatArray
from stars_infer.errors import StarsError
from stars_infer.layouts import Mixture, mixture_matrix


def _sided(mapping: Mapping[str, Mixture], left: str, right: str) -> dict[str, Mixture]:
    """Write a mapping of left joints for both sides; `{s}` in source names is the side's mark."""
    return {
        f"{side} {joint}" if "tip" not in joint else f"tip of {side} hand": {
            name.format(s=mark): weight for name, weight in mixture.items()
        }
        for side, mark in (("left", left), ("right", right))
        for joint, mixture in mapping.items()
    }


_CMU: Mapping[str, Mixture] = {
    "base of spine": {"hip": 1.0},
    "middle of spine": {"abdomen": 1.0},
    "spine at shoulders": {"lShldr": 0.5, "rShldr": 0.5},
    "neck": {"neck": 1.0},
    "head": {"head": 0.5, "leftEye": 0.25, "rightEye": 0.25},
} | _sided(
    {
        "shoulder": {"{s}Shldr": 1.0},
        "elbow": {"{s}ForeArm": 1.0},
        "wrist": {"{s}Hand": 1.0},
        "hand": {"{s}Mid1": 1.0},
        "tip": {"{s}Mid2_end": 1.0},
        "thumb": {"{s}Thumb2_end": 1.0},
        "hip": {"{s}Thigh": 1.0},
        "knee": {"{s}Shin": 1.0},
        "ankle": {"{s}Foot": 1.0},
        "foot": {"{s}Foot_end": 1.0},
    },
    "l",
    "r",
)

# HDM05 names a joint "parent bone_@_bone" and places it at the end of the second bone.
_HDM05: Mapping[str, Mixture] = {
    "base of spine": {"root": 1.0},
    "middle of spine": {"lowerback_@_upperback": 1.0},
    "spine at shoulders": {"upperback_@_thorax": 0.5, "thorax_@_lowerneck": 0.5},
    "neck": {"thorax_@_lowerneck": 0.5, "lowerneck_@_upperneck": 0.5},
    "head": {"upperneck_@_head": 1.0},
} | _sided(
    {
        "shoulder": {"thorax_@_{s}clavicle": 1.0},
        "elbow": {"{s}clavicle_@_{s}humerus": 1.0},
        "wrist": {"{s}radius_@_{s}wrist": 1.0},
        "hand": {"{s}wrist_@_{s}hand": 1.0},
        "tip": {"{s}hand_@_{s}fingers": 1.0},
        "thumb": {"{s}wrist_@_{s}thumb": 1.0},
        "hip": {"root_@_{s}hipjoint": 1.0},
        "knee": {"{s}hipjoint_@_{s}femur": 1.0},
        "ankle": {"{s}femur_@_{s}tibia": 1.0},
        "foot": {"{s}tibia_@_{s}foot": 1.0},
    },
    "l",
    "r",
)

# Bandai-Namco ends at the wrist and at the base of the head: both are carried on along the bone.
_BANDAI: Mapping[str, Mixture] = {
    "base of spine": {"Hips": 1.0},
    "middle of spine": {"Spine": 0.5, "Chest": 0.5},
    "spine at shoulders": {"UpperArm_L": 0.5, "UpperArm_R": 0.5},
    "neck": {"Neck": 1.0},
    "head": {"Head": 2.0, "Neck": -1.0},
} | _sided(
    {
        "shoulder": {"UpperArm_{s}": 1.0},
        "elbow": {"LowerArm_{s}": 1.0},
        "wrist": {"Hand_{s}": 1.0},
        "hand": {"Hand_{s}": 1.3, "LowerArm_{s}": -0.3},
        "tip": {"Hand_{s}": 1.6, "LowerArm_{s}": -0.6},
        "thumb": {"Hand_{s}": 1.4, "LowerArm_{s}": -0.4},
        "hip": {"UpperLeg_{s}": 1.0},
        "knee": {"LowerLeg_{s}": 1.0},
        "ankle": {"Foot_{s}": 1.0},
        "foot": {"Toes_{s}": 1.0},
    },
    "L",
    "R",
)

HIERARCHIES: Mapping[str, Mapping[str, Mixture]] = {
    "cmu": _CMU,
    "hdm05": _HDM05,
    "bandai": _BANDAI,
}


def hierarchy_to_ntu25(positions: FloatArray, joint_names: Sequence[str]) -> FloatArray:
    """Map positions (T, V, 3) with named joints to NTU-25 (T, 25, 3).

    Raises:
        StarsError: If the names fit none of the known hierarchies.
    """
    names = tuple(joint_names)
    for mixtures in HIERARCHIES.values():
        needed = {name for mixture in mixtures.values() for name in mixture}
        if needed <= set(names):
            return mixture_matrix(mixtures, names) @ positions
    raise StarsError(
        f"joint names {', '.join(names[:5])}, … fit none of the known hierarchies: "
        + ", ".join(HIERARCHIES)
    )
