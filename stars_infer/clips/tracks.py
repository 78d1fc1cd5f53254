"""Tell the tracks of people from furniture and brief false detections.

Kinect starts a new body whenever it loses one, and takes chairs and doors for bodies. The rules
here are the denoising that the code published with work on NTU RGB+D shares, as for CTR-GCN (Chen
et al., ICCV 2021) and MAMP (Mao et al., ICCV 2023): by the number of frames, and by the spread of x
over y. A body that is alone in its clip passes unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray

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


def tracks_of(bodies: FloatArray, presence: BoolArray) -> list[Track]:
    """The tracks (T, V, 3) of bodies (M, T, V, 3) that are seen at all, by presence (M, T)."""
    return [
        Track(number=number, joints=joints, seen=seen)
        for number, (joints, seen) in enumerate(zip(bodies, presence, strict=True))
        if seen.any()
    ]


def drop_glimpses(tracks: list[Track], *, fps: float) -> list[Track]:
    """Drop bodies that are seen for less than `MIN_SEEN`; if all are, keep the one seen longest."""
    least = round(MIN_SEEN * fps)
    long = [track for track in tracks if track.seen.sum() >= least]
    return long or [max(tracks, key=lambda track: int(track.seen.sum()))]


def drop_furniture(tracks: list[Track]) -> list[Track]:
    """Drop bodies that are mostly wider than a person, but never all."""
    kept = list(tracks)
    for track in tracks:
        if len(kept) > 1 and track.wide.mean() >= MAX_WIDE_SHARE:
            kept.remove(track)
    return kept


def people_among(bodies: FloatArray, presence: BoolArray, *, fps: float) -> list[Track]:
    """Find the tracks of people: drop bodies that are seen too briefly, then furniture.

    Args:
        bodies: (M, T, V, 3).
        presence: (M, T).
        fps: Frames per second.
    """
    tracks = tracks_of(bodies, presence)
    if len(tracks) > 1:
        tracks = drop_furniture(drop_glimpses(tracks, fps=fps))
    return tracks


def note_glimpses(bodies: FloatArray, presence: BoolArray, *, fps: float) -> tuple[str, ...]:
    """Say in which frames nobody is seen but bodies that are seen too briefly to be people.

    These frames are left out when a clip is named, as are those without any body.

    Args:
        bodies: (M, T, V, 3).
        presence: (M, T).
        fps: Frames per second.
    """
    tracks = tracks_of(bodies, presence)
    if len(tracks) < 2:
        return ()
    kept = drop_glimpses(tracks, fps=fps)
    people = np.logical_or.reduce([track.seen for track in kept])
    notes = []
    for track in tracks:
        alone = np.flatnonzero(track.seen & ~people)
        if track not in kept and len(alone):
            notes.append(
                f"body {track.number} is seen alone in {len(alone)} "
                f"frame{'s' if len(alone) > 1 else ''} from frame {alone[0]}, too briefly to be "
                "a person: left out"
            )
    return tuple(notes)


def _variance(positions: NDArray[np.float64]) -> float:
    """Variance of each coordinate over all frames and joints of (T, V, 3), summed."""
    return float(positions.reshape(-1, 3).var(axis=0).sum())
