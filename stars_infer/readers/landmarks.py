"""Landmarks of MediaPipe Pose: one object `{x, y, z, visibility}` for each joint.

Only world landmarks are positions in meters: their origin is the middle of the hips, x points
right, y down and z away from the camera. Image landmarks are fractions of the picture's width and
height.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.readers.confidence import rank
from stars_infer.readers.poses import Pose

DEFAULTS = Convention(layout="mediapipe33", units="m", up="-y", handedness="right")
WORLD_KEYS = ("pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks", "world_landmarks")
NAMED_KEYS = ("keypoints3D", "keypoints3d")
IMAGE_KEYS = ("landmarks", "pose_landmarks", "poseLandmarks")
KEYS = (*WORLD_KEYS, *NAMED_KEYS, *IMAGE_KEYS)
_HIPS = (23, 24)
_HIPS_APART_FROM_ORIGIN = 0.05
"""Meters by which the middle of the hips may miss the origin in world landmarks."""


def poses_of_landmarks(frame: Any, where: str, source: str) -> list[Pose]:
    """Read the people of one frame.

    Args:
        frame: A list of landmarks, a list of such lists, or an object that holds one of them under
            a key of MediaPipe's.
        where: Name of the frame for messages.
        source: Name of the file for messages.

    Raises:
        ClipError: If a landmark is damaged, or if these are image landmarks.
    """
    known = False
    if isinstance(frame, dict) and isinstance(frame.get("poses"), list):
        frame = frame["poses"]
    if isinstance(frame, list) and any(map(holds_landmarks, frame)):  # an object for each person
        return [
            pose for person in frame if person for pose in poses_of_landmarks(person, where, source)
        ]
    if isinstance(frame, dict):
        key = next((key for key in KEYS if key in frame), None)
        if key in IMAGE_KEYS and key != "landmarks" and frame[key]:
            raise ClipError(source, f"{where}: {key!r} {_IMAGE}")
        known = key in WORLD_KEYS or key in NAMED_KEYS
        frame = frame.get(key) if key else None
    people = _people(frame, where, source)
    poses = [_pose(person, where, source) for person in people]
    if not known:
        for pose in poses:
            _check_world(pose, where, source)
    return poses


_IMAGE = (
    "are image landmarks, shares of the picture, not positions: save the world landmarks "
    "(pose_world_landmarks) instead"
)


def holds_landmarks(value: object) -> bool:
    """Whether a value is an object with landmarks of one frame or one person, even if nobody's."""
    if not isinstance(value, dict):
        return False
    poses = value.get("poses")
    if isinstance(poses, list) and any(map(holds_landmarks, poses)):
        return True
    if isinstance(value.get("landmarks"), list) and not _is_nested(value["landmarks"]):
        return any(key in value for key in WORLD_KEYS)
    return any(key in value for key in KEYS)


def _is_nested(value: list[Any]) -> bool:
    """Whether a list holds landmarks or people, or nobody."""
    return not value or isinstance(value[0], list) or is_landmark(value[0]) or (
        isinstance(value[0], dict) and "landmark" in value[0]
    )  # fmt: skip


def is_landmark(value: object) -> bool:
    """Whether a value is one landmark, an object with x, y and z."""
    return isinstance(value, dict) and {"x", "y", "z"} <= value.keys()


def _people(value: Any, where: str, source: str) -> list[list[dict[str, Any]]]:
    """Bring what MediaPipe writes to lists of landmarks, one for each person."""
    if isinstance(value, dict):  # as MediaPipe's older interface writes it
        value = value.get("landmark", [])
    if not value:
        return []
    if isinstance(value, list) and all(isinstance(one, dict) and "landmark" in one
                                       for one in value):  # fmt: skip
        value = [one["landmark"] for one in value]
    if isinstance(value, list) and isinstance(value[0], dict):
        value = [value]
    if not isinstance(value, list) or not all(
        isinstance(person, list) and all(map(is_landmark, person)) for person in value
    ):
        raise ClipError(
            source, f"{where}: expected landmarks, objects of x, y, z and visibility; 2D points "
            "are not enough"
        )  # fmt: skip
    return [person for person in value if person]


def _pose(person: list[dict[str, Any]], where: str, source: str) -> Pose:
    ranked = [(at, key) for key in person[0] if (at := rank(key)) is not None]
    sure = min(ranked)[1] if ranked else None
    keys = ("x", "y", "z", sure) if sure else ("x", "y", "z")
    try:
        points = np.array([[mark.get(key) for key in keys] for mark in person], np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ClipError(source, f"{where}: a landmark is no number ({error})") from error
    if sure:
        points[np.isnan(points[:, 3]), 3] = 1  # without a value, a landmark is trusted
    named = all(isinstance(mark.get("name"), str) for mark in person)
    return Pose(points=points, names=tuple(mark["name"] for mark in person) if named else ())


def _check_world(pose: Pose, where: str, source: str) -> None:
    """Refuse landmarks whose hips are not where world landmarks have them.

    Raises:
        ClipError: If the middle of the hips is not at the origin.
    """
    if len(pose.points) <= max(_HIPS):
        return
    with np.errstate(over="ignore", invalid="ignore"):  # too far is not at the origin
        middle = pose.points[list(_HIPS), :3].mean(axis=0)
        apart, shown = np.linalg.norm(middle), middle.round(2).tolist()
    if apart > _HIPS_APART_FROM_ORIGIN:
        raise ClipError(
            source, f"{where}: the middle of the hips is at {shown} and not at "
            f"the origin, so these {_IMAGE}"
        )  # fmt: skip
