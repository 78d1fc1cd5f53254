"""Bodies as body-tracking SDKs write them: objects with an identity, and joints with names.

`{"bodies": [{"body_id": 1, "joint_positions": [[x, y, z], ...]}]}` is what Azure Kinect's offline
processor writes, `{"body_list": [{"id": 0, "keypoint": [...]}]}` the ZED SDK, and `{"instances":
[{"keypoints": ..., "keypoint_scores": ...}]}` MMPose. Joints may be lists of numbers, objects with
x, y and z or a position, or an object from names to either. ST-GCN's files of the Kinetics
skeletons have points in 2D: `{"skeleton": [{"pose": [x, y, ...], "score": [...]}]}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.readers.confidence import rank, states_in_words
from stars_infer.readers.poses import Pose

DEFAULTS = Convention(units="m", up="y", handedness="right")
KEYS = ("bodies", "body_list", "skeletons", "skeleton", "people", "persons", "users", "actors",
        "instances", "object_list", "Bodies", "Skeletons", "humans", "poses")  # fmt: skip
FLAT = "points in 2D only, but positions in 3D are needed: export those, or lift the points first"
_POINTS = (
    "joint_positions", "joints", "keypoints_3d", "keypoint_3d", "keypoints3D", "keypoints",
    "keypoint", "positions", "landmarks", "points", "pose", "Joints", "skeleton",
)  # fmt: skip
_SURE = (
    "keypoint_confidence", "keypoints_confidence", "keypoint_scores", "confidence_levels",
    "joint_confidences", "joint_confidence", "confidences", "scores", "score", "confidence",
    "visibility",
)  # fmt: skip
_IDENTITY = ("body_id", "id", "tracking_id", "trackingId", "user_id", "userId", "person_id",
             "track_id", "instance_id", "TrackingId", "bodyIndex")  # fmt: skip
_NAME = ("name", "type", "jointType", "joint_type", "JointType", "joint", "id", "label")
_PLACES = ("position", "Position", "real", "pos", "xyz", "location", "world", "CameraSpacePoint")
_AXES = (("x", "y", "z"), ("X", "Y", "Z"), ("cameraX", "cameraY", "cameraZ"))
_ZED = {18: "zed18", 34: "zed34", 38: "zed38"}
"""Layouts of the body formats of the ZED SDK, by the number of their keypoints."""
_AZURE = Convention(layout="azure32", units="mm", up="-y", handedness="right")


def holds_tracked(frame: Mapping[str, Any]) -> bool:
    """Whether a frame is an object with bodies that are objects."""
    return next(_bodies_of(frame), None) is not None


def poses_of_tracked(frame: Mapping[str, Any] | list[Any], where: str, source: str) -> list[Pose]:
    """Read the bodies of one frame; a body that is not tracked is left out.

    Raises:
        ClipError: If a body has no joints, or they are damaged.
    """
    poses = []
    frame = {"bodies": frame} if isinstance(frame, list) else frame
    for number, body in enumerate(_bodies_of(frame)):
        if body.get("tracked") is False:
            continue
        pose = _pose(body, f"{where}, body {number}", source)
        if pose is not None:
            poses.append(pose)
    return poses


def frames_by_time(content: Mapping[str, Any]) -> list[Any] | None:
    """Read an object from times to frames, as the ZED SDK writes it; None if it is none."""
    if not content or not all(key.isdigit() for key in content):
        return None
    if not all(isinstance(frame, dict) for frame in content.values()):
        return None
    return [{"timestamp": int(key), **content[key]} for key in sorted(content, key=int)]


def convention_of(header: Mapping[str, Any], frames: list[Any]) -> Convention:
    """What is usual in files of the program that wrote these frames."""
    if any(key.startswith("k4abt") for key in header):
        return _AZURE
    first = next((body for frame in frames for body in _bodies_of(
        {"bodies": frame} if isinstance(frame, list) else frame or {})), None)  # fmt: skip
    if first is None:
        return DEFAULTS
    points = next((first[key] for key in _POINTS if key in first), None)
    count = len(points) if isinstance(points, list | dict) else 0
    if any(isinstance(frame, dict) and "body_list" in frame for frame in frames):
        return Convention(layout=_ZED.get(count)).over(DEFAULTS)
    joint = points[0] if isinstance(points, list) and points else None
    if isinstance(joint, dict) and "cameraX" in joint and count == 25:
        return Convention(layout="ntu25").over(DEFAULTS)
    if any(isinstance(frame, dict) and "skeleton" in frame for frame in frames) and count == 36:
        return Convention(layout="body18").over(DEFAULTS)
    columns = points["x"] if isinstance(points, dict) and _is_in_columns(points) else []
    if len(columns) == len(get_layout("coco17").joints):
        return Convention(layout="coco17").over(DEFAULTS)
    if "meta_info" in header:
        return Convention(up="z").over(DEFAULTS)
    return DEFAULTS


def names_of(header: Mapping[str, Any]) -> list[Any] | None:
    """Names of joints in the description of MMPose; None if there are none."""
    about = header.get("meta_info")
    names = about.get("keypoint_id2name") if isinstance(about, dict) else None
    if not isinstance(names, dict) or not all(str(key).isdigit() for key in names):
        return None
    return [names[key] for key in sorted(names, key=int)]


def _bodies_of(frame: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in KEYS:
        bodies = frame.get(key)
        if isinstance(bodies, dict) and any(name in bodies for name in _POINTS):
            bodies = [bodies]
        if (
            isinstance(bodies, list)
            and bodies
            and all(
                isinstance(body, dict) and any(name in body for name in _POINTS) for body in bodies
            )
        ):
            yield from bodies
            return
    lists = (frame[key] for key in _POINTS if isinstance(frame.get(key), list | dict))
    joints = next(filter(None, lists), None)
    if joints is not None and (
        "joints" not in frame or isinstance(joints, dict) or isinstance(joints[0], dict)
    ):
        yield dict(frame)


def _pose(body: Mapping[str, Any], where: str, source: str) -> Pose | None:
    key = next((key for key in _POINTS if body.get(key)), None)
    if key is None:
        return None
    joints: Any = body[key]
    names: tuple[str, ...] = ()
    if _is_in_columns(joints):
        body = {**body, "visibility": joints.get("visible")}
        joints = [
            list(point)
            for point in zip(*(joints[axis] for axis in "xyz" if axis in joints), strict=True)
        ]
    if isinstance(joints, dict):
        names, joints = tuple(joints), list(joints.values())
    if not isinstance(joints, list):
        raise ClipError(source, f"{where}: {key!r} must be a list of joints")
    sure = next((body[name] for name in _SURE if isinstance(body.get(name), list)), None)
    flat = all(isinstance(value, int | float) for value in joints)
    if flat:
        joints = _split(joints, sure, where, source)
    rows = [_point(joint) for joint in joints]
    if not names and all(isinstance(joint, dict) for joint in joints):
        names = _names(joints)
        if names and all(name.isdigit() for name in names):
            order = sorted(range(len(names)), key=lambda place: int(names[place]))
            joints, rows, names = [joints[at] for at in order], [rows[at] for at in order], ()
    if sure is None and all(isinstance(joint, dict) for joint in joints):
        sure = _confidence(joints)
    points = _numbers(rows, where, source)
    in_2d = points.shape[1] == 2
    if in_2d:
        points = np.concatenate([points, np.zeros((len(points), 1))], axis=1)
    if sure is not None:
        certain = _numbers([[value] for value in sure], where, source, words=True)
        if len(certain) != len(points):
            raise ClipError(
                source, f"{where}: {len(points)} joints, but {len(certain)} values of confidence"
            )
        points = np.concatenate([points[:, :3], certain], axis=1)
    if not points[:, :3].any():  # all joints at zero: absent, as in arrays
        return None
    identity = next((body[name] for name in _IDENTITY if isinstance(body.get(name), int | str)),
                    None)  # fmt: skip
    if identity is not None and str(identity) in ("-1", ""):
        identity = None
    return Pose(
        points=points, names=names, flat=in_2d,
        identity=None if identity is None else str(identity)[:64],
    )  # fmt: skip


def _is_in_columns(points: Any) -> bool:
    """Whether all x are together, and all y, as Ultralytics writes them."""
    if not isinstance(points, dict) or not {"x", "y"} <= points.keys():
        return False
    columns = [points[axis] for axis in "xyz" if axis in points]
    return all(isinstance(one, list) and len(one) == len(columns[0]) for one in columns)


def _split(values: list[Any], sure: Any, where: str, source: str) -> list[Any]:
    """Split a list of numbers into x and y, or x, y and z, of each joint."""
    count = len(sure) if isinstance(sure, list) and sure else 0
    width = len(values) // count if count else 3
    if width not in (2, 3) or len(values) % width or (count and len(values) != width * count):
        raise ClipError(source, f"{where}: {len(values)} numbers are not x, y, z for each joint")
    return [values[at : at + width] for at in range(0, len(values), width)]


def _point(joint: Any) -> Any:
    """The numbers of one joint; NaN if it has none."""
    if isinstance(joint, dict):
        for key in _PLACES:
            if joint.get(key) is not None:
                return _point(joint[key])
        for axes in _AXES:
            if axes[0] in joint and axes[1] in joint:
                return [joint[axis] for axis in axes if axis in joint]
        return [np.nan] * 3
    return [np.nan] * 3 if joint is None else joint


def _names(joints: list[Any]) -> tuple[str, ...]:
    for key in _NAME:
        if all(isinstance(joint.get(key), str | int) for joint in joints):
            return tuple(str(joint[key]) for joint in joints)
    return ()


def _confidence(joints: list[Any]) -> list[Any] | None:
    """The confidence that joints have of themselves, by whatever name."""
    ranked = [(at, key) for key in joints[0] if (at := rank(key)) is not None]
    if not joints or not ranked:
        return None
    _, key = min(ranked)
    return [joint.get(key) for joint in joints]


def _numbers(rows: list[Any], where: str, source: str, *, words: bool = False) -> Any:
    """Make an array (V, C) of rows; null becomes NaN."""
    try:
        numbers = np.array(rows, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        states = states_in_words(row[0] for row in rows) if words else None
        if states is None:
            raise ClipError(source, f"{where}: expected numbers ({error})") from error
        return states[:, None]
    if numbers.ndim != 2 or (not words and numbers.shape[1] not in (2, 3)):
        raise ClipError(
            source, f"{where}: expected [x, y, z] for each joint, found the shape {numbers.shape}"
        )
    return numbers
