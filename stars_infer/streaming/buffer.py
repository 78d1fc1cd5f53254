"""The last seconds of a stream, in memory that does not grow, resampled to an even rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.fill_values import clear_lost
from stars_infer.clips.spikes import take_out_spikes
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import UsageError
from stars_infer.layouts import Layout
from stars_infer.streaming.people import PeopleFollower

MAX_BODIES = 6
"""Most bodies of a frame that are kept, the first ones: as many as a Kinect follows."""
MAX_RATE = 60.0
"""Most frames per second that are kept; the rest of a faster source is left out."""
MAX_SILENCE = 0.35
"""Longest gap between frames, or in a joint, that is interpolated, seconds."""
_GRACE = 0.25
"""Share of the frame time at `MAX_RATE` by which a frame may be early, as clocks are uneven."""


class FrameBuffer:
    """A ring buffer of frames.

    Args:
        joints: Number of joints of a body, V.
        seconds: How long a frame is kept.

    Attributes:
        people: Who each body of the last result of `latest` is: the identity that the stream gave,
            or a number in order of appearance.
        notes: What was mended in that result, in words.
    """

    def __init__(self, *, joints: int, seconds: float) -> None:
        self.seconds = seconds
        capacity = math.ceil((seconds + MAX_SILENCE) * MAX_RATE / (1 - _GRACE)) + 2
        self._joints = np.zeros((capacity, MAX_BODIES, joints, 3), np.float32)
        self._times = np.zeros(capacity)
        self._size = self._next = 0
        self._follower = PeopleFollower(slots=MAX_BODIES, joints=joints)
        self.people: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()

    @property
    def capacity(self) -> int:
        """Number of frames that fit in."""
        return len(self._times)

    def __len__(self) -> int:
        return self._size

    def clear(self) -> None:
        """Forget all frames and people."""
        self._size = self._next = 0
        self._follower = PeopleFollower(slots=MAX_BODIES, joints=self._joints.shape[2])

    def add(
        self,
        frame: NDArray[np.floating[Any]],
        time: float,
        identities: Sequence[str | None] = (),
    ) -> None:
        """Add a frame, which must be later than the previous one.

        Args:
            frame: Joint positions (V, 3) or (M, V, 3), meters, of people in any order.
            time: Time of the frame, seconds.
            identities: Who each body is, if the stream says it.

        Raises:
            UsageError: If the frame has another shape.
        """
        bodies = np.asarray(frame)
        if bodies.ndim == 2:
            bodies = bodies[None]
        joints = self._joints.shape[2]
        if bodies.ndim != 3 or bodies.shape[1:] != (joints, 3) or bodies.dtype.kind not in "fiu":
            raise UsageError(
                f"expected a frame of numbers ({joints}, 3) or (bodies, {joints}, 3) for this "
                f"layout, got {np.shape(frame)}"
            )
        if self._size:
            last = self._times[self._next - 1]
            if time - last < (1 - _GRACE) / MAX_RATE:
                return
        present = np.flatnonzero(bodies.any(axis=(1, 2)))[:MAX_BODIES]  # NaN counts as something
        with np.errstate(over="ignore"):
            poses = bodies[present].astype(np.float32)
        named = [identities[at] if at < len(identities) else None for at in present.tolist()]
        slots, fresh = self._follower.place(poses, time, named)
        self._joints[:, fresh] = 0  # of whoever was there before
        place = self._joints[self._next]
        place[:] = 0
        place[slots] = poses
        self._times[self._next] = time
        self._next = (self._next + 1) % self.capacity
        self._size = min(self._size + 1, self.capacity)

    def latest(self, *, fps: float, layout: Layout | None = None) -> tuple[FloatArray, BoolArray]:
        """The latest frames, resampled to an even rate.

        Args:
            fps: Frames per second of the result.
            layout: The joint layout. If given, joints that the sensor lost and set to a fill value
                count as missing (`stars_infer.clips.fill_values`); this is done before
                interpolation, which would mix their zeros into other positions.

        Returns:
            Bodies (M, T, V, 3), NaN where a joint is missing for longer than `MAX_SILENCE` and zero
            where the body is absent, and presence (M, T). T reaches back to the first frame, but no
            further than `seconds`.
        """
        order = (self._next - self._size + np.arange(self._size)) % self.capacity
        times = self._times[order]
        if not len(times):
            return self._nobody()
        end = times[-1]
        recent = times >= end - self.seconds - MAX_SILENCE
        times, order = times[recent], order[recent]
        steps = math.floor(min(self.seconds, end - times[0]) * fps + 1e-6)
        moments = end - np.arange(steps, -1, -1) / fps
        joints = self._joints[order]
        seen = np.flatnonzero(joints.any(axis=(0, 2, 3)))  # NaN counts as something
        if not len(seen):
            return self._nobody()
        tracks = joints[:, seen].transpose(1, 0, 2, 3)
        self.people = tuple(self._follower.names[slot] for slot in seen.tolist())
        if layout is not None:
            rate = (len(times) - 1) / max(times[-1] - times[0], 1e-6)
            tracks, there, _ = clear_lost(tracks, presence_of(tracks), layout=layout)
            tracks, self.notes = take_out_spikes(tracks, there, layout=layout, fps=max(rate, 1.0))
        bodies = np.stack([_even(track, times, moments) for track in tracks])
        known = np.asarray(np.isfinite(bodies).all(axis=3))
        presence = np.asarray(known.any(axis=2))
        return np.where(presence[:, :, None, None], bodies, np.float32(0)), presence

    def _nobody(self) -> tuple[FloatArray, BoolArray]:
        self.people = self.notes = ()
        shape = (0, 0, *self._joints.shape[2:])
        return np.zeros(shape, np.float32), np.zeros(shape[:2], np.bool_)


def _even(
    joints: FloatArray, times: NDArray[np.float64], moments: NDArray[np.float64]
) -> FloatArray:
    """Interpolate a body (T, V, 3) at moments (T',); NaN where a joint is missing for long."""
    finite = np.asarray(np.isfinite(joints).all(axis=2))
    known = finite & presence_of(joints)[:, None]
    if not (known != known[:, :1]).any():
        return _between(joints, known[:, 0], times, moments)
    columns = [
        _between(joints[:, joint : joint + 1], known[:, joint], times, moments)
        for joint in range(joints.shape[1])
    ]
    return np.concatenate(columns, axis=1)


def _between(
    joints: FloatArray, known: BoolArray, times: NDArray[np.float64], moments: NDArray[np.float64]
) -> FloatArray:
    """Interpolate joints that are all known in the same frames, `known` (T,)."""
    result = np.full((len(moments), *joints.shape[1:]), np.nan, np.float32)
    at, values = times[known], joints[known]
    if not len(at):
        return result
    after = np.searchsorted(at, moments).clip(0, len(at) - 1)
    before = np.maximum(after - 1, 0)
    span = at[after] - at[before]
    share = np.where(span > 0, (moments - at[before]) / np.maximum(span, 1e-9), 0.0).clip(0, 1)
    nearest = np.minimum(np.abs(moments - at[before]), np.abs(moments - at[after]))
    bridged = (span <= MAX_SILENCE) & (moments >= at[0]) & (moments <= at[-1])
    there = bridged | (nearest < 1e-3)
    weight = share.astype(np.float32)[there, None, None]
    result[there] = values[before[there]] * (1 - weight) + values[after[there]] * weight
    return result
