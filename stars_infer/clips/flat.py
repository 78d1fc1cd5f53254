"""Clips in 2D: recognized where they are taken for 3D, and brought to a person's size.

A pose estimator that sees a picture gives x and y, in pixels or in shares of the picture, and often
a score. Nothing in a picture is a depth, so such a clip is refused, unless clips are said to be
flat: then depth is zero, and flat clips are compared with flat exemplars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import option
from stars_infer.layouts import NTU25_INDEX
from stars_infer.layouts.bones import STANDARD_LENGTHS

if TYPE_CHECKING:
    from stars_infer.arrays import BoolArray, FloatArray
    from stars_infer.layouts import Layout

THIN = 0.02
"""Extent of a body along one axis over its greatest, below which it has no depth; a person who
stands sideways comes to about 0.15."""
STRETCHING = 0.25
"""Variation of the length of a bone, median over all, from which on a body is not rigid."""
PICTURE = (-0.5, 1.5)
"""Shares of a picture, with joints that are guessed outside it."""
_ENOUGH = 64
"""Frames, evenly spread over the clip, that are looked at."""
_LONGEST = 90
"""Percentile of the length of a limb that counts as its length: in 2D, limbs are foreshortened."""
_LIMBS = (
    ("base of spine", "spine at shoulders"),
    *((f"{side} {one}", f"{side} {other}") for side in ("left", "right")
      for one, other in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"))),
)  # fmt: skip


def why_flat(bodies: FloatArray, presence: BoolArray, *, layout: Layout) -> str:
    """Say why bodies are those of a picture, and what to do instead; nothing if they have depth.

    Args:
        bodies: (M, T, V, 3); NaN where a joint is missing.
        presence: (M, T).
        layout: Of the joints.
    """
    body, frame = np.nonzero(presence)
    some = slice(None, None, 1 + len(frame) // _ENOUGH)
    joints = bodies[body[some], frame[some]].astype(np.float64)
    joints[~(np.isfinite(joints).all(axis=2) & joints.any(axis=2))] = np.nan
    seen = joints[np.isfinite(joints).any(axis=(1, 2))]
    if not len(seen):
        return ""
    extent = np.median(np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1), axis=0)
    thin = int(np.argmin(extent))
    depth = seen[..., thin][np.isfinite(seen[..., thin])]
    low, high = float(depth.min()), float(depth.max())
    told = ""
    if extent[thin] <= THIN * extent.max():
        told = "all joints of the body are at one depth"
        if 0 <= low < high <= 1:
            told = f"one of three numbers of a joint is between {low:.2g} and {high:.2g}: a score"
    elif _is_image(seen, layout):
        told = "hips are at no depth, but not at the origin, as in image landmarks of MediaPipe"
    elif _is_scored(seen, layout):
        told = "x and y are shares of a picture, the third number of a joint is a score"
    remedy = f"save positions in 3D, or, for clips in 2D, pass {option('flat', '')}"
    return f"{told}, so this is a clip in 2D: {remedy}" if told and extent.max() > 0 else ""


def _is_image(joints: NDArray[np.float64], layout: Layout) -> bool:
    """Whether joints (N, V, 3) of MediaPipe are image landmarks: their depth is about the hips."""
    low, high = np.nanmin(joints[..., :2]), np.nanmax(joints[..., :2])
    if layout.name != "mediapipe33" or low < PICTURE[0] or high > PICTURE[1]:
        return False
    middle = joints[:, [layout.joints.index(f"{side} hip") for side in ("left", "right")]].mean(1)
    middle = np.abs(middle[np.isfinite(middle).all(axis=1)])
    if not len(middle):
        return False
    size = float(np.nanmedian(np.nanmax(joints, axis=1) - np.nanmin(joints, axis=1)))
    away = float(np.median(middle[:, :2], axis=0).max())
    return bool(np.percentile(middle[:, 2], 90) < 0.05 * size and away > 0.2 * size)


def _is_scored(joints: NDArray[np.float64], layout: Layout) -> bool:
    """Whether joints (N, V, 3) lie in a picture and have a score, so that no bone is rigid."""
    if np.nanmin(joints) < PICTURE[0] or np.nanmax(joints) > PICTURE[1]:
        return False
    low, high = np.nanmin(joints[..., 2]), np.nanmax(joints[..., 2])
    if not 0 <= low < high <= 1 or np.nanmedian(joints[..., 2]) < 0.5:
        return False
    lengths = np.stack([_length(joints[:, a], joints[:, b]) for a, b in layout.bones])
    known = lengths[:, np.isfinite(lengths).all(axis=0)]
    if known.shape[1] < 2:
        return False
    variation = known.std(axis=1) / np.maximum(np.median(known, axis=1), 1e-9)
    return bool(np.median(variation) > STRETCHING)


def to_person_size(bodies: FloatArray, presence: BoolArray, *, layout: Layout) -> FloatArray:
    """Scale flat bodies (M, T, V, 3) so that a standard adult has their longest limbs."""
    body, frame = np.nonzero(presence)
    some = slice(None, None, 1 + len(frame) // (4 * _ENOUGH))
    joints = bodies[body[some], frame[some]].astype(np.float64)
    joints[~(np.isfinite(joints).all(axis=2) & joints.any(axis=2))] = np.nan
    ratios = []
    for one, other in _LIMBS:
        lengths = _length(_joint(joints, layout, one), _joint(joints, layout, other))
        lengths = lengths[np.isfinite(lengths)]
        if len(lengths):
            ratios.append(np.percentile(lengths, _LONGEST) / _standard(one, other))
    size = float(np.median(ratios)) if ratios else 0.0
    return np.asarray(bodies / np.float32(size)) if np.float32(size) > 0 else bodies


def _joint(joints: NDArray[np.float64], layout: Layout, name: str) -> NDArray[np.float64]:
    """A joint of NTU-25 (N, 3), from those of a layout that stand for it."""
    parts = [
        weight * joints[:, layout.joints.index(part)] for part, weight in layout.ntu25[name].items()
    ]
    return np.asarray(np.sum(parts, axis=0))


def _standard(one: str, other: str) -> float:
    """Length of a limb of a standard adult, meters."""
    if one == "base of spine":
        ends = ("middle of spine", other)
        return float(STANDARD_LENGTHS[[NTU25_INDEX[end] for end in ends]].sum())
    return float(STANDARD_LENGTHS[NTU25_INDEX[other]])


def _length(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(one - other, axis=-1))
