"""How a window begins and ends: whether the body comes back, and whether it rests there."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip

_POSE, _PACE = 0.15, 0.3
"""Seconds at either end over which the posture and the speed are averaged."""
_STILL, _SLOW = 0.02, 0.05
"""Meters, and meters a second, below which differences are a sensor's noise."""
_FEWEST = 4
"""Frames of a body that make a beginning, a middle and an end."""
_REST = log(0.5)
"""Logarithm of the speed at an end, relative to that of the window, below which the body rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How a window begins and ends; all numbers are lower for one whole action.

    People begin an action from a posture to which they come back, and are slow as they leave it and
    reach it. A window of half an action, or of one and the beginning of the next, does neither.

    Attributes:
        apart: Logarithm of how far the first and last postures are from their mean, relative to how
            far the middle of the window gets from it.
        first: Logarithm of the speed at the beginning, relative to that of the whole window.
        last: The same of the end.
    """

    apart: float
    first: float
    last: float

    @property
    def hurry(self) -> float:
        """That of the faster end."""
        return max(self.first, self.last)


def moves_on(before: Ends, after: Ends) -> bool:
    """Whether the body rests at neither side of where one window ends and the next begins.

    Two windows of the same action are parts of one then; else, the action takes place twice.
    """
    return min(before.last, after.first) > _REST


def ends_of(clip: Clip) -> Ends:
    """How a clip begins and ends, by the body that moves most.

    Args:
        clip: The clip, in meters; what is no clip of a moving body has ends like its middle.
    """
    tracks = [centered(body[seen]) for body, seen in zip(clip.bodies, clip.presence, strict=True)]
    tracks = [track for track in tracks if len(track) >= _FEWEST]
    if not tracks:
        return Ends(apart=0.0, first=0.0, last=0.0)
    track = max(tracks, key=spread)
    first, last = _paces(track, clip.fps)
    return Ends(apart=_apart(track, clip.fps), first=first, last=last)


def centered(joints: FloatArray) -> FloatArray:
    """Joints (T, V, 3) as seen from the middle of the body in each frame."""
    return np.asarray(joints - joints.mean(axis=1, keepdims=True))


def spread(track: FloatArray) -> float:
    """Root mean square distance of joints (T, V, 3) from their mean positions, meters."""
    return float(np.sqrt(np.square(track - track.mean(axis=0)).sum(axis=2).mean()))


def _apart(track: FloatArray, fps: float) -> float:
    few = min(max(2, round(_POSE * fps)), len(track) // 2)
    first, last = track[:few].mean(axis=0), track[-few:].mean(axis=0)
    away = _distance(track - (first + last) / 2)
    quarter = len(track) // 4
    reach = away[quarter : len(track) - quarter].max()
    near = min(away[:few].mean(), away[-few:].mean())
    return float(np.log((near + _STILL) / (reach + _STILL)))


def _paces(track: FloatArray, fps: float) -> tuple[float, float]:
    speeds = _distance(np.diff(track, axis=0)) * fps
    some = min(max(2, round(_PACE * fps)), len(speeds))
    whole = float(speeds.mean()) + _SLOW
    return (
        log((float(speeds[:some].mean()) + _SLOW) / whole),
        log((float(speeds[-some:].mean()) + _SLOW) / whole),
    )


def _distance(difference: FloatArray) -> FloatArray:
    """Root mean square over the joints of a difference (T, V, 3), (T,)."""
    return np.asarray(np.sqrt(np.square(difference).sum(axis=2).mean(axis=1)))
