"""Tell joints that a tracker lost, and wrote as a fill value, from joints that it saw.

Trackers and tools write a lost joint as zeros, -1, 9999, -9999, 1e30, the largest float and other
values. No list of them is complete, so a joint counts as lost if its position can be no joint's:

- It is farther from the middle of its body than `REACH` times the body's own size, or beyond
  `FARTHEST`.
- It repeats to the last digit, as no sensor's values do: at another part of the body in the same
  frame, or `MOST_CHANCE` times and more over the clip. A point whose three coordinates are
  the same number, and a coordinate of exactly zero, count as repeated. Such a joint is lost unless
  bones of their usual length connect it to joints that are known.
- All joints of the body are in one place; there, the body is absent.

Zeros are judged by `stars_infer.clips.zeros`, since positions may be relative to a joint. A lost
joint is treated like NaN. A window of a stream is judged like a clip of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.zeros import Suspects, clear_lost_zeros, presence_of

if TYPE_CHECKING:
    from stars_infer.arrays import BoolArray, FloatArray
    from stars_infer.layouts import Layout

FARTHEST = 1e12
"""Meters; no position is farther from the origin, whatever its units."""
REACH = 15.0
"""Greatest distance of a joint from the middle of its body, over the median distance of all joints;
a person's arm overhead comes to about 4."""
MOST_CHANCE = 3
"""Times that a point must repeat over a clip to be doubted."""
_ROUNDING = 0.1
"""Share of the longest bone by which a joint may be off where positions are rounded."""
_ALWAYS = 0.9
"""Share of the frames from which on two joints count as always in one place."""
_NEAR = 3
"""Bones between two joints, as between a thumb and a fingertip, that a sensor may confuse."""
_PAIRS = 4_000_000
"""Pairs of joints that are compared at a time."""
_LOOKED_AT = 64
"""Frames, evenly spread, from which the size of a body is measured."""


def clear_lost(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout
) -> tuple[FloatArray, BoolArray, tuple[str, ...]]:
    """Replace lost joints by NaN, whatever value stands for them.

    Args:
        bodies: (M, T, V, 3); NaN or infinite where a joint is missing.
        presence: (M, T); frames in which a body is absent stay as they are.
        layout: Layout of the joints.

    Returns:
        The same array if no joint is lost, else a copy with NaN in their place; in which frames
        something of a body is left, (M, T); and notes.
    """
    bodies, filled = _clear_fill_values(bodies, presence, layout)
    presence = presence & presence_of(bodies)
    bodies, zeros = clear_lost_zeros(bodies, presence, layout=layout)
    return bodies, presence, (*filled, *zeros)


def _clear_fill_values(
    bodies: FloatArray, presence: BoolArray, layout: Layout
) -> tuple[FloatArray, tuple[str, ...]]:
    notes: list[str] = []
    result = bodies
    for body in np.flatnonzero(presence.any(axis=1)).tolist():
        far, repeated = _Positions(bodies[body], presence[body], layout).lost()
        for lost, what in (
            (far, "farther away than a body reaches"), (repeated, "at a fill value, which repeats"),
        ):  # fmt: skip
            if lost.any():
                count, frames = int(lost.any(axis=0).sum()), int(lost.any(axis=1).sum())
                notes.append(
                    f"body {body}: {count} joint{'s' if count > 1 else ''} {what}, in {frames:,} "
                    f"of {int(presence[body].sum()):,} frames, taken as missing"
                )
        if (lost := far | repeated).any():
            result = bodies.copy() if result is bodies else result
            result[body][lost] = np.nan
    return result, tuple(notes)


