"""The recording that every reader gives, and how to make a clip of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.clip import MAX_RECORDING_FRAMES, Clip, check_frame_count
from stars_infer.clips.convention import STANDARD, Convention, to_standard
from stars_infer.errors import ClipError, NobodyError, UsageError
from stars_infer.layouts import Layout, get_layout, layout_for_names, list_joints

MOST_BODIES = 100
"""No sensor tracks more at once; a larger number is damage."""
MOST_JOINTS = 500
"""More than a hierarchy with fingers and face has."""
MOST_POINTS = 20_000_000
"""Bodies times frames times joints: seven hours of one Kinect body."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """The joints of one clip, as they are in its file.

    Axes: `M` bodies, `T` frames, `V` joints of the file.

    Attributes:
        joints: Positions in the file's units and axes: (M, T, V, 3) with NaN where missing if there
            is a `presence`, else any shape that `Clip.from_array` takes.
        source: Name of the file, for messages and results.
        presence: Whether a body is seen in a frame, (M, T).
        confidence: Confidence of each point, 0 to 1, (M, T, V).
        joint_names: Names of the V joints, if the file gives them.
        stated: The convention that the file states.
        default: The convention that is usual in its format.
        notes: Remarks of the reader, for people.
        name: Name of the clip within its file.
        computed: Whether positions are computed, so that none is ever lost; as in
            `Clip.from_array`.
    """

    joints: NDArray[np.generic]
    source: str
    presence: BoolArray | None = None
    confidence: FloatArray | None = None
    joint_names: tuple[str, ...] = ()
    stated: Convention = field(default_factory=Convention)
    default: Convention = STANDARD
    notes: tuple[str, ...] = ()
    name: str = ""
    computed: bool = False


def clip_of(recording: Recording, given: Convention, *, uncut: bool = False) -> Clip:
    """Make a clip: its layout's joints, in meters, y up, right-handed; doubts become its notes.

    Args:
        recording: What the file holds.
        given: What the caller says of it, which counts more than what the file says.
        uncut: It is to be cut into actions: `recording` of `Clip.from_array`.

    Raises:
        ClipError: If its layout is not known or does not fit, or it holds no usable motion.
        UsageError: If the caller's layout does not exist.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is missing
        return _clip_of(recording, given, uncut=uncut)


def _clip_of(recording: Recording, given: Convention, *, uncut: bool) -> Clip:
    known = given.over(recording.stated)
    convention = known.over(recording.default).over(STANDARD)
    if recording.presence is not None and not recording.presence.any():
        raise NobodyError(recording.source, "no body in any frame: record it again")
    recording, layout = _in_layout(recording, known.layout, recording.default.layout)
    assert convention.fps is not None
    if recording.presence is None:
        made = Clip.from_array(
            recording.joints,
            layout=layout,
            units=convention.units or "m",
            up=convention.up or "y",
            handedness=convention.handedness or "right",
            fps=convention.fps,
            source=recording.source,
            recording=uncut,
            computed=recording.computed,
        )
    else:
        joints = np.asarray(to_standard(recording.joints, convention), np.float32)
        seen = recording.presence
        made = Clip.from_tracks(
            joints if seen.all() else np.where(seen[:, :, None, None], joints, np.float32(0)),
            seen,
            layout=layout,
            fps=convention.fps,
            source=recording.source,
            confidence=recording.confidence,
            recording=uncut,
            computed=recording.computed,
            convention=convention,
        )
    notes = (*recording.notes, *made.notes)
    # An array that is mapped from its file would change with it.
    bodies = made.bodies if made.bodies.flags.owndata else made.bodies.copy()
    return replace(made, bodies=bodies, notes=notes)


def convention_in(source: str, **stated: object) -> Convention:
    """Check the convention that a file states.

    Args:
        source: Name of the file for messages.
        stated: Attributes of `Convention` as the file has them; None where it has none.

    Raises:
        ClipError: If a value is not valid.
    """
    checked: dict[str, str | float | None] = {}
    for name, value in stated.items():
        if value is None:
            continue
        if name == "fps":
            checked[name] = _number(value, source)
        elif isinstance(value, str):
            checked[name] = value
        else:
            raise ClipError(source, f"{name} in the file must be text, not {str(value)[:24]}")
    try:
        if isinstance(layout := checked.get("layout"), str):
            _check_layout(layout)
        return Convention(**checked)  # type: ignore[arg-type]
    except UsageError as error:
        raise ClipError(source, f"in the file: {error}") from error


