"""Measure what a clip holds: who is seen when, bone lengths, jumps, facing and path.

Axes: `T` frames, `V` joints.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.actors import ACTS, roles_of
from stars_infer.clips.anatomy import (
    UNITS_PER_METER,
    Limb,
    likely_unit,
    measure_limbs,
    person_scale,
    uneven_limbs,
)
from stars_infer.clips.clip import Clip
from stars_infer.clips.gaps import runs
from stars_infer.layouts import NTU25_INDEX, get_layout
from stars_infer.preprocessing.normalize import SIDES

FASTEST = 15.0
"""Speed that no joint of a person reaches, m/s: a boxer's fist reaches about 12."""
MOTIONLESS_RANGE = 0.001
"""A joint never moves if its positions lie within this distance of each other, meters."""
SMOOTHING = 0.5
"""Seconds over which the body's position is averaged before its path is measured."""

Positions = NDArray[np.float64]

_BASE, _HEAD = NTU25_INDEX["base of spine"], NTU25_INDEX["head"]
_ANKLES = [NTU25_INDEX["left ankle"], NTU25_INDEX["right ankle"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span of time, in seconds from the start of the clip."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTrouble:
    """A joint that looks wrong.

    Attributes:
        joint: Name of the joint in the layout.
        still: Whether it never moves.
        jumps: Share of the steps between frames in which it is faster than `FASTEST`.
        at_origin: Share of the frames in which it is at exactly (0, 0, 0).
    """

    joint: str
    still: bool
    jumps: float
    at_origin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Position and path of the base of a body's spine, meters.

    Attributes:
        center: Mean position (x, y, z).
        length: Length of the path on the level, smoothed over `SMOOTHING`.
        reach: Greatest distance on the level from the start.
    """

    center: tuple[float, float, float]
    length: float
    reach: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyInspection:
    """One body of a clip.

    Attributes:
        number: Number of the body in the clip, from 0.
        actor: Whether it is compared when the clip is named.
        role: That it acts, or why it is left out, as in `stars_infer.clips.actors.roles_of`.
        seen: Spans of time in which it is seen.
        share: Share of the frames in which it is seen.
        repeated: Share of its frames that equal the frame before.
        scale: Size over that of a standard adult.
        unit: The unit that its positions seem to be in, if not meters.
        limbs: Its limbs, compared with a person's.
        troubles: Joints that never move, jump or lie at the origin.
        up: The axis along which it mostly stands, such as `+y`.
        facing: Mean direction in which it faces on the level, in degrees: 0 is toward -z, where a
            Kinect stands, and 90 toward +x. None if it does not stand along y.
        turning: Degrees between its outermost directions; None likewise.
        way: Its position and path.
        findings: What looks wrong, in words.
    """

    number: int
    actor: bool
    role: str
    seen: tuple[Span, ...]
    share: float
    repeated: float
    scale: float
    unit: str | None
    limbs: tuple[Limb, ...]
    troubles: tuple[JointTrouble, ...]
    up: str
    facing: float | None
    turning: float | None
    way: Way
    findings: tuple[str, ...]

    @property
    def height(self) -> float:
        """Standing height in centimeters, provided that the file is in meters."""
        return next(limb.centimeters for limb in self.limbs if limb.kind == "height")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was read from a clip.

    Attributes:
        source: Where the clip comes from.
        layout: Name of its joint layout.
        joints: Number of joints, V.
        frames: Number of frames, T.
        seconds: Duration.
        fps: Frames per second.
        gaps: Spans of time in which nobody is seen.
        notes: What was filled in or seems odd, in words; see `Clip.notes`.
        bodies: The bodies that are seen.
    """

    source: str
    layout: str
    joints: int
    frames: int
    seconds: float
    fps: float
    gaps: tuple[Span, ...]
    notes: tuple[str, ...]
    bodies: tuple[BodyInspection, ...]

    def to_json(self) -> dict[str, Any]:
        """Convert to plain containers, with numbers rounded to four decimals."""
        plain = _round(asdict(self))
        assert isinstance(plain, dict)
        return plain


def inspect_clip(clip: Clip) -> Inspection:
    """Measure what a clip holds; see `Inspection`."""
    roles = roles_of(clip)
    return Inspection(
        source=clip.source,
        layout=clip.layout,
        joints=clip.bodies.shape[2],
        frames=clip.frames,
        seconds=clip.frames / clip.fps,
        fps=clip.fps,
        gaps=_spans(np.asarray(~clip.presence.any(axis=0)), clip.fps),
        notes=clip.notes,
        bodies=tuple(_inspect_body(clip, number, role) for number, role in sorted(roles.items())),
    )


def _inspect_body(clip: Clip, number: int, role: str) -> BodyInspection:
    layout = get_layout(clip.layout)
    seen = clip.presence[number]
    joints = clip.bodies[number, seen]
    steps = np.diff(joints.astype(np.float64), axis=0)[np.diff(np.flatnonzero(seen)) == 1]
    ntu25 = np.einsum("jv,tvc->tjc", layout.ntu25_matrix(), joints)
    scale = person_scale(ntu25)
    unit = likely_unit(scale)
    meter = UNITS_PER_METER[unit] if unit else 1.0
    limbs = measure_limbs(ntu25, synthesized=layout.synthesized)
    troubles = _troubles(joints, steps, layout.joints, fps=clip.fps, meter=meter)
    up, axis = _up(ntu25)
    facing, turning = _facing(ntu25) if up == "+y" else (None, None)
    return BodyInspection(
        number=number,
        actor=role == ACTS,
        role=role,
        seen=_spans(seen, clip.fps),
        share=float(seen.mean()),
        repeated=float((~steps.any(axis=(1, 2))).mean()) if len(steps) else 0.0,
        scale=scale,
        unit=unit,
        limbs=limbs,
        troubles=troubles,
        up=up,
        facing=facing,
        turning=turning,
        way=_way(ntu25[:, _BASE].astype(np.float64), axis, clip.fps),
        findings=tuple(_findings(scale, unit, limbs, up)),
    )


def _spans(mask: BoolArray, fps: float) -> tuple[Span, ...]:
    """Convert the runs of true values in a mask (T,) to spans; a frame lasts 1 / fps seconds."""
    return tuple(
        Span(start=start / fps, end=(start + frames) / fps) for start, frames in runs(mask)
    )


def _troubles(
    joints: FloatArray, steps: Positions, names: tuple[str, ...], *, fps: float, meter: float
) -> tuple[JointTrouble, ...]:
    """List the joints of (T, V, 3) that look wrong; `meter` is a meter in units of the file."""
    still = np.ptp(joints, axis=0).max(axis=1) < MOTIONLESS_RANGE * meter
    speed = np.linalg.norm(steps, axis=2) * fps
    jumps = (speed > FASTEST * meter).mean(axis=0) if len(steps) else np.zeros(len(names))
    at_origin = (~joints.any(axis=2)).mean(axis=0)
    if len(joints) < 2:
        still[:] = False
    return tuple(
        JointTrouble(
            joint=name,
            still=bool(still[v]),
            jumps=float(jumps[v]),
            at_origin=float(at_origin[v]),
        )
        for v, name in enumerate(names)
        if still[v] or jumps[v] or at_origin[v]
    )


def _up(ntu25: FloatArray) -> tuple[str, int]:
    """Find the axis nearest to the direction from ankles to head, and its number."""
    upward = np.median(ntu25[:, _HEAD] - ntu25[:, _ANKLES].mean(axis=1), axis=0)
    axis = int(np.argmax(np.abs(upward)))
    return f"{'+' if upward[axis] >= 0 else '-'}{'xyz'[axis]}", axis


def _facing(ntu25: FloatArray) -> tuple[float, float]:
    """Measure the mean facing over the clip and how far it turns, degrees."""
    across = np.sum([ntu25[:, right] - ntu25[:, left] for left, right in SIDES], axis=0)
    angles = np.unwrap(np.arctan2(across[:, 2], across[:, 0]))
    mean = across.sum(axis=0)
    return float(np.degrees(np.arctan2(mean[2], mean[0]))), float(np.degrees(np.ptp(angles)))


def _way(root: Positions, up: int, fps: float) -> Way:
    """Measure the path of (T, 3) on the level, at right angles to the axis `up`."""
    width = min(len(root), max(1, round(SMOOTHING * fps)))
    level = np.delete(root, up, axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(level, width, axis=0)
    smooth = windows.mean(axis=2)
    x, y, z = root.mean(axis=0).tolist()
    return Way(
        center=(x, y, z),
        length=float(np.linalg.norm(np.diff(smooth, axis=0), axis=1).sum()),
        reach=float(np.linalg.norm(smooth - smooth[0], axis=1).max()),
    )


def _findings(scale: float, unit: str | None, limbs: tuple[Limb, ...], up: str) -> list[str]:
    findings = []
    if unit:
        findings.append(
            f"{scale:,.0f} times a person's size: are these {unit}? Positions are taken as meters"
        )
    elif {limb.verdict for limb in limbs} <= {"short", "long"}:
        findings.append(f"{scale:,.2g} times a person's size, in no usual unit: a person at all?")
    findings += [
        f"left and right {kind} differ by {percent:.0f} %" for kind, percent in uneven_limbs(limbs)
    ]
    if up != "+y":
        findings.append(
            f"the head is towards {up} from the feet: y is read as up; is it {up} in this file, "
            "or does the person lie?"
        )
    return findings


def _round(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _round(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_round(inner) for inner in value]
    return value
