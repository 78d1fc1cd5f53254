"""Tell lost joints at exactly (0, 0, 0) from joints that lie at the origin.

Many trackers write a lost joint as zeros, and no sensor measures exact zeros. So a joint of a
present body at exactly (0, 0, 0) counts as lost, with two exceptions:

- Positions may be relative to a joint, as they are to the hips in Human3.6M. A joint that is zero
  in every frame is taken for that origin if the joints next to it are a bone away from it: no
  farther than `MAX_BONE` times the longest bone, at a distance that varies by no more than
  `MAX_WANDER` of that bone. Neighboring joints may lie at the origin together, but only one of them
  may be a joint of NTU-25 by itself: a hip or a hand that is zero beside it is lost. If several
  joints qualify, the one nearest to the root of the layout is the origin.
- A recording may be moved so that its root starts at the origin. A joint that is zero in some
  frames is kept there if every bone between it and known joints has its usual length to within
  `MAX_STRETCH`.

A lost joint is treated like NaN. A window of a stream is judged like a clip of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from stars_infer.arrays import BoolArray, FloatArray
    from stars_infer.layouts import Layout

MAX_BONE = 1.5
"""Greatest length of a bone that ends at the origin, over that of the longest other bone."""
MAX_WANDER = 0.15
"""Greatest median deviation of the length of a bone that ends at the origin, as a share of the
longest bone; it allows for a tracker's noise, but not for a walk through the room."""
MAX_STRETCH = 0.25
"""Share by which a bone to a joint at zero may differ from its usual length."""
LEAST_STRETCH = 0.01
"""The same as a share of the longest bone, for joints that lie on each other."""


def at_origin(joints: FloatArray) -> BoolArray:
    """Find the joints (..., 3) that are at exactly (0, 0, 0), as a mask (...)."""
    zero = joints[..., 0] == 0
    if zero.any():
        zero &= (joints[..., 1] == 0) & (joints[..., 2] == 0)
    return np.asarray(zero)


def presence_of(joints: FloatArray) -> BoolArray:
    """Find frames of bodies (..., V, 3) in which a joint is neither NaN nor zero: a mask (...)."""
    return np.asarray((np.isfinite(joints).all(axis=-1) & ~at_origin(joints)).any(axis=-1))


def clear_lost_zeros(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout
) -> tuple[FloatArray, tuple[str, ...]]:
    """Replace lost joints at the origin by NaN.

    Args:
        bodies: (M, T, V, 3); NaN or infinite where a joint is missing.
        presence: (M, T); frames in which a body is absent stay as they are.
        layout: Layout of the joints.

    Returns:
        The same array if no joint is lost, else a copy with NaN in their place; and a note for each
        body that has lost joints.
    """
    zero = at_origin(bodies) & presence[:, :, None]
    if not zero.any():
        return bodies, ()
    notes: list[str] = []
    result = bodies
    for body in np.flatnonzero(zero.any(axis=(1, 2))):
        lost = Suspects(bodies[body], presence[body], zero[body], layout).lost()
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


class Suspects:
    """Joints of one body that a tracker may have lost, because of the value that they have."""

    def __init__(
        self,
        joints: FloatArray,
        present: BoolArray,
        suspect: BoolArray,
        layout: Layout,
        *,
        least_stretch: float = LEAST_STRETCH,
    ) -> None:
        self.joints = joints
        """(T, V, 3)."""
        self.suspect = suspect
        """(T, V); false where the body is absent."""
        self.known = np.isfinite(joints).all(axis=2) & present[:, None] & ~suspect
        """(T, V); whether a joint is present and no suspect."""
        self.layout = layout
        self.least_stretch = least_stretch
        """Share of the longest bone by which any bone may differ from its usual length."""
        lengths = [self.median_length(bone) for bone in layout.bones]
        self.longest = max((length for length in lengths if length is not None), default=0.0)

    def lost(self) -> BoolArray:
        """Find the suspects (T, V) that are lost joints, if all of them are at (0, 0, 0)."""
        for joint in self.origin():
            self.known[:, joint] |= self.suspect[:, joint]
            self.suspect[:, joint] = False
        return self.suspect & ~self.fitting()

    def origin(self) -> list[int]:
        """Find the joints that positions are relative to; none if there is no such origin."""
        always = self.suspect.any(axis=0) & ~self.known.any(axis=0)
        left = sorted(np.flatnonzero(always).tolist(), key=self.depth)
        while left:
            place = self.together(left)
            ends = {end for joint in place for end in self.neighbors(joint)}
            if self.is_origin([end for end in ends if self.known[:, end].any()]):
                return place
            left = [joint for joint in left if joint not in place]
        return []

    def together(self, joints: list[int]) -> list[int]:
        """Choose the first of these joints, and those of the others that may lie on it."""
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
        """Whether these joints are a bone's length away from the origin."""
        for end in ends:
            lengths = np.linalg.norm(self.joints[self.known[:, end], end].astype(float), axis=1)
            usual = float(np.median(lengths))
            wander = float(np.median(np.abs(lengths - usual)))
            if usual > MAX_BONE * self.longest or wander > MAX_WANDER * self.longest:
                return False
        return bool(ends)

    def fitting(self) -> BoolArray:
        """Find the suspects (T, V) that bones of their usual length connect to known joints."""
        frames = np.flatnonzero(self.suspect.any(axis=1))
        suspect, known = self.suspect[frames], self.known[frames]
        links: list[tuple[int, int, BoolArray]] = []
        refuted = np.zeros_like(suspect)
        for one, other in self.layout.bones:
            usual = self.median_length((one, other))
            if usual is None or not suspect[:, [one, other]].any():
                continue
            apart = self.lengths((one, other), frames)
            most = max(MAX_STRETCH * usual, self.least_stretch * self.longest)
            fits = np.abs(apart - usual) <= most
            both = (suspect | known)[:, [one, other]].all(axis=1)
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
        result = np.zeros_like(self.suspect)
        result[frames] = suspect & sure
        return result

    def median_length(self, bone: tuple[int, int]) -> float | None:
        """Median length of a bone, or None if its ends are never known in the same frame."""
        frames = np.flatnonzero(self.known[:, list(bone)].all(axis=1))
        return float(np.median(self.lengths(bone, frames))) if len(frames) else None

    def lengths(self, bone: tuple[int, int], frames: NDArray[np.intp]) -> NDArray[np.float64]:
        """Lengths of a bone in these frames."""
        one, other = bone
        ends = self.joints[frames, one].astype(np.float64) - self.joints[frames, other]
        return np.asarray(np.linalg.norm(ends, axis=1))

    def neighbors(self, joint: int) -> list[int]:
        """List the joints to which bones lead from a joint."""
        return [b if a == joint else a for a, b in self.layout.bones if joint in (a, b)]

    def depth(self, joint: int) -> int:
        """Count the bones between a joint and the root of the layout."""
        depth = 0
        while (parent := self.layout.parents[joint]) != joint:
            joint, depth = parent, depth + 1
        return depth
