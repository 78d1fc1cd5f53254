"""Choose the one or two actors among the tracked bodies of a clip.

Kinect starts a new body whenever it loses one, and takes chairs and doors for bodies. The rules
here are the denoising that the code published with work on NTU RGB+D shares, as for CTR-GCN (Chen
et al., ICCV 2021) and MAMP (Mao et al., ICCV 2023): by the number of frames, by the spread of x
over y, and by motion. A clip with a single body passes unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.clip import Clip

MIN_SEEN = 0.4
"""Beside other bodies, a body that is seen for fewer seconds is noise: at 30 Hz, 12 frames."""
SPREAD_RATIO = 0.8
"""A body is wide in a frame if its extent in x exceeds this share of its extent in y."""
MAX_WIDE_SHARE = 0.69754
"""A body that is wide in this share of its frames, or in more, is furniture."""


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: `wide` is cached
class Track:
    """One tracked body of a clip."""

    number: int
    """Number of the body in its clip."""
    joints: FloatArray
    """(T, V, 3)."""
    seen: BoolArray
    """(T,)."""

    @cached_property
    def wide(self) -> BoolArray:
        """Whether the body is wider than a person, for each frame in which it is seen."""
        by_joint = np.ascontiguousarray(self.joints[self.seen].transpose(1, 2, 0)[:, :2])
        width, height = np.ptp(by_joint, axis=0)
        return np.asarray(width > SPREAD_RATIO * height)

    def motion(self) -> float:
        """Summed variance of the positions, with or without wide frames, whichever is smaller."""
        seen = self.joints[self.seen].astype(np.float64)
        whole = _variance(seen)
        wide = self.wide
        if wide.any() and not wide.all():
            return min(whole, _variance(seen[~wide]))
        return whole

    def interval(self) -> tuple[int, int]:
        """First and last frame in which the body is seen."""
        frames = np.flatnonzero(self.seen)
        return int(frames[0]), int(frames[-1])


def select_actors(clip: Clip) -> FloatArray:
    """Keep the one or two bodies that act.

    Args:
        clip: Any number of bodies.

    Returns:
        Joints (1 or 2, T', V, 3) in meters, first the actor that moves more. Frames without any
        body are dropped; an actor that is missing in a frame is zero there.
    """
    kept_frames = clip.presence.any(axis=0)
    if len(clip.bodies) == 1:
        return clip.bodies[:, kept_frames]
    cast = cast_bodies(clip)[:, kept_frames]
    acted = clip.bodies[:, kept_frames][cast, np.arange(cast.shape[1])]
    return np.where(cast[:, :, None, None] >= 0, acted, np.float32(0))


def cast_bodies(clip: Clip) -> NDArray[np.intp]:
    """Assign bodies to actors, frame by frame.

    Returns:
        Number of the body that is each actor (1 or 2, T), first the actor that moves more; -1 where
        the actor is missing.
    """
    kept_frames = clip.presence.any(axis=0)
    bodies, presence = clip.bodies[:, kept_frames], clip.presence[:, kept_frames]
    tracks = people_among(bodies, presence, fps=clip.fps)
    merged = _merge_tracks(sorted(tracks, key=Track.motion, reverse=True))
    cast = np.full((len(merged), clip.frames), -1, np.intp)
    cast[:, kept_frames] = merged
    return cast


def people_among(bodies: FloatArray, presence: BoolArray, *, fps: float) -> list[Track]:
    """Find the tracks of people: drop bodies that are seen too briefly, then furniture.

    Args:
        bodies: (M, T, V, 3).
        presence: (M, T).
        fps: Frames per second.
    """
    tracks = [
        Track(number=number, joints=joints, seen=seen)
        for number, (joints, seen) in enumerate(zip(bodies, presence, strict=True))
        if seen.any()
    ]
    if len(tracks) > 1:
        tracks = _drop_glimpses(tracks, round(MIN_SEEN * fps))
    if len(tracks) > 1:
        tracks = _drop_furniture(tracks)
    return tracks


def _variance(positions: NDArray[np.float64]) -> float:
    """Variance of each coordinate over all frames and joints of (T, V, 3), summed."""
    return float(positions.reshape(-1, 3).var(axis=0).sum())


def _drop_glimpses(tracks: list[Track], least: int) -> list[Track]:
    """Drop bodies that are seen in fewer frames; if all are, keep the one seen longest."""
    long = [track for track in tracks if track.seen.sum() >= least]
    return long or [max(tracks, key=lambda track: int(track.seen.sum()))]


def _drop_furniture(tracks: list[Track]) -> list[Track]:
    """Drop bodies that are mostly wider than a person, but never all."""
    kept = list(tracks)
    for track in tracks:
        if len(kept) > 1 and track.wide.mean() >= MAX_WIDE_SHARE:
            kept.remove(track)
    return kept


def _merge_tracks(tracks: list[Track]) -> NDArray[np.intp]:
    """Lay tracks, sorted by falling motion, into actors (1 or 2, T).

    A track that lies before or after all that the first actor has so far goes on with that actor;
    any other track fills the gaps of the second.
    """
    cast = np.full((2, len(tracks[0].seen)), -1, np.intp)
    cast[0, tracks[0].seen] = tracks[0].number
    first, last = tracks[0].interval()
    for track in tracks[1:]:
        start, end = track.interval()
        if end < first or start > last:
            cast[0, track.seen] = track.number
            first, last = min(first, start), max(last, end)
        else:
            cast[1, track.seen & (cast[1] < 0)] = track.number
    return cast if (cast[1] >= 0).any() else cast[:1]
