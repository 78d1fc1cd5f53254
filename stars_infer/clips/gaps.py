"""Fill in joints that are missing for a while or in the whole clip.

A short gap is interpolated in time. In a longer one, the neighboring joint carries the missing one:
the bone between them turns steadily from where it was last seen to where it is seen next, so that
the joint moves with the body. A joint that is never seen is placed where people have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.placement import Placement
from stars_infer.errors import ClipError
from stars_infer.layouts import list_joints

if TYPE_CHECKING:
    from stars_infer.arrays import BoolArray, FloatArray
    from stars_infer.layouts import Layout

MAX_GAP = 10
"""Longest gap that is interpolated, in frames at 30 Hz: a third of a second."""
_TRUNK = ("base of spine", "left hip", "right hip", "left shoulder", "right shoulder")
"""NTU-25 joints that must be known for the others to be filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """A gap in the positions of a joint, and how it was filled."""

    joint: str
    start: int
    frames: int
    how: str
    """`interpolated`, `carried` or `placed`."""
    by: str
    """The neighboring joint that carries it."""


def fill_gaps(
    bodies: FloatArray,
    presence: BoolArray,
    *,
    layout: Layout,
    source: str,
    max_gap: int = MAX_GAP,
    uncertain: bool = False,
) -> tuple[FloatArray, tuple[str, ...]]:
    """Give every joint of a present body a position.

    Args:
        bodies: (M, T, V, 3); NaN or infinite where a joint is missing.
        presence: (M, T); frames in which a body is absent stay as they are.
        layout: Layout of the joints.
        source: Name for messages.
        max_gap: Longest gap that is interpolated, in frames.
        uncertain: Whether joints may also be missing because the tracker was unsure of them; the
            notes say so.

    Returns:
        The same array if it has no gap, else a copy without gaps; and notes on what was filled in.

    Raises:
        ClipError: If most joints of a body are never seen, or its hips and shoulders are not known
            well enough to carry the rest.
    """
    missing = ~np.isfinite(bodies).all(axis=3) & presence[:, :, None]
    if not missing.any():
        return bodies, ()
    filled = bodies.copy()
    notes: list[str] = []
    lack = "missing or uncertain" if uncertain else "missing"
    for body in np.flatnonzero(missing.any(axis=(1, 2))):
        mender = _Mender(
            filled[body], presence[body], missing[body], layout, f"body {body}", source, max_gap
        )
        gaps = sorted(mender.mend(), key=lambda gap: (layout.joints.index(gap.joint), gap.start))
        notes += _notes(gaps, f"body {body}", lack)
    return filled, tuple(notes)


def drop_lost_bodies(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout, source: str, max_gap: int = MAX_GAP
) -> tuple[FloatArray, BoolArray, tuple[str, ...]]:
    """Count a body as absent while too little of it is known to fill in the rest.

    If it is the only body of a clip, that is an error. Beside other bodies, and in a recording
    where a person may turn away for minutes, what remains is still of use.

    Args:
        bodies: (M, T, V, 3); NaN or infinite where a joint is missing.
        presence: (M, T).
        layout: Layout of the joints.
        source: Name for messages.
        max_gap: Longest gap that is interpolated, in frames.

    Returns:
        Bodies, which are zero where absent, their presence, and notes. `fill_gaps` can fill in what
        is left.

    Raises:
        ClipError: If nobody is left; the message is about the body that was seen longest.
    """
    missing = ~np.isfinite(bodies).all(axis=3) & presence[:, :, None]
    left, notes = presence.copy(), []
    errors: dict[int, ClipError] = {}
    for body in np.flatnonzero(missing.any(axis=(1, 2))).tolist():
        name = f"body {body}"
        mender = _Mender(bodies[body], left[body], missing[body], layout, name, source, max_gap)
        lost = mender.lost()
        if (left[body] & ~lost).any():
            left[body] &= ~lost
            seen = missing[body] & ~lost[:, None]
            mender = _Mender(bodies[body], left[body], seen, layout, name, source, max_gap)
        try:
            mender.check_enough()
            mender.anchor()
        except ClipError as error:
            errors[body] = error
            left[body] = False
        if (gone := int((presence[body] & ~left[body]).sum())) > 0:
            notes.append(f"{name} is not known well enough in {gone:,} frame(s): absent there")
    if errors and not left.any():
        raise errors[max(errors, key=lambda body: int(presence[body].sum()))]
    if not notes:
        return bodies, presence, ()
    return np.where(left[:, :, None, None], bodies, np.float32(0)), left, tuple(notes)


