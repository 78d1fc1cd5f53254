"""JSON, `.json` and `.jsonl`: MediaPipe landmarks, OpenPose people, or the project's own form.

A `.json` file is a list of frames, or an object with `frames` and a description (`layout`, `fps`,
`units`, `up`, `handedness`, `joint_names`). In the project's own form, the object may hold whole
`bodies` in place of `frames`. In a `.jsonl` file every line is a frame, except that the first may
be a description.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.clips.clip import check_frame_count
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.readers import bodies, landmarks, openpose
from stars_infer.readers.poses import Pose, tracks_of
from stars_infer.readers.recording import Recording, convention_in, frame_numbers

DESCRIPTION = ("layout", "fps", "units", "up", "handedness")
TIMES = {"time": 1.0, "time_ms": 0.001, "timestamp_ms": 0.001}
"""Keys that hold the time of a frame, and the seconds of their unit."""
FRAME_FORMS: dict[str, tuple[Callable[[Any, str, str], list[Pose]], Convention]] = {
    "MediaPipe landmarks": (landmarks.poses_of_landmarks, landmarks.DEFAULTS),
    "OpenPose people": (openpose.poses_of_people, openpose.DEFAULTS),
    "bodies": (bodies.poses_of_bodies, bodies.DEFAULTS),
}


def read_json(path: Path) -> tuple[Recording, ...]:
    """Read a clip from one JSON value.

    Raises:
        ClipError: If the file is not JSON, or in none of the known forms; the message names the
            line or the frame.
    """
    source = str(path)
    content = parse_json(_text(path), source)
    if isinstance(content, list):
        return (recording_of_frames({}, content, source),)
    if not isinstance(content, dict):
        raise ClipError(source, f"expected an object or a list of frames. {KNOWN_FORMS}")
    if isinstance(frames := content.get("frames"), list):
        return (recording_of_frames(content, frames, source),)
    if frame_form_of(content) not in (None, "bodies"):
        raise ClipError(
            source, "holds a single frame, but a motion needs more: put the frames into one list, "
            "or a line each into a .jsonl file"
        )  # fmt: skip
    if "bodies" not in content:
        raise ClipError(source, f"no bodies and no frames. {KNOWN_FORMS}")
    return (bodies.recording_of_bodies(content, header_convention(content, source), source),)


def read_jsonl(path: Path) -> tuple[Recording, ...]:
    """Read a clip from JSON lines, one frame each; blank lines are skipped.

    Raises:
        ClipError: As for `read_json`.
    """
    source = str(path)
    lines = [
        (number, line)
        for number, line in enumerate(_text(path).split("\n"), start=1)
        if line.strip()
    ]
    if not lines:
        raise ClipError(source, "the file is empty")
    frames = [parse_json(line, source, line=number) for number, line in lines]
    header: dict[str, Any] = {}
    if isinstance(frames[0], dict) and frames[0] and frame_form_of(frames[0]) is None:
        header = frames.pop(0)
    return (recording_of_frames(header, frames, source),)


KNOWN_FORMS = (
    "Known forms are MediaPipe world landmarks, OpenPose people with pose_keypoints_3d, and "
    "bodies as nested lists (docs/sources.md)"
)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClipError(str(path), f"not UTF-8 text ({error.reason}): save it as UTF-8") from error


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


def recording_of_frames(header: dict[str, Any], frames: list[Any], source: str) -> Recording:
    """Make a recording of frames, which must all have the same form.

    Args:
        header: What the file says of them.
        frames: The frames as JSON has them; None for one in which nobody is seen.
        source: Name of the file for messages.

    Raises:
        ClipError: If a frame is in none of the known forms, or in another than the first.
    """
    check_frame_count(len(frames), source=source, recording=True)
    form, at = None, 0
    for number, frame in enumerate(frames):
        found = frame_form_of(frame)
        if found is None and frame:
            raise ClipError(source, f"frame {number} is {_shorten(frame)}. {KNOWN_FORMS}")
        if form is not None and found not in (None, form):
            raise ClipError(source, f"frame {number} holds {found}, but frame {at} {form}")
        if form is None and found is not None:
            form, at = found, number
    poses_of, default = FRAME_FORMS[form or "bodies"]
    people = [
        poses_of(frame, f"frame {number}", source) if frame else []
        for number, frame in enumerate(frames)
    ]
    numbers, fps = _timing(frames, source)
    tracks, presence, confidence = tracks_of(people, source=source, numbers=numbers)
    names = bodies.joint_names_in(header, source) or next(
        (pose.names for poses in people for pose in poses), ()
    )
    return Recording(
        joints=tracks,
        presence=presence,
        confidence=confidence,
        source=source,
        joint_names=names,
        stated=header_convention(header, source).over(convention_in(source, fps=fps)),
        default=default,
    )


def frame_form_of(frame: Any) -> str | None:
    """Recognize the form of a frame; None if it holds nobody, or has no known form."""
    if isinstance(frame, dict):
        if openpose.KEY in frame:
            return "OpenPose people"
        if any(key in frame for key in landmarks.KEYS):
            return "MediaPipe landmarks"
        return "bodies" if any(key in frame for key in bodies.KEYS) else None
    innermost = frame
    while isinstance(innermost, list):
        innermost = next((member for member in innermost if member is not None), None)
    if landmarks.is_landmark(innermost):
        return "MediaPipe landmarks"
    numbers = isinstance(innermost, int | float) and isinstance(frame, list)
    return "bodies" if numbers and isinstance(frame[0], list | None) else None


def _timing(frames: list[Any], source: str) -> tuple[Any, float | None]:
    """Frame numbers and frame rate, or None and None unless every frame has its time."""
    for key, seconds in TIMES.items():
        if all(isinstance(frame, dict) and key in frame for frame in frames):
            try:
                times = np.array([frame[key] for frame in frames], np.float64) * seconds
            except (TypeError, ValueError, OverflowError) as error:
                raise ClipError(source, f"{key!r} of a frame is no number ({error})") from error
            return frame_numbers(times, source=source)
    return None, None


def _shorten(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:40] + "…"
