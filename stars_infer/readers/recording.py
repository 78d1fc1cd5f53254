"""The recording that every reader gives, and how to make a clip of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.clip import MAX_RECORDING_FRAMES, Clip, check_frame_count
from stars_infer.clips.convention import AUTO, STANDARD, Convention, option, to_standard
from stars_infer.errors import ClipError, FlatError, NobodyError, UsageError
from stars_infer.layouts import (
    Layout,
    get_layout,
    layouts_with,
    list_joints,
    match_names,
    nearest_layout,
    numbers_in,
)
from stars_infer.readers.bounds import check_points

_RATE = f"{STANDARD.fps:g} frames per second are taken"
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
        identified: Whether the source says who each body is, so that none changes places.
        flat: Why positions are those of a picture, whose z says nothing, and what to do instead;
            empty if they are positions in space.
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
    identified: bool = False
    flat: str = ""


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
    if recording.flat and given.flat is None:
        raise FlatError(
            recording.source, f"{recording.flat}; or, for clips in 2D, pass {option('flat', '')}"
        )
    convention = known.over(recording.default).over(STANDARD)
    if known.flat and known.up is None and recording.default.up in (None, "y"):
        convention = replace(convention, up=AUTO)
    if recording.presence is not None and not recording.presence.any():
        raise NobodyError(recording.source, "no body in any frame: record it again")
    recording, layout = _in_layout(recording, given.layout)
    assert convention.fps is not None
    if recording.presence is None:
        made = Clip.from_array(
            recording.joints,
            layout=layout,
            units=convention.units or "m",
            up=convention.up,
            handedness=convention.handedness or "right",
            fps=convention.fps,
            flat=bool(convention.flat),
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
            identified=recording.identified,
            convention=convention,
        )
    unknown = "" if known.fps or recording.default.fps else f"no times: {_RATE} (--fps)"
    notes = (*filter(None, (*recording.notes, unknown)), *made.notes)
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


def empty_tracks(
    bodies: int, frames: int, joints: int, *, source: str, size: int | None
) -> FloatArray:
    """Make tracks (M, T, V, 3) in which all is missing (NaN).

    Args:
        bodies: M.
        frames: T.
        joints: V.
        source: Name of the file for messages.
        size: Its size in bytes; None if the tracks come from no file.

    Raises:
        ClipError: If there are too few or too many frames, or too many bodies or joints, or more
            than a file of this size can hold.
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
    check_points(bodies * frames * joints, source=source, size=size)
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
    if times.ndim != 1:
        raise ClipError(source, "the time of a frame is a list; it must be a number of seconds")
    if not np.isfinite(times).all():
        row = int(np.argmax(~np.isfinite(times)))
        raise ClipError(source, f"the time of frame {row} is missing or not finite")
    steps = np.diff(times)
    if len(steps) and steps.min() <= 0:
        row = int(np.argmax(steps <= 0)) + 1
        raise ClipError(source, f"the time of frame {row}, {times[row]:g} s, is not after the one "
                        "before")  # fmt: skip
    step = float(np.median(steps)) if len(steps) else 1 / 30
    with np.errstate(over="ignore"):  # infinitely many frames are too many
        counts = np.maximum(np.rint(steps / step), 1)
    if counts.sum() > MAX_RECORDING_FRAMES:
        raise ClipError(
            source, f"from {times[0]:g} to {times[-1]:g} s are more than {MAX_RECORDING_FRAMES:,} "
            f"frames of {step:g} s: cut it into parts"
        )  # fmt: skip
    return np.concatenate(([0], np.cumsum(counts))).astype(np.intp), 1 / step


