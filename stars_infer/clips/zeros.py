"""Joints at exactly (0, 0, 0): lost ones, as many trackers write them, or the origin itself.

No sensor measures exact zeros, so a joint of a present body at exactly (0, 0, 0) was lost, unless
the body says that it is there:

- A joint that is zero whenever it is known may be what positions are relative to, as the hips are
  in Human3.6M. It is if the joints that hang on it are a bone away from the origin: at most
  `MAX_BONE` times the longest bone, and steadily so, give or take `MAX_WANDER` of that bone.
  Joints beside it are zero with it if no joint of NTU-25 is made of them alone, as it is of the
  hips; a hand that is never seen is not, nor is a hip. Of several places that would do, the one
  nearest the root of the layout counts.
- A joint that is zero only now and then is lost, unless every bone between it and joints that are
  known has its usual length, give or take `MAX_STRETCH`: a recording may be moved so that its root
  begins at the origin.

A lost joint counts as NaN does. A window of a stream is judged like a clip of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from stars_infer.arrays import BoolArray, FloatArray
    from stars_infer.layouts import Layout

MAX_BONE = 1.5
"""Longest bone at the origin, in longest bones of the rest of the body."""
MAX_WANDER = 0.15
"""Share of the longest bone by which half the lengths of a bone at the origin may depart from their
median: a tracker's noise, but no walk."""
MAX_STRETCH = 0.25
"""Share by which a bone to a joint at zero may differ from its usual length."""
_LEAST_STRETCH = 0.01
"""The same for joints that lie on each other, as a share of the longest bone."""


def at_origin(joints: FloatArray) -> BoolArray:
    """Which joints (..., 3) are at exactly (0, 0, 0), (...)."""
    zero = joints[..., 0] == 0
    if zero.any():
        zero &= (joints[..., 1] == 0) & (joints[..., 2] == 0)
    return np.asarray(zero)


def presence_of(joints: FloatArray) -> BoolArray:
    """Frames (...) of bodies (..., V, 3) in which some joint is neither missing nor zero."""
    return np.asarray((np.isfinite(joints).all(axis=-1) & ~at_origin(joints)).any(axis=-1))


def clear_lost_zeros(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout
) -> tuple[FloatArray, tuple[str, ...]]:
    """Take joints that are lost at the origin for missing.

    Args:
        bodies: (M, T, V, 3); NaN or infinite where a joint is missing.
        presence: (M, T); frames in which a body is absent are left alone.
        layout: Of the joints.

    Returns:
        The same array if there are none, else a copy with NaN in their place; and a note on each
        body that had some.
    """
    zero = at_origin(bodies) & presence[:, :, None]
    if not zero.any():
        return bodies, ()
    notes: list[str] = []
    result = bodies
    for body in np.flatnonzero(zero.any(axis=(1, 2))):
        lost = _Zeros(bodies[body], presence[body], zero[body], layout).lost()
        if not lost.any():
            continue
        if result is bodies:
            result = bodies.copy()
        result[body][lost] = np.nan
        joints, frames = int(lost.any(axis=0).sum()), int(lost.any(axis=1).sum())
        notes.append(
            f"body {body}: {joints} joint{'s' if joints > 1 else ''} at exactly (0, 0, 0) in "
            f"{frames:,} of {int(presence[body].sum()):,} frames, taken as missing"
        )
    return result, tuple(notes)


