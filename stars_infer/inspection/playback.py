"""Which frames of one clip, or of two in time alignment, are shown when they are played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import Clip
from stars_infer.similarity.alignment import Alignment

LEAST_APART, MOST_APART = 0.06, 0.3
"""Distances of limbs, body heights, from which and up to which they stand out more and more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Playback:
    """What is shown, picture by picture; `web/player.js` plays the same.

    Attributes:
        frames: The frame of each of C clips in each picture, (P, C).
        weights: How much each of `stars_infer.similarity.differences.LIMBS` stands out, 0 to 1,
            (P, L); None for clips that are not aligned.
        fps: Pictures per second.
    """

    frames: NDArray[np.intp]
    weights: NDArray[np.float64] | None
    fps: float


def play_back(
    clips: Sequence[Clip], alignment: Alignment | None = None, *, fps: float = 20.0
) -> Playback:
    """Play one clip, or two beside each other.

    With an alignment, its path leads both: what it leaves out at the beginning and at the end is
    played, too, and in between, time passes at the mean of both paces. Without one, each has its
    own time, and the shorter one waits in its last frame.

    Args:
        clips: One or two clips.
        alignment: How the two lie over each other.
        fps: Pictures per second.
    """
    ends = np.array([clip.frames - 1 for clip in clips])
    rates = np.array([clip.fps for clip in clips])
    if alignment is None:
        seconds = float(np.max((ends + 1) / rates))
        times = np.arange(max(1, round(seconds * fps))) / fps
        frames = np.floor(times[:, None] * rates + 1e-6).astype(np.intp)
        return Playback(frames=np.minimum(frames, ends), weights=None, fps=fps)
    path = np.stack((alignment.first_frames, alignment.second_frames), axis=1)
    knots = np.concatenate((np.zeros((1, 2)), path, ends[None]))
    passed = np.diff(knots, axis=0) / rates
    steps = passed.mean(axis=1)
    steps[[0, -1]] = passed[[0, -1]].max(axis=1)
    at = np.concatenate(([0.0], np.cumsum(np.maximum(steps, 0))))
    times = np.arange(max(1, round(at[-1] * fps))) / fps
    shown = np.stack([np.interp(times, at, knots[:, clip]) for clip in (0, 1)], axis=1)
    apart = np.zeros((len(knots), alignment.limb_distances.shape[1]))
    apart[1:-1] = alignment.limb_distances
    place = np.searchsorted(at, times, side="right") - 1
    weights = np.clip((apart[place] - LEAST_APART) / (MOST_APART - LEAST_APART), 0, 1)
    frames = np.minimum(np.rint(shown).astype(np.intp), ends)
    return Playback(frames=frames, weights=weights, fps=fps)
