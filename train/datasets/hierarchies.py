"""Motion-capture hierarchies, recognized by their joints' names or roles, as NTU-25."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import StarsError
from stars_infer.layouts import NTU25_JOINTS, layout_for_names, layout_names

_SIDED = ("Shoulder", "Elbow", "Wrist", "Hand", "Hip", "Knee", "Ankle", "Foot")
_ROLES: Mapping[str, str] = {
    "SpineBase": "base of spine",
    "SpineMid": "middle of spine",
    "Neck": "neck",
    "Head": "head",
    "SpineShoulder": "spine at shoulders",
    **{f"{part}{side}": f"{side} {part}".lower() for part in _SIDED for side in ("Left", "Right")},
}
"""Names of the Kinect v2 SDK for joints, and the NTU-25 joints that they are."""
_INSTEAD: Mapping[str, tuple[str, ...]] = {
    "spine at shoulders": ("left shoulder", "right shoulder"),
    "neck": ("left shoulder", "right shoulder"),
    **{f"{side} foot": (f"{side} ankle",) for side in ("left", "right")},
    **{f"{side} hand": (f"{side} wrist",) for side in ("left", "right")},
    **{f"tip of {side} hand": (f"{side} hand",) for side in ("left", "right")},
    **{f"{side} thumb": (f"{side} hand",) for side in ("left", "right")},
}
"""The joints whose middle stands for one without a role, in the order in which it is filled in."""


def hierarchy_to_ntu25(positions: FloatArray, joint_names: Sequence[str]) -> FloatArray:
    """Map positions (T, V, 3) with named joints to NTU-25 (T, 25, 3).

    Raises:
        StarsError: If the names fit no known layout.
    """
    found = layout_for_names(joint_names)
    if found is None:
        raise StarsError(
            f"joint names {', '.join(joint_names[:5])}, … fit none of the known layouts: "
            + ", ".join(layout_names())
        )
    layout, places = found
    return np.asarray(layout.ntu25_matrix() @ positions[:, list(places)])


def roles_to_ntu25(positions: FloatArray, roles: Sequence[str]) -> FloatArray:
    """Map positions (T, V, 3) whose joints have Kinect v2 roles to NTU-25 (T, 25, 3).

    Args:
        positions: Of all joints.
        roles: For each joint its Kinect v2 name, as "SpineBase", or an empty string, (V,).

    Raises:
        StarsError: If a joint that nothing can stand for has no role.
    """
    place = {_ROLES[role]: place for place, role in enumerate(roles) if role in _ROLES}
    known = {joint: positions[:, place] for joint, place in place.items()}
    for joint, others in _INSTEAD.items():
        if joint not in known and all(other in known for other in others):
            known[joint] = np.mean([known[other] for other in others], axis=0)
    lacking = [joint for joint in NTU25_JOINTS if joint not in known]
    if lacking:
        raise StarsError(f"no joint has the role of {lacking[0]!r}")
    return np.stack([known[joint] for joint in NTU25_JOINTS], axis=1)
