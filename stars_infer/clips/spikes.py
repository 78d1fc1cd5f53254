"""Take out joints that jump away for a moment and come back.

Trackers put a joint far off in single frames. No person moves a joint by a quarter of the body's
size within a frame and back within a tenth of a second. One such joint can halve the confidence of
an answer, if it is the one about which a body is turned or measured.
"""

from __future__ import annotations

import numpy as np

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.following import size_of
from stars_infer.layouts import Layout, list_joints

JUMP = 0.3
"""Share of a body's size, which of a standing adult is 1.8 m, by which a joint is off at least. At
30 Hz a joint that goes there and back within two frames is faster than 16 m/s."""
LONGEST = 0.1
"""Longest time that a joint is off, seconds."""
MOST, MOST_OF_ALL = 0.1, 0.03
"""A joint that jumps in a larger share of the frames in which it is known makes no single mistakes,
and neither does a body of which a larger share of all positions jump: these are left as they are.
"""


def take_out_spikes(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout, fps: float
) -> tuple[FloatArray, tuple[str, ...]]:
    """Count joints as missing in the few frames for which they jump away.

    Args:
        bodies: (M, T, V, 3), in any unit; NaN where a joint is missing.
        presence: (M, T).
        layout: Layout of the joints.
        fps: Frames per second.

    Returns:
        The same array if nothing jumps; else a copy with NaN in these places, and a note for each
        body. Frames in which more than half of a body jumps are left as they are.
    """
    notes: list[str] = []
    result = bodies
    for number, (joints, seen) in enumerate(zip(bodies, presence, strict=True)):
        frames = np.flatnonzero(seen)
        if len(frames) < 3:
            continue
        far = JUMP * max(1.0, 30.0 / fps) * size_of(joints[None], seen[None])
        off = np.zeros(joints.shape[:2], np.bool_)
        off[frames] = _spikes(joints[frames], far, longest=max(1, round(LONGEST * fps)))
        off[frames] |= _at_ends(joints[frames], far, layout)
        off[off.mean(axis=1) > 0.5] = False
        known = np.isfinite(joints[frames]).all(axis=2).sum(axis=0)
        often = off.sum() > MOST_OF_ALL * known.sum()
        off[:, off.sum(axis=0) > MOST * known] = False
        if off.any() and not often:
            if result is bodies:
                result = bodies.copy()
            result[number, off] = np.nan
            notes.append(_note(off, number, layout))
    return result, tuple(notes)


def _spikes(joints: FloatArray, far: float, *, longest: int) -> BoolArray:
    """Find the joints (T, V) that are far from where they are before and after, alike there."""
    off = np.zeros(joints.shape[:2], np.bool_)
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=2)
    away = np.argwhere(steps > far)
    for frame, joint in away.tolist():
        for length in range(1, longest + 1):
            back = frame + 1 + length
            if back >= len(joints):
                break
            if steps[back - 1, joint] <= far:
                continue
            there = joints[frame + 1 : back, joint]
            ends = joints[[frame, back], joint]
            apart = np.linalg.norm(ends[1] - ends[0])
            if (np.linalg.norm(there - ends.mean(axis=0), axis=1) > max(far, 2 * apart)).all():
                off[frame + 1 : back, joint] = True
                break
    return off


def _at_ends(joints: FloatArray, far: float, layout: Layout) -> BoolArray:
    """Find joints (T, V) that are off in the first or the last frame, and from all neighbors."""
    off = np.zeros(joints.shape[:2], np.bool_)
    for end, inner in ((0, 1), (-1, -2)):
        jumps = np.linalg.norm(joints[end] - joints[inner], axis=1) > far
        for joint in np.flatnonzero(jumps).tolist():
            beside = [b if a == joint else a for a, b in layout.bones if joint in (a, b)]
            there, before = (
                np.linalg.norm(joints[frame, beside] - joints[frame, joint], axis=1)
                for frame in (end, inner)
            )
            off[end, joint] = bool((there - before > far / 2).all())
    return off


def _note(off: BoolArray, number: int, layout: Layout) -> str:
    frames = np.flatnonzero(off.any(axis=1))
    names = [layout.joints[joint] for joint in np.flatnonzero(off.any(axis=0))]
    many = "frame" if len(frames) == 1 else "frames"
    return (
        f"{list_joints(names)} of body {number} jump{'s' if len(names) == 1 else ''} away in "
        f"{len(frames)} {many}, from frame {frames[0]}: taken as missing there"
    )