class _Mender:
    """Fills in the joints of one body, in place."""

    def __init__(
        self,
        joints: FloatArray,
        present: BoolArray,
        missing: BoolArray,
        layout: Layout,
        body: str,
        source: str,
        max_gap: int,
    ) -> None:
        self.joints = joints
        """(T, V, 3)."""
        self.present = present
        """(T,)."""
        self.missing = missing
        """(T, V); false where the body is absent."""
        self.known = present[:, None] & ~missing
        self.layout = layout
        self.body = body
        self.source = source
        self.max_gap = max_gap

    def mend(self) -> Iterator[_Gap]:
        """Fill all gaps, from the anchor outward."""
        self.check_enough()
        anchor = self.anchor()
        inward = _inward(self.layout, anchor)
        placement = Placement(self.joints, self.known, self.layout)
        for joint, carrier in inward.items():
            gap = self.missing[:, joint]
            if not gap.any():
                continue
            name, by = self.layout.joints[joint], self.layout.joints[carrier]
            if not self.known[:, joint].any():
                offset = placement.offset(joint, carrier, inward[carrier])
                self.joints[gap, joint] = self.joints[gap, carrier] + offset[gap]
                start, frames = int(np.argmax(gap)), int(gap.sum())
                yield _Gap(joint=name, start=start, frames=frames, how="placed", by=by)
                continue
            known = np.flatnonzero(self.known[:, joint])
            for start, frames in runs(gap):
                bridged = self.bridge(joint, carrier, known, slice(start, start + frames))
                how = "interpolated" if bridged else "carried"
                yield _Gap(joint=name, start=start, frames=frames, how=how, by=by)

    def bridge(self, joint: int, carrier: int, known: NDArray[np.intp], gap: slice) -> bool:
        """Fill one gap of a joint, and say whether it was interpolated rather than carried.

        A short gap is interpolated between the frames on either side. If the body appears or
        disappears at one side, the position at the other side is held. The anchor is always
        interpolated, since no joint carries it.
        """
        frames = gap.stop - gap.start
        after = int(np.searchsorted(known, gap.start))
        seen = known[max(after - 1, 0) : after + 1]
        beside = seen[(seen == gap.start - 1) | (seen == gap.stop)]
        bridged = joint == carrier or (frames <= self.max_gap and len(beside) > 0)
        if bridged and len(beside):
            seen = beside
        ends = self.joints[[seen[0], seen[-1]], joint].astype(np.float64)
        if bridged:
            share = (np.arange(gap.start, gap.stop) - seen[0]) / max(seen[-1] - seen[0], 1)
            share = share.clip(0, 1)[:, None]
            self.joints[gap, joint] = (1 - share) * ends[0] + share * ends[1]
        else:
            bones = ends - self.joints[[seen[0], seen[-1]], carrier]
            turning = _turning(bones[0], bones[1], frames)
            self.joints[gap, joint] = self.joints[gap, carrier] + turning
        return bool(bridged)

    def check_enough(self) -> None:
        """Refuse a body of which too little is ever seen."""
        never = np.flatnonzero(~self.known.any(axis=0))
        names = [self.layout.joints[joint] for joint in never]
        if 2 * len(names) > len(self.layout.joints):
            raise self.error(
                f"{len(names)} of {len(self.layout.joints)} joints ({list_joints(names)}) of "
                f"{self.body} are never seen in its {self.present.sum()} frame(s), but at most "
                "half may be missing: record the whole body, or leave this body out"
            )
        for joint in self.trunk():
            if joint in never:
                raise self.error(
                    f"the {self.layout.joints[joint]} of {self.body} is never seen in its "
                    f"{self.present.sum()} frame(s), but hips and shoulders must be: record the "
                    "whole body, or leave this body out"
                )

    def anchor(self) -> int:
        """Find the joint that carries all others: one that is never missing for long."""
        root = next(j for j, parent in enumerate(self.layout.parents) if j == parent)
        longest = {
            joint: max(runs(self.missing[:, joint]), key=lambda run: run[1], default=(0, 0))
            for joint in (root, *self.trunk())
        }
        for joint, (_, frames) in longest.items():
            if frames <= self.max_gap and self.known[:, joint].any():
                return joint
        joint, (start, frames) = min(longest.items(), key=lambda item: item[1][1])
        raise self.error(
            f"the {self.layout.joints[joint]} of {self.body} is missing for {frames} frames from "
            f"frame {start}, the other hip and shoulder joints for as long or longer (at most "
            f"{self.max_gap} are interpolated): cut these frames or record again"
        )

    def lost(self) -> BoolArray:
        """Find the frames (T,) that lie in long gaps of the best known root or trunk joint."""
        root = next(j for j, parent in enumerate(self.layout.parents) if j == parent)
        best = min((root, *self.trunk()), key=lambda joint: int(self.missing[:, joint].sum()))
        lost = np.zeros_like(self.present)
        for start, frames in runs(self.missing[:, best]):
            if frames > self.max_gap:
                lost[start : start + frames] = True
        return lost

    def trunk(self) -> list[int]:
        """List the joints that make up hips, shoulders and the base of the spine."""
        names = [name for target in _TRUNK for name in self.layout.ntu25[target]]
        return [self.layout.joints.index(name) for name in dict.fromkeys(names)]

    def error(self, problem: str) -> ClipError:
        return ClipError(self.source, problem)


