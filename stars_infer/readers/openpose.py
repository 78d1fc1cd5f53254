"""OpenPose: frames of the form `{"people": [{"pose_keypoints_3d": [x, y, z, c, ...]}]}`.

OpenPose writes one file for each frame; a list of these frames, or a line for each, is a clip. The
files do not tell which body model was used, so that `--layout body25` or another has to. The axes
are those of a camera, with y down.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.readers.poses import Pose

DEFAULTS = Convention(units="m", up="-y", handedness="right")
KEY = "people"
FLAT = (
    "points in 2D only (pose_keypoints_2d), but positions in 3D are needed: run OpenPose with "
    "--3d, or lift the points first"
)
_POINTS_KEYS = ("pose_keypoints_3d", "body_keypoints_3d")
_FLAT_KEYS = ("pose_keypoints_2d", "pose_keypoints")


def poses_of_people(frame: dict[str, Any], where: str, source: str) -> list[Pose]:
    """Read the people of one frame; points with confidence 0 are missing.

    Raises:
        ClipError: If the list is damaged.
    """
    people = frame[KEY]
    if not isinstance(people, list):
        raise ClipError(source, f"{where}: 'people' must be a list")
    return [pose for person in people if (pose := _pose(person, where, source)) is not None]


def _pose(person: Any, where: str, source: str) -> Pose | None:
    if not isinstance(person, dict):
        raise ClipError(source, f"{where}: a person must be an object with pose_keypoints_3d")
    flat = False
    values = next((person[key] for key in _POINTS_KEYS if _holds_points(person.get(key))), None)
    if values is None:
        flat = True
        values = next((person[key] for key in _FLAT_KEYS if _holds_points(person.get(key))), None)
    if values is None:
        return None
    try:
        points = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ClipError(source, f"{where}: a point is no number ({error})") from error
    width = 3 if flat else 4
    if points.ndim != 1 or len(points) % width:
        named = "pose_keypoints_2d" if flat else "pose_keypoints_3d"
        numbers = "x, y, confidence" if flat else "x, y, z, confidence"
        raise ClipError(
            source, f"{where}: {named} must be a flat list of {numbers}; it has the shape "
            f"{points.shape}"
        )  # fmt: skip
    points = points.reshape(-1, width)
    if flat:
        points = np.insert(points, 2, 0.0, axis=1)
    points[~(points[:, 3] > 0), :3] = np.nan
    return Pose(points=points, identity=_identity(person.get("person_id")), flat=flat)


def _holds_points(values: Any) -> bool:
    """Whether there is anything in a list, which in Python may be an array."""
    return values is not None and (not hasattr(values, "__len__") or len(values) > 0)


def _identity(value: Any) -> str | None:
    """Read who a person is; OpenPose writes [-1] if it does not know."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if value is None or value in (-1, "-1"):
        return None
    return str(value)[:64]
