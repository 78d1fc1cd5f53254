"""The project's own JSON form: positions of bodies as nested lists, with their units and axes.

A file may hold a whole clip, `{"layout": "ntu25", "fps": 30, "bodies": [...]}` with bodies (M, T,
V, 3). Or it holds a frame at a time: `{"bodies": [[[x, y, z], ...], ...]}` with the bodies of the
frame (M, V, 3), or `{"joints": [[x, y, z], ...]}` with one body (V, 3). `null` stands for a body or
a joint that is missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.readers.poses import Pose, tracks_of
from stars_infer.readers.recording import Recording

DEFAULTS = Convention(units="m", up="y", handedness="right")
KEYS = ("bodies", "joints")


def recording_of_bodies(
    content: dict[str, Any], stated: Convention, source: str, size: int
) -> Recording:
    """Read a whole clip from `bodies` and, if they are there, `confidence` and `joint_names`.

    Args:
        content: The object: `bodies` (M, T, V, 3), `confidence` (M, T, V), `joint_names` (V,).
        stated: What the file says of its units, axes and frame rate.
        source: Name of the file for messages.
        size: Its size in bytes.

    Raises:
        ClipError: If lists differ in length or hold no numbers; the message says where.
    """
    bodies, sure = content["bodies"], content.get("confidence")
    if not isinstance(bodies, list) or not all(isinstance(body, list) for body in bodies):
        raise ClipError(source, "'bodies' must be a list of bodies, each a list of frames")
    if sure is not None and (not isinstance(sure, list) or len(sure) != len(bodies)):
        raise ClipError(source, "'confidence' must have a list for each of the bodies")
    lengths = {len(body) for body in bodies}
    if len(lengths) > 1:
        raise ClipError(source, f"bodies of {min(lengths)} and {max(lengths)} frames: all need the "
                        "same, null where one is absent")  # fmt: skip
    frames: list[list[Pose]] = [[] for _ in range(max(lengths, default=0))]
    for number, body in enumerate(bodies):
        for at, joints in enumerate(body):
            certain = _at(sure[number], at) if sure is not None else None
            where = f"frame {at} of body {number}"
            pose = _pose(joints, certain, where, source, identity=str(number))
            if pose is not None:
                frames[at].append(pose)
    tracks, presence, confidence = tracks_of(frames, source=source, size=size)
    return Recording(
        joints=tracks,
        presence=presence,
        confidence=confidence,
        source=source,
        joint_names=joint_names_in(content, source),
        stated=stated,
        default=DEFAULTS,
    )


def poses_of_bodies(frame: Any, where: str, source: str) -> list[Pose]:
    """Read the bodies of one frame, which is an object or a bare list of joints or of bodies.

    Raises:
        ClipError: If lists differ in length or hold no numbers.
    """
    sure: Any = None
    bodies: Any = None
    identities: list[Any] = []
    if isinstance(frame, dict):
        sure, ids = frame.get("confidence"), frame.get("ids")
        identities = ids if isinstance(ids, list) else []
        if "joints" in frame:
            bodies = [frame["joints"]]
            sure = None if sure is None else [sure]
        else:
            bodies = frame["bodies"]
    else:
        bodies = frame if _depth(frame) > 2 else [frame]
    if bodies is None:
        return []
    if not isinstance(bodies, list) or (sure is not None and not isinstance(sure, list)):
        raise ClipError(source, f"{where}: bodies and their confidence must be lists")
    poses = []
    for number, joints in enumerate(bodies):
        certain = _at(sure, number) if sure is not None else None
        known = _at(identities, number)
        identity = None if known is None else str(known)[:64]
        pose = _pose(joints, certain, f"{where}, body {number}", source, identity=identity)
        if pose is not None:
            poses.append(pose)
    return poses


def joint_names_in(content: dict[str, Any], source: str) -> tuple[str, ...]:
    """Read the names of the joints; none if the file does not give them.

    Raises:
        ClipError: If `joint_names` is not a list of strings.
    """
    names = content.get("joint_names")
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ClipError(source, "'joint_names' must be a list of names in quotes")
    return tuple(names)


def _pose(
    joints: Any, certain: Any, where: str, source: str, *, identity: str | None
) -> Pose | None:
    """Read one body in one frame; None if it is absent."""
    if not joints:
        return None
    points = _numbers(joints, (3,), where, source)
    if not points.any():  # all joints at zero: absent, as in arrays; NaN is not zero
        return None
    if certain is not None:
        sure = _numbers(certain, (), f"the confidence of {where}", source)
        if len(sure) != len(points):
            raise ClipError(
                source, f"{where}: {len(points)} joints, but {len(sure)} values of confidence"
            )
        points = np.concatenate([points, sure[:, None]], axis=1)
    return Pose(points=points, identity=identity)


def _numbers(value: Any, inner: tuple[int, ...], where: str, source: str) -> NDArray[np.float64]:
    """Make an array (V, *inner) of nested lists; null becomes NaN."""
    try:
        if inner and isinstance(value, list):
            value = [[np.nan] * 3 if point is None else point for point in value]
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ClipError(source, f"{where}: expected lists of numbers ({error})") from error
    if numbers.ndim != 1 + len(inner) or numbers.shape[1:] != inner:
        wanted = "[x, y, z] for each joint" if inner else "a number for each joint"
        raise ClipError(source, f"{where}: expected {wanted}, found the shape {numbers.shape}")
    return numbers


def _at(values: Any, index: int) -> Any:
    return values[index] if isinstance(values, list) and index < len(values) else None


def _depth(value: Any) -> int:
    """Count how deep lists are nested, following the first member of each that is not null."""
    depth = 0
    while isinstance(value, list):
        depth += 1
        value = next((member for member in value if member is not None), None)
    return depth