def _turning(
    first: NDArray[np.float64], last: NDArray[np.float64], frames: int
) -> NDArray[np.float64]:
    """Turn one bone into another over the frames of a gap, (frames, 3).

    Directions are interpolated on a straight line; lengths are, too, but apart from them, since a
    bone on a straight line would shorten half way.
    """
    share = (np.arange(1, frames + 1) / (frames + 1))[:, None]
    bones = (1 - share) * first + share * last
    lengths = (1 - share) * np.linalg.norm(first) + share * np.linalg.norm(last)
    straight = np.linalg.norm(bones, axis=1, keepdims=True)
    # Opposite directions have no shortest turn between them: there the bone does shorten.
    return np.asarray(bones * lengths / np.maximum(straight, 0.1 * lengths + 1e-9))


def _inward(layout: Layout, anchor: int) -> dict[int, int]:
    """Map each joint to its neighbor toward the anchor, in order from the anchor outward."""
    neighbors: dict[int, list[int]] = {joint: [] for joint in range(len(layout.joints))}
    for parent, child in layout.bones:
        neighbors[parent].append(child)
        neighbors[child].append(parent)
    inward = {anchor: anchor}
    waiting = [anchor]
    for joint in waiting:
        outer = [other for other in neighbors[joint] if other not in inward]
        inward |= dict.fromkeys(outer, joint)
        waiting += outer
    return inward


def runs(mask: BoolArray) -> Iterator[tuple[int, int]]:
    """Yield the start and the length of each run of true values in a mask (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), int(end - start)


def _notes(gaps: list[_Gap], body: str, lack: str) -> Iterator[str]:
    """Say what was filled in: one note for each way of doing it."""
    for how in ("interpolated", "carried", "placed"):
        same = [gap for gap in gaps if gap.how == how]
        if not same:
            continue
        joints, one = list_joints([gap.joint for gap in same]), same[0]
        several = len({gap.joint for gap in same}) > 1
        by = {"interpolated": "interpolated", "carried": "carried by ", "placed": "placed at "}[how]
        if how != "interpolated":
            by += "the joints before them" if several else f"the {one.by}"
        if how == "placed":
            yield f"{joints} of {body} {'are' if several else 'is'} never seen: {by}"
        elif len(same) == 1:
            frames = f"{one.frames} frame{'s' if one.frames > 1 else ''} from frame {one.start}"
            yield f"{joints} of {body} is {lack} for {frames}: {by}"
        else:
            most = max(gap.frames for gap in same)
            yield (
                f"{joints} of {body} {'are' if several else 'is'} {lack} in {len(same)} gaps "
                f"of up to {most} frame{'s' if most > 1 else ''}: {by}"
            )
