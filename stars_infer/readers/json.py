"""JSON, `.json` and `.jsonl`: what pose estimators and body trackers write, or our own form.

A `.json` file is a list of frames, or an object with `frames` and a description (`layout`, `fps`,
`units`, `up`, `handedness`, `joint_names`), or one from times to frames. In the project's own form,
the object may hold whole `bodies` in place of `frames`. In a `.jsonl` file every line is a frame,
except that the first may be a description. Results of MediaPipe as Python prints them count as
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stars_infer.clips.clip import check_frame_count
from stars_infer.clips.convention import Convention, option
from stars_infer.errors import ClipError, FlatError
from stars_infer.readers import bodies, coco, landmarks, openpose, tracked
from stars_infer.readers.bounds import check_memory
from stars_infer.readers.cells import each_line
from stars_infer.readers.poses import Pose, tracks_of
from stars_infer.readers.printed import printed_results
from stars_infer.readers.recording import Recording, convention_in
from stars_infer.readers.text import read_text
from stars_infer.readers.timing import Seconds, seconds_of, timing_of, unit_in

DESCRIPTION = ("layout", "fps", "units", "up", "handedness")
TIMES = {
    "time": 1.0, "time_ms": 0.001, "timestamp_ms": 0.001, "timestamp_us": 1e-6,
    "timestamp_usec": 1e-6, "timestamp_ns": 1e-9,
}  # fmt: skip
"""Keys that hold the time of a frame of a stream, and the seconds of their unit."""
_FRAMES = ("frames", "data", "Frames", "instance_info", "results", "poses")
"""Keys of an object that may hold its frames."""
_Poses = Callable[[Any, str, str], list[Pose]]


def _in_space(poses_of: _Poses, reason: str) -> _Poses:
    """Refuse frames whose points are of a picture."""

    def poses_in_space(frame: Any, where: str, source: str) -> list[Pose]:
        poses = poses_of(frame, where, source)
        if any(pose.flat for pose in poses):
            raise FlatError(
                source, f"{where}: {reason}; or, for clips in 2D, pass {option('flat', '')}"
            )
        return poses

    return poses_in_space


_FORMS: dict[str, tuple[_Poses, Convention, str]] = {
    "MediaPipe landmarks": (landmarks.poses_of_landmarks, landmarks.DEFAULTS, ""),
    "tracked bodies": (tracked.poses_of_tracked, tracked.DEFAULTS, tracked.FLAT),
    "OpenPose people": (openpose.poses_of_people, openpose.DEFAULTS, openpose.FLAT),
    "bodies": (bodies.poses_of_bodies, bodies.DEFAULTS, ""),
}
"""For each form of a frame: who reads it, what is usual in it, and what is said of points in 2D."""
FRAME_FORMS: dict[str, tuple[_Poses, Convention]] = {
    form: (_in_space(poses_of, flat), default) for form, (poses_of, default, flat) in _FORMS.items()
}
"""For each form of a frame of a stream: who reads it, and what is usual in it."""
FLAT_FRAME_FORMS: dict[str, tuple[_Poses, Convention]] = {
    form: (poses_of, default) for form, (poses_of, default, _) in _FORMS.items()
}
"""The same of a stream in 2D."""


def read_json(path: Path) -> tuple[Recording, ...]:
    """Read a clip from one JSON value.

    Raises:
        ClipError: If the file is not JSON, or in none of the known forms; the message names the
            line or the frame.
    """
    source, size = str(path), path.stat().st_size
    text = read_text(path)
    check_memory(_memory_of(text), "its lists and objects", source=source, size=size)
    content = printed_results(text) or parse_json(text, source)
    del text
    if (people := coco.frames_of(content, source)) is not None:
        return (recording_of_frames(coco.HEADER, people, source, size),)
    if isinstance(content, list):
        return (recording_of_frames({}, content, source, size),)
    if not isinstance(content, dict):
        raise ClipError(source, f"expected an object or a list of frames. {KNOWN_FORMS}")
    if (frames := tracked.frames_by_time(content)) is not None:
        return (recording_of_frames({}, frames, source, size),)
    for key in _FRAMES:
        frames = content.get(key)
        if isinstance(frames, list) and (key == "frames" or _are_frames(frames)):
            return (recording_of_frames(content, frames, source, size),)
    if frame_form_of(content) not in (None, "bodies"):
        raise ClipError(
            source, "holds a single frame, but a motion needs more: put the frames into one list, "
            "or a line each into a .jsonl file"
        )  # fmt: skip
    if "bodies" not in content:
        raise ClipError(source, f"no bodies and no frames. {KNOWN_FORMS}")
    return (bodies.recording_of_bodies(content, header_convention(content, source), source, size),)


def _are_frames(values: list[Any]) -> bool:
    """Whether a list holds frames rather than the bodies of one frame."""
    first = next((value for value in values if value), None)
    return first is not None and frame_form_of(first) is not None


def read_jsonl(path: Path) -> tuple[Recording, ...]:
    """Read a clip from JSON lines, one frame each; blank lines are skipped.

    Raises:
        ClipError: As for `read_json`.
    """
    source, size = str(path), path.stat().st_size
    text = read_text(path)
    if (printed := printed_results(text)) is not None:
        return (recording_of_frames({}, printed, source, size),)
    check_memory(_memory_of(text), "its lists and objects", source=source, size=size)
    frames = [
        parse_json(line.rstrip("\r\n"), source, line=number)
        for number, line in enumerate(each_line(text), start=1)
        if line.strip()
    ]
    del text
    if not frames:
        raise ClipError(source, "the file is empty")
    if (people := coco.frames_of(frames, source)) is not None:
        return (recording_of_frames(coco.HEADER, people, source, size),)
    header: dict[str, Any] = {}
    if isinstance(frames[0], dict) and frames[0] and frame_form_of(frames[0]) is None:
        header = frames.pop(0)
    return (recording_of_frames(header, frames, source, size),)


def _memory_of(text: str) -> int:
    """About how many bytes the values of a JSON text take, at most."""
    return sum(cost * text.count(mark) for mark, cost in _COSTS.items())


_COSTS = {"[": 72, "{": 140, ",": 32, ":": 100, '"': 20, "\n": 8}
"""Bytes of memory for each of these marks."""
KNOWN_FORMS = (
    "Known forms are MediaPipe world landmarks, OpenPose people with pose_keypoints_3d, bodies "
    "of Azure Kinect, ZED and other trackers, and bodies as nested lists (docs/sources.md)"
)


def parse_json(text: str, source: str, *, line: int | None = None) -> Any:
    """Parse a text, or one line of a file.

    Raises:
        ClipError: If it is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ClipError(
            source, f"line {line or error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number too long
        place = "" if line is None else f"line {line}: "
        raise ClipError(source, f"{place}not readable JSON ({str(error)[:60]})") from error


def header_convention(header: dict[str, Any], source: str) -> Convention:
    """Read the convention from the first line of a file, or from the object around its frames.

    Raises:
        ClipError: If a value is not valid.
    """
    return convention_in(source, **{key: header.get(key) for key in DESCRIPTION})


def recording_of_frames(
    header: dict[str, Any], frames: list[Any], source: str, size: int
) -> Recording:
    """Make a recording of frames, which must all have the same form.

    Args:
        header: What the file says of them.
        frames: The frames as JSON has them; None for one in which nobody is seen.
        source: Name of the file or folder for messages.
        size: Its size in bytes.

    Raises:
        ClipError: If a frame is in none of the known forms, or in another than the first.
    """
    check_frame_count(len(frames), source=source, recording=True)
    form, at = None, 0
    for number, frame in enumerate(frames):
        if _is_nobody(frame):
            continue
        found = frame_form_of(frame)
        if found is None:
            raise ClipError(source, f"frame {number} is {_shorten(frame)}. {KNOWN_FORMS}")
        if form is not None and found != form:
            raise ClipError(source, f"frame {number} holds {found}, but frame {at} {form}")
        if form is None:
            form, at = found, number
    poses_of, default, flat = _FORMS[form or "bodies"]
    people = [
        [] if _is_nobody(frame) else poses_of(frame, f"frame {number}", source)
        for number, frame in enumerate(frames)
    ]
    times = _times(frames, source)
    timing = None if times is None else timing_of(times, source=source)
    tracks, presence, confidence = tracks_of(
        people, source=source, size=size, numbers=None if timing is None else timing.numbers
    )
    if form == "tracked bodies":
        default = tracked.convention_of(header, frames)
    names = header.get("joint_names") or tracked.names_of(header)
    recording = Recording(
        joints=tracks,
        presence=presence,
        confidence=confidence,
        source=source,
        joint_names=bodies.joint_names_in({"joint_names": names}, source)
        or next((pose.names for poses in people for pose in poses), ()),
        stated=header_convention(header, source).over(
            convention_in(source, fps=None if timing is None else timing.fps)
        ),
        default=default,
        identified=all(pose.identity is not None for poses in people for pose in poses),
        flat=flat if any(pose.flat for poses in people for pose in poses) else "",
    )
    return recording if timing is None else timing.evened(recording)


def frame_form_of(frame: Any) -> str | None:
    """Recognize the form of a frame; None if it holds nobody, or has no known form."""
    if isinstance(frame, dict):
        if landmarks.holds_landmarks(frame):
            return "MediaPipe landmarks"
        if tracked.holds_tracked(frame):
            return "tracked bodies"
        if openpose.KEY in frame:
            return "OpenPose people"
        return "bodies" if any(key in frame for key in bodies.KEYS) else None
    if isinstance(frame, list) and all(isinstance(body, dict) for body in frame):
        if any(map(landmarks.holds_landmarks, frame)):
            return "MediaPipe landmarks"
        if tracked.holds_tracked({"bodies": frame}):
            return "tracked bodies"
    innermost = frame
    while isinstance(innermost, list):
        innermost = next((member for member in innermost if member is not None), None)
    if landmarks.is_landmark(innermost):
        return "MediaPipe landmarks"
    numbers = isinstance(innermost, int | float) and isinstance(frame, list)
    return "bodies" if numbers and isinstance(frame[0], list | None) else None


def _is_nobody(frame: Any) -> bool:
    """Whether a frame is empty, or all that it could hold of people is."""
    if not isinstance(frame, dict):
        return not frame
    keys = (*tracked.KEYS, *landmarks.KEYS, *bodies.KEYS)
    people = [frame[key] for key in keys if key in frame]
    return not frame or (bool(people) and not any(people))


def _times(frames: list[Any], source: str) -> Seconds | None:
    """Times of the frames, (N,), seconds; None unless every frame has its time."""
    if not all(isinstance(frame, dict) for frame in frames):
        return None
    for key in frames[0]:
        unit = unit_in(key)
        if unit is None or not all(key in frame for frame in frames):
            continue
        values = [frame[key] for frame in frames]
        times = seconds_of(values, unit)
        if times is not None:
            return times
        if not all(isinstance(value, int | float) for value in values):
            raise ClipError(source, f"{key!r} of a frame is no number and no date")
    return None


def _shorten(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:40] + "…"
