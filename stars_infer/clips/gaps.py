"""Joints that are missing for a while or for good: interpolated, carried by the body, or placed.

A short gap is bridged in time. A longer one is carried: the joint keeps the bone to its neighbor
that it had when it was last seen, and turns into the one it has when it is seen again, so that it
moves with the body. A joint that is never seen is placed where a body would have it.
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
"""Longest run of frames without a joint that is interpolated, at 30 Hz: a third of a second."""
_TRUNK = ("base of spine", "left hip", "right hip", "left shoulder", "right shoulder")
"""NTU-25 joints without which nobody knows where the others are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """A joint that was missing, and what was done about it."""

    joint: str
    start: int
    frames: int
    how: str
    """`interpolated`, `carried` or `placed`."""
    by: str
    """The joint that carries it."""


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
        presence: (M, T); frames in which a body is absent are left alone.
        layout: Of the joints.
        source: Name for messages.
        max_gap: Longest run of frames that is interpolated.
        uncertain: Whether joints are missing because they were not trusted, too; for the notes.

    Returns:
        The same array if it has no gap, else a copy without gaps; and notes, in words, on what was
        mended.

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
    """Take a body for absent while nothing of it is known that could carry the rest.

    Alone in a clip such a body is an error; beside others, or in a recording, in which somebody may
    turn away for minutes, the rest is still of use.

    Args:
        bodies: (M, T, V, 3); NaN or infinite where a joint is missing.
        presence: (M, T).
        layout: Of the joints.
        source: Name for messages.
        max_gap: Longest run of frames that is interpolated.

    Returns:
        Bodies, zero where absent, their presence, and notes; `fill_gaps` can mend what is left.

    Raises:
        ClipError: If nobody is left; the error of the body that was seen longest.
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
    """Mends one body in place."""

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
        """(T, V), only where the body is present."""
        self.known = present[:, None] & ~missing
        self.layout = layout
        self.body = body
        self.source = source
        self.max_gap = max_gap

    def mend(self) -> Iterator[_Gap]:
        """Fill all gaps, from the joint that is known best outwards."""
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
        """Fill one gap of a joint: whether it was interpolated, not carried.

        A short gap is interpolated between the frames next to it; where the body comes or goes
        there, the one frame that is known is held. The anchor, which nothing carries, always is.
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
        """Refuse a body that nobody could complete."""
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
        """The joint that carries the body: never missing for long."""
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
        """Frames (T,) in which the joint that is known best of those that carry is missing long."""
        root = next(j for j, parent in enumerate(self.layout.parents) if j == parent)
        best = min((root, *self.trunk()), key=lambda joint: int(self.missing[:, joint].sum()))
        lost = np.zeros_like(self.present)
        for start, frames in runs(self.missing[:, best]):
            if frames > self.max_gap:
                lost[start : start + frames] = True
        return lost

    def trunk(self) -> list[int]:
        """Joints that hips, shoulders and the base of the spine are made of."""
        names = [name for target in _TRUNK for name in self.layout.ntu25[target]]
        return [self.layout.joints.index(name) for name in dict.fromkeys(names)]

    def error(self, problem: str) -> ClipError:
        return ClipError(self.source, problem)


def _turning(
    first: NDArray[np.float64], last: NDArray[np.float64], frames: int
) -> NDArray[np.float64]:
    """Bones (frames, 3) that turn from one to another; a straight way would cut the corner."""
    share = (np.arange(1, frames + 1) / (frames + 1))[:, None]
    bones = (1 - share) * first + share * last
    lengths = (1 - share) * np.linalg.norm(first) + share * np.linalg.norm(last)
    straight = np.linalg.norm(bones, axis=1, keepdims=True)
    # Between opposite directions there is no way to choose: there the corner is cut after all.
    return np.asarray(bones * lengths / np.maximum(straight, 0.1 * lengths + 1e-9))


def _inward(layout: Layout, anchor: int) -> dict[int, int]:
    """For each joint its neighbor towards the anchor, from the anchor outwards."""
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
    """Start and length of each run of true values in a mask (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), int(end - start)


def _notes(gaps: list[_Gap], body: str, lack: str) -> Iterator[str]:
    """What was mended in a body: a note for each way of mending."""
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