class _Zeros:
    """Joints of one body that are at the origin."""

    def __init__(
        self, joints: FloatArray, present: BoolArray, zero: BoolArray, layout: Layout
    ) -> None:
        self.joints = joints
        """(T, V, 3)."""
        self.zero = zero
        """(T, V), only where the body is present."""
        self.known = np.isfinite(joints).all(axis=2) & present[:, None] & ~zero
        """(T, V), where a joint is known beyond doubt."""
        self.layout = layout
        lengths = [self.usual(bone) for bone in layout.bones]
        self.longest = max((length for length in lengths if length is not None), default=0.0)

    def lost(self) -> BoolArray:
        """Which zeros (T, V) are lost joints."""
        for joint in self.origin():
            self.known[:, joint] |= self.zero[:, joint]
            self.zero[:, joint] = False
        return self.zero & ~self.fitting()

    def origin(self) -> list[int]:
        """Joints that positions are relative to; none if positions are those in a room."""
        always = self.zero.any(axis=0) & ~self.known.any(axis=0)
        left = sorted(np.flatnonzero(always).tolist(), key=self.depth)
        while left:
            place = self.together(left)
            ends = {end for joint in place for end in self.neighbors(joint)}
            if self.is_origin([end for end in ends if self.known[:, end].any()]):
                return place
            left = [joint for joint in left if joint not in place]
        return []

    def together(self, joints: list[int]) -> list[int]:
        """The first of these joints, and those of the rest that may lie on it."""
        alone = {next(iter(made)) for made in self.layout.ntu25.values() if len(made) == 1}
        parts = [joint for joint in joints if self.layout.joints[joint] in alone]
        place = joints[:1]
        for joint in place:
            for other in self.neighbors(joint):
                part = other in parts and any(one in parts for one in place)
                if other in joints and other not in place and not part:
                    place.append(other)
        return place

    def is_origin(self, ends: list[int]) -> bool:
        """Whether bones that lead from the origin to these joints are a body's."""
        for end in ends:
            lengths = np.linalg.norm(self.joints[self.known[:, end], end].astype(float), axis=1)
            usual = float(np.median(lengths))
            wander = float(np.median(np.abs(lengths - usual)))
            if usual > MAX_BONE * self.longest or wander > MAX_WANDER * self.longest:
                return False
        return bool(ends)

    def fitting(self) -> BoolArray:
        """Zeros (T, V) that are where the bones between them and what is known have them."""
        frames = np.flatnonzero(self.zero.any(axis=1))
        zero, known = self.zero[frames], self.known[frames]
        links: list[tuple[int, int, BoolArray]] = []
        refuted = np.zeros_like(zero)
        for one, other in self.layout.bones:
            usual = self.usual((one, other))
            if usual is None or not zero[:, [one, other]].any():
                continue
            apart = self.lengths((one, other), frames)
            most = max(MAX_STRETCH * usual, _LEAST_STRETCH * self.longest)
            fits = np.abs(apart - usual) <= most
            both = (zero | known)[:, [one, other]].all(axis=1)
            refuted[:, one] |= both & ~fits
            refuted[:, other] |= both & ~fits
            links.append((one, other, both & fits))
        sure = known.copy()
        for _ in self.layout.joints:
            before = int(sure.sum())
            for one, other, fits in links:
                sure[:, one] |= fits & sure[:, other] & ~refuted[:, one]
                sure[:, other] |= fits & sure[:, one] & ~refuted[:, other]
            if int(sure.sum()) == before:
                break
        result = np.zeros_like(self.zero)
        result[frames] = zero & sure
        return result

    def usual(self, bone: tuple[int, int]) -> float | None:
        """Median length of a bone; None if its ends are never known together."""
        frames = np.flatnonzero(self.known[:, list(bone)].all(axis=1))
        return float(np.median(self.lengths(bone, frames))) if len(frames) else None

    def lengths(self, bone: tuple[int, int], frames: NDArray[np.intp]) -> NDArray[np.float64]:
        one, other = bone
        ends = self.joints[frames, one].astype(np.float64) - self.joints[frames, other]
        return np.asarray(np.linalg.norm(ends, axis=1))

    def neighbors(self, joint: int) -> list[int]:
        return [b if a == joint else a for a, b in self.layout.bones if joint in (a, b)]

    def depth(self, joint: int) -> int:
        """Bones between a joint and the root of the layout."""
        depth = 0
        while (parent := self.layout.parents[joint]) != joint:
            joint, depth = parent, depth + 1
        return depth