class _Positions:
    """The positions of one body."""

    def __init__(self, joints: FloatArray, present: BoolArray, layout: Layout) -> None:
        self.joints = joints
        """(T, V, 3)."""
        self.axes = np.ascontiguousarray(joints.transpose(2, 0, 1))
        """(3, T, V)."""
        self.finite: BoolArray = np.isfinite(self.axes).all(axis=0) & present[:, None]
        self.known: BoolArray = self.finite & self.axes.any(axis=0)
        """(T, V); whether a joint is there and at no value that was found to be none's."""
        self.layout = layout

    def lost(self) -> tuple[BoolArray, BoolArray]:
        """Find the joints (T, V) that are too far away, and those at fill values."""
        beyond = self.finite & (np.abs(self.axes).max(axis=0) > FARTHEST)
        self.known &= ~beyond
        collapsed = self.collapsed()
        self.known &= ~collapsed
        far = self.far()
        self.known &= ~far
        return beyond | far, collapsed | self.repeated()

    def collapsed(self) -> BoolArray:
        """Find the joints of frames in which all of a body are in one place.

        A clip of nothing else is left as it is, for a note to say so.
        """
        apart = self.known & (self.axes != self.stand_in()).any(axis=0)
        alike = (self.known.sum(axis=1) > 1) & ~apart.any(axis=1)
        if not apart.any():
            alike[:] = False
        return np.asarray(self.known & alike[:, None])

    def far(self) -> BoolArray:
        """Find the joints that are farther from the middle of the body than a body reaches."""
        far = np.zeros_like(self.known)
        frames = np.flatnonzero(self.known.any(axis=1))
        if not len(frames):
            return far
        axes = np.where(self.known, self.axes, self.stand_in())
        some = frames[:: 1 + len(frames) // _LOOKED_AT]
        most = REACH * float(np.median(_from_middle(axes[:, some])[self.known[some]]))
        extent = (axes.max(axis=2) - axes.min(axis=2)).max(axis=0)
        wide = frames[extent[frames] > most]
        if most > 0 and len(wide):
            far[wide] = self.known[wide] & (_from_middle(axes[:, wide]) > most)
        return far

    def stand_in(self) -> FloatArray:
        """In each frame the position of one joint that is known, (3, T, 1)."""
        first = self.known.argmax(axis=1)[None, :, None]
        return np.asarray(np.take_along_axis(self.axes, first, axis=2))

    def repeated(self) -> BoolArray:
        """Find the joints whose position repeats and is no joint's."""
        size = np.abs(self.axes)
        sure = self.known & (size[0] == size[1]) & (size[1] == size[2])
        sure |= self.coincident()
        point = self.points()
        zero = [one for one in self.known & (size == 0) if np.count_nonzero(one) >= MOST_CHANCE]
        often = np.asarray(np.logical_or.reduce([point > 0, *zero]))
        often &= often.sum(axis=0) <= self.known.sum(axis=0) / 2  # more often, a joint stands still
        suspect = np.asarray(sure | often)
        if not suspect.any() or not (self.known & ~suspect).any():
            return np.zeros_like(suspect)
        here = np.asarray(self.known.any(axis=1))
        fits = Suspects(
            self.joints, here, suspect.copy(), self.layout, least_stretch=_ROUNDING
        ).fitting()
        # A value that fits somewhere is a joint's, there and elsewhere.
        often &= ~np.isin(point, np.unique(point[fits & (point > 0)]))
        for one in zero:
            if (one & fits).any():
                often &= ~one
        return np.asarray((sure | often) & ~fits)

    def points(self) -> NDArray[np.int32]:
        """Number the points (T, V) that are there often, from 1; others are 0.

        A frame that shows the one before again, but for lost joints, does not count.
        """
        number = np.zeros(self.known.shape, np.int32)
        both = self.known[1:] & self.known[:-1]
        same = (self.axes[:, 1:] == self.axes[:, :-1]).all(axis=0)
        held = np.zeros(len(self.known), np.bool_)
        held[1:] = both.any(axis=1) & (same | ~both).all(axis=1)
        at = np.flatnonzero(self.known & ~held[:, None])
        first = self.axes[0].ravel()[at]
        order = np.argsort(first)
        first = first[order]
        alike = first[1:] == first[:-1]
        if np.count_nonzero(alike) < MOST_CHANCE - 1:
            return number
        chosen = np.zeros(len(at), np.bool_)
        chosen[order[1:][alike]] = True
        chosen[order[:-1][alike]] = True
        del first, order, alike
        at = at[chosen]
        points = self.joints.reshape(-1, 3)[at]
        order = np.lexsort(points.T[::-1])
        points = points[order]
        fresh = np.ones(len(points), np.bool_)
        fresh[1:] = (points[1:] != points[:-1]).any(axis=1)
        del points
        which = np.cumsum(fresh, dtype=np.int32)
        often = np.bincount(which) >= MOST_CHANCE
        number.ravel()[at[order]] = which * often[which]
        return number

    def coincident(self) -> BoolArray:
        """Find the joints that are where another one is, more than `_NEAR` bones away.

        Two joints that are always in one place are so in their layout.
        """
        known = self.known
        found = np.zeros(known.shape, np.bool_)
        ordered = np.sort(np.where(known, self.axes[0], np.float32(np.nan)), axis=1)
        frames = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(frames):
            return found
        near = np.eye(known.shape[1], dtype=np.bool_)
        for one, other in self.layout.bones:
            near[one, other] = near[other, one] = True
        near = np.linalg.matrix_power(near.astype(np.int64), _NEAR) > 0
        near |= near[:, list(self.layout.counterparts)]  # hands are clasped
        parts = np.array_split(frames, 1 + len(frames) * near.size // _PAIRS)
        times = np.sum([self.alike(part).sum(axis=0) for part in parts], axis=0)
        seen = known.astype(np.float32)
        apart = ~near & (times < np.maximum(_ALWAYS * (seen.T @ seen), 1))
        if not (apart & (times > 0)).any():
            return found
        for part in parts:
            found[part] = (self.alike(part) & apart).any(axis=2)
        return found

    def alike(self, frames: NDArray[np.intp]) -> BoolArray:
        """Which two joints are known and in one place, in each of some frames, (F, V, V)."""
        joints, known = self.joints[frames], self.known[frames]
        alike = known[:, :, None] & known[:, None, :]
        for axis in range(3):
            alike &= joints[:, :, None, axis] == joints[:, None, :, axis]
        return alike


def _from_middle(axes: FloatArray) -> FloatArray:
    """Distance of joints (3, T, V) from the median position of their body, (T, V)."""
    middle = np.sort(axes, axis=2)[:, :, axes.shape[2] // 2, None]
    return np.asarray(np.sqrt(np.square(axes - middle).sum(axis=0)))
