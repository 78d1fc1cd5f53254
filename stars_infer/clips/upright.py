"""Find which axis points up, from the bodies of a clip.

Over a clip, people have their head above their feet, their shoulders above their hips and their
knees above their ankles, on average; and whatever they do, the lowest of their joints is on the
floor most of the time. Both are added up for each of the six axes, so that somebody who lies down,
or stands on the hands for a moment, is told from axes that are turned.
`benchmarks/quality/upright.py` measures how often the axis is right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import UP_AXES, Convention, to_standard
from stars_infer.layouts import NTU25, NTU25_INDEX

if TYPE_CHECKING:
    from stars_infer.arrays import BoolArray, FloatArray
    from stars_infer.layouts import Layout

ENOUGH = 256
"""Frames, evenly spread over a clip, that are looked at."""
_UPWARD = (("base of spine", "spine at shoulders"), ("ankles", "knees"), ("ankles", "head"))
"""Pairs of joints of which the second is above the first."""
_MOST_WANDER = 1.0
"""The height of the lowest joint counts as wandering no more than this, in sizes of a body."""
_MIDDLE = (10, 90)
"""Percentiles of the lowest joint's height between which it is taken to be on the floor."""


def find_up(bodies: FloatArray, presence: BoolArray, *, layout: Layout, flat: bool = False) -> str:
    """Find the axis that points up.

    Args:
        bodies: (M, T, V, 3), as the source has them, of any size; zero where absent.
        presence: (M, T), in some frame of which a body is seen.
        layout: Of the joints.
        flat: Whether the clip is in 2D, so that only `y` and `-y` can be.

    Returns:
        One of `x`, `y`, `z`, `-x`, `-y` and `-z`; `y` if the bodies do not tell.
    """
    scores = up_scores(ntu25_frames(bodies, presence, layout=layout))
    if flat:
        scores = {up: score for up, score in scores.items() if up in ("y", "-y")}
    return max(scores, key=lambda up: scores[up])


def turn_upright(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout, convention: Convention
) -> tuple[FloatArray, str]:
    """Turn bodies (M, T, V, 3), in meters, so that the axis that is found to point up is y.

    Returns:
        The bodies in right-handed axes, and the axis.
    """
    up = find_up(bodies, presence, layout=layout, flat=bool(convention.flat))
    turn = Convention(up=up, handedness=convention.handedness)
    return np.asarray(to_standard(bodies, turn), np.float32), up


class SteadyUp:
    """Finds the axis that points up in a stream, from all that was seen so far."""

    def __init__(self, convention: Convention, *, layout: Layout) -> None:
        self._convention, self._layout = convention, layout
        self._scores = dict.fromkeys(("y", "-y") if convention.flat else UP_AXES, 0.0)

    def convention(self, bodies: FloatArray, presence: BoolArray) -> Convention:
        """Take the latest frames, and return the convention that holds from now on.

        Args:
            bodies: (M, T, V, 3); NaN where a joint is missing.
            presence: (M, T), in some frame of which a body is seen.
        """
        for up, score in up_scores(ntu25_frames(bodies, presence, layout=self._layout)).items():
            if up in self._scores:
                self._scores[up] += score
        return replace(self._convention, up=max(self._scores, key=lambda up: self._scores[up]))


def ntu25_frames(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout, most: int = ENOUGH
) -> NDArray[np.float64]:
    """Some of the bodies that are seen, evenly spread over the clip, as NTU-25 joints (N, 25, 3).

    Frames in which a joint is unknown are left out, unless there are no others.
    """
    body, frame = np.nonzero(presence)
    some = slice(None, None, 1 + len(frame) // most)
    found = bodies[body[some], frame[some]].astype(np.float64)
    whole = np.isfinite(found).all(axis=(1, 2))
    found = found[whole] if whole.any() else np.nan_to_num(found, posinf=0, neginf=0)
    return found if layout.name == NTU25.name else layout.ntu25_matrix() @ found


def up_scores(joints: NDArray[np.floating]) -> dict[str, float]:
    """How well each axis fits as the one that points up, for NTU-25 joints (N, 25, 3).

    A person who stands along the axis and has the lowest joint on the floor scores 3, one who lies
    about 0.
    """
    upward = np.mean([_unit(_at(joints, top) - _at(joints, low)) for low, top in _UPWARD], axis=1)
    along = upward.sum(axis=0)
    size = float(np.median(np.linalg.norm(joints - joints.mean(axis=1, keepdims=True), axis=2)))
    scores = {}
    for up in UP_AXES:
        axis, sign = "xyz".index(up[-1]), -1 if up[0] == "-" else 1
        low, high = np.percentile((sign * joints[:, :, axis]).min(axis=1), _MIDDLE)
        wander = min(float(high - low) / max(size, 1e-9), _MOST_WANDER)
        scores[up] = sign * float(along[axis]) - wander
    return scores


def _at(joints: NDArray[np.floating], name: str) -> NDArray[np.floating]:
    """A joint of NTU-25, or the middle of two, (N, 3)."""
    if name in NTU25_INDEX:
        return joints[:, NTU25_INDEX[name]]
    sides = [NTU25_INDEX[f"{side} {name.removesuffix('s')}"] for side in ("left", "right")]
    return np.asarray(joints[:, sides].mean(axis=1))


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