def _in_layout(recording: Recording, given: str | None) -> tuple[Recording, str]:
    """Reduce a recording to the joints of its layout, in their order, and name the layout.

    Args:
        recording: The recording.
        given: The layout that the caller names.
    """
    recording = _numbered(recording)
    named = given or recording.stated.layout
    if recording.joint_names:
        return _by_names(recording, named, given)
    layout = named or recording.default.layout
    count = recording.joints.shape[-2] if recording.joints.ndim > 1 else 0
    source = recording.source
    if layout is None:
        fitting = " or ".join(layouts_with(count))
        raise ClipError(
            source, "the file does not say which joints these are: pass --layout "
            f"{fitting}{' ' if fitting else ''}(`stars layouts` lists them)"
            + "".join(f"; {note}" for note in recording.notes)
        )  # fmt: skip
    if named is None and layout == "ntu25" and count == len(get_layout("smpl22").joints):
        note = f"{count} joints: taken to be SMPL's without hands; if they are not, pass --layout"
        return replace(recording, notes=(*recording.notes, note)), "smpl22"
    known = len(get_layout(layout).joints)
    # Without presence the array may have any shape, which `Clip.from_array` checks.
    if recording.presence is not None and count != known:
        raise ClipError(
            source, f"{count} joints, but layout {layout!r} has {known}: pass "
            "another --layout (`stars layouts` lists them)"
        )  # fmt: skip
    return recording, layout


def _numbered(recording: Recording) -> Recording:
    """Put joints in order whose names are only numbers, and check that there are as many names."""
    names = recording.joint_names
    if names and len(names) != recording.joints.shape[-2]:
        raise ClipError(
            recording.source, f"{len(names)} joint names, but {recording.joints.shape[-2]} joints: "
            "name each joint once"
        )  # fmt: skip
    numbers = numbers_in(names)
    if numbers is None:
        return recording
    return replace(_take(recording, np.argsort(numbers)), joint_names=())


def _by_names(recording: Recording, named: str | None, given: str | None) -> tuple[Recording, str]:
    """Find the joints of a layout by their names."""
    names, told = recording.joint_names, get_layout(named) if named else None
    found = match_names(names, among=None if told is None else [told])
    notes: list[str] = []
    if found is None and given and (found := match_names(names)) is not None:
        notes.append(
            f"its joints are named as those of {found.layout.name!r}, not of {given!r}: read as "
            f"{found.layout.name!r}"
        )
    if found is None:
        raise ClipError(recording.source, _misfit(names, told, stated=not given))
    layout, missing = found.layout, set(found.missing)
    recording = _take(recording, np.array(found.places))
    for joint in found.missing:
        at = layout.joints.index(joint)
        mixture = layout.stand_in.get(joint, {joint: 1.0})
        recording.joints[..., at, :] = np.nan
        if missing.isdisjoint(mixture):
            _stand_in(recording, at, {layout.joints.index(one): w for one, w in mixture.items()})
            notes.append(f"{joint} is not in the file: taken between {list_joints([*mixture])}")
    return replace(recording, notes=(*recording.notes, *notes)), layout.name


def _take(recording: Recording, places: NDArray[np.intp]) -> Recording:
    """Take the joints at these places, in their order; positions are copied."""
    confidence = recording.confidence
    return replace(
        recording,
        joints=np.take(recording.joints, places, axis=-2),
        confidence=None if confidence is None else np.take(confidence, places, axis=-1),
    )


def _stand_in(recording: Recording, joint: int, mixture: dict[int, float]) -> None:
    """Place a joint where a mixture of others is, as surely as the least sure of them is known."""
    parts = list(mixture)
    weights = np.array([[mixture[part]] for part in parts], np.float32)
    points = np.asarray(recording.joints[..., parts, :], np.float32)
    recording.joints[..., joint, :] = (weights * points).sum(axis=-2)
    if recording.confidence is not None:
        recording.confidence[..., joint] = recording.confidence[..., parts].min(axis=-1)


def _misfit(names: tuple[str, ...], told: Layout | None, *, stated: bool) -> str:
    """Say why names are those of no layout, or not of the one that was told."""
    near = nearest_layout(names, among=None if told is None else [told])
    lacks = "" if near is None else list_joints(near.lacking or near.missing)
    if told is not None:
        what = "that the file names, " if stated else ""
        return (
            f"the joints {list_joints(names)} are not those of layout {told.name!r}, {what}of "
            f"which it lacks {lacks or list_joints(told.joints)}: name another --layout (`stars "
            "layouts` lists them)"
        )
    nearest = f" (the nearest is {near.layout.name!r}, of which it lacks {lacks})" if near else ""
    return (
        f"the joints {list_joints(names)} are those of no known layout{nearest}: describe them in "
        "a TOML file (docs/layouts.md) and pass it with --layout"
    )
