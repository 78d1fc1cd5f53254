"""Clips from what pose estimators return in Python, without a file between.

`Clip.from_mediapipe` and `Clip.from_openpose` call these functions. They take apart what the
readers of files take apart, so they lie with the readers; no class of MediaPipe or OpenPose is
needed, only its attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import UsageError
from stars_infer.readers import landmarks, openpose
from stars_infer.readers.poses import Pose, tracks_of
from stars_infer.readers.recording import Recording, clip_of

_MARK = ("x", "y", "z", "visibility")
_WORLD = "pose_world_landmarks"
_IMAGE = "pose_landmarks"


def clip_of_mediapipe(results: Iterable[Any], *, fps: float, source: str) -> Clip:
    """Make a clip of MediaPipe's results; see `Clip.from_mediapipe`.

    Raises:
        ClipError: If these are image landmarks, or hold no usable motion.
        UsageError: If these are no results, or the frame rate is none.
    """
    _check_series(results, "a list of MediaPipe results, one for each frame")
    return _clip_of(
        [_plain_frame(result) for result in results],
        landmarks.poses_of_landmarks,
        Convention(fps=fps),
        default=landmarks.DEFAULTS,
        source=source,
    )


def clip_of_openpose(
    frames: Iterable[Any], *, layout: str, units: str, fps: float, source: str
) -> Clip:
    """Make a clip of OpenPose's people; see `Clip.from_openpose`.

    Raises:
        ClipError: If the points are 2D, do not fit the layout, or hold no usable motion.
        UsageError: If these are no frames, or there is no such layout, unit or frame rate.
    """
    _check_series(frames, 'a list of frames, each {"people": [...]} as OpenPose writes it')
    frames = [dict(frame) if isinstance(frame, Mapping) else frame for frame in frames]
    for number, frame in enumerate(frames):
        if frame is not None and (not isinstance(frame, dict) or openpose.KEY not in frame):
            raise UsageError(
                f"frame {number} is a {type(frame).__name__} without 'people': pass what is in "
                "OpenPose's JSON files, one for each frame"
            )
    return _clip_of(
        frames,
        openpose.poses_of_people,
        Convention(layout=layout, units=units, fps=fps),
        default=openpose.DEFAULTS,
        source=source,
    )


def _clip_of(
    frames: list[Any],
    poses_of: Callable[[Any, str, str], list[Pose]],
    wanted: Convention,
    *,
    default: Convention,
    source: str,
) -> Clip:
    people = [
        poses_of(frame, f"frame {number}", source) if frame else []
        for number, frame in enumerate(frames)
    ]
    tracks, presence, confidence = tracks_of(people, source=source)
    recording = Recording(
        joints=tracks, presence=presence, confidence=confidence, source=source, default=default,
        flat=openpose.FLAT if any(pose.flat for poses in people for pose in poses) else "",
    )  # fmt: skip
    return clip_of(recording, wanted)


def _check_series(value: Any, wanted: str) -> None:
    """Refuse what is no series of frames, above all a single one."""
    single = hasattr(value, _WORLD) or hasattr(value, _IMAGE)
    if single or isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise UsageError(f"a {type(value).__name__} is no clip: pass {wanted}")


def _plain_frame(result: Any) -> Any:
    """One frame of MediaPipe as the reader of JSON files takes it: objects become dictionaries."""
    if result is None:
        return None
    if isinstance(result, Mapping):
        return _plain_dictionary(result)
    world = getattr(result, _WORLD, None)
    if world is None and hasattr(result, _IMAGE) and getattr(result, _IMAGE):
        return {_IMAGE: True}  # which is refused
    if hasattr(result, _WORLD):
        return {_WORLD: _plain_people(world)}
    return _plain_people(result)


def _plain_dictionary(result: Mapping[str, Any]) -> dict[str, Any]:
    """A frame as MediaPipe's files have it, whose landmarks may still be objects."""
    frame = dict(result)
    if frame and not any(key in frame for key in landmarks.KEYS):
        raise UsageError(
            f"a dictionary of {', '.join(map(repr, list(frame)[:3]))} is no result of MediaPipe "
            f"Pose: pass its {_WORLD!r}"
        )
    for key in landmarks.WORLD_KEYS:
        people = frame.get(key)
        if key in frame and not isinstance(people, Mapping):
            frame[key] = _plain_people(people)
    return frame


def _plain_people(people: Any) -> list[Any]:
    """The landmarks of everybody in a frame: of the Tasks interface, or of the older one."""
    if people is None:
        return []
    if hasattr(people, "landmark"):
        return [_plain_marks(people.landmark)]
    if not isinstance(people, Iterable) or isinstance(people, str | bytes):
        raise UsageError(
            f"a {type(people).__name__} is no result of MediaPipe Pose: pass the results of "
            "PoseLandmarker or Pose, one for each frame"
        )
    members = list(people)
    if members and (hasattr(members[0], "x") or isinstance(members[0], Mapping)):
        return [_plain_marks(members)]
    return [_plain_marks(getattr(person, "landmark", person)) for person in members]


def _plain_marks(marks: Iterable[Any]) -> list[Any]:
    return [dict(mark) if isinstance(mark, Mapping) else _plain_mark(mark) for mark in marks]


def _plain_mark(mark: Any) -> dict[str, Any]:
    # An optional field of a message that was not set reads as 0, as if the point were not seen.
    is_set = getattr(mark, "HasField", lambda key: True)
    return {key: getattr(mark, key) for key in _MARK if hasattr(mark, key) and is_set(key)}