def _number(value: object, source: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise ClipError(source, "fps in the file is not a number") from error


def _check_layout(name: str) -> None:
    """Refuse a layout that does not come with the package: no clip file may open another file."""
    if name.lower().endswith(".toml"):
        raise UsageError(f"layout {name[:40]!r}: an own layout is named by --layout")
    get_layout(name[:40])


def empty_tracks(bodies: int, frames: int, joints: int, *, source: str) -> FloatArray:
    """Make tracks (M, T, V, 3) in which all is missing (NaN).

    Raises:
        ClipError: If there are too few or too many frames, or too many bodies or joints.
    """
    check_frame_count(frames, source=source, recording=True)
    if bodies > MOST_BODIES:
        raise ClipError(source, f"{bodies:,} bodies, more than the {MOST_BODIES} of a clip")
    if joints > MOST_JOINTS:
        raise ClipError(source, f"{joints:,} joints, more than the {MOST_JOINTS} of a body")
    if bodies * frames * joints > MOST_POINTS:
        raise ClipError(
            source, f"{bodies} bodies of {joints} joints in {frames:,} frames are too many for one "
            "file: cut it into parts"
        )  # fmt: skip
    return np.full((bodies, frames, joints, 3), np.nan, np.float32)


def frame_numbers(times: NDArray[np.float64], *, source: str) -> tuple[NDArray[np.intp], float]:
    """Number frames by their times, so that dropped frames leave a gap.

    Args:
        times: Seconds (N,), rising.
        source: Name for messages.

    Returns:
        The frame number of each time, from 0, and the frame rate in frames per second, which is one
        over the median difference of neighboring times. Two times never share a frame number.

    Raises:
        ClipError: If a time is missing, if times do not rise, or if they span too many frames.
    """
    if not np.isfinite(times).all():
        row = int(np.argmax(~np.isfinite(times)))
        raise ClipError(source, f"the time of frame {row} is missing or not finite")
    steps = np.diff(times)
    if len(steps) and steps.min() <= 0:
        row = int(np.argmax(steps <= 0)) + 1
        raise ClipError(source, f"the time of frame {row}, {times[row]:g} s, is not after the one "
                        "before")  # fmt: skip
    step = float(np.median(steps)) if len(steps) else 1 / 30
    counts = np.maximum(np.rint(steps / step), 1)
    if counts.sum() > MAX_RECORDING_FRAMES:
        raise ClipError(
            source, f"from {times[0]:g} to {times[-1]:g} s are more than {MAX_RECORDING_FRAMES:,} "
            f"frames of {step:g} s: cut it into parts"
        )  # fmt: skip
    return np.concatenate(([0], np.cumsum(counts))).astype(np.intp), 1 / step


def _in_layout(
    recording: Recording, named: str | None, default: str | None
) -> tuple[Recording, str]:
    """Reduce a recording to the joints of its layout, in their order, and name the layout."""
    names, source = recording.joint_names, recording.source
    if not names:
        layout = named or default
        if layout is None:
            raise ClipError(
                source, "the file does not say which joints these are: pass --layout "
                "(`stars layouts` lists them)"
            )  # fmt: skip
        known = len(get_layout(layout).joints)
        # Without presence the array may have any shape, which `Clip.from_array` checks.
        if recording.presence is not None and (count := recording.joints.shape[-2]) != known:
            raise ClipError(
                source, f"{count} joints, but layout {layout!r} has {known}: pass "
                "another --layout (`stars layouts` lists them)"
            )  # fmt: skip
        return recording, layout
    if named is None:
        found = layout_for_names(names)
        if found is None:
            raise ClipError(
                source, f"the joints {list_joints(names)} are those of no known layout: describe "
                "them in a TOML file (docs/layouts.md) and pass it with --layout"
            )  # fmt: skip
    elif names == (told := get_layout(named)).joints:
        return recording, told.name
    else:
        found = layout_for_names(names, among=[told])
        if found is None:
            raise ClipError(source, _misfit(recording, get_layout(named)))
    layout_found, places = found
    joints = np.take(recording.joints, places, axis=-2)
    confidence = recording.confidence
    if confidence is not None:
        confidence = np.take(confidence, places, axis=-1)
    return replace(recording, joints=joints, confidence=confidence), layout_found.name


def _misfit(recording: Recording, layout: Layout) -> str:
    if recording.stated.layout:
        return f"the file has the layout {recording.stated.layout!r}, not {layout.name!r}"
    names = recording.joint_names
    missing = next((joint for joint in layout.joints if joint not in names), layout.joints[0])
    return (
        f"the joints {list_joints(names)} are not those of layout {layout.name!r}, of which "
        f"{missing!r} is missing: name another --layout"
    )
