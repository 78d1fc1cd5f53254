"""A motion clip: the joints of the bodies in it, over time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import ClipError, NobodyError
from stars_infer.layouts import get_layout, layouts_with

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

MIN_FRAMES = 2
MAX_FRAMES = 20_000
"""Longest clip, in frames (11 minutes at 30 Hz): one action, not a recording."""
MAX_GAP = 10
"""Longest run of frames without a finite position that is interpolated."""
DEFAULT_FPS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """Joints of one clip.

    Axes: `M` bodies, `T` frames, `V` joints.

    Attributes:
        bodies: Joint positions (M, T, V, 3), float32, metres, finite; zero where absent.
        presence: Whether a body is seen in a frame, (M, T).
        layout: Name of the joint layout.
        fps: Frames per second.
        source: Where the clip comes from, for messages and results.
    """

    bodies: FloatArray
    presence: BoolArray
    layout: str = "ntu25"
    fps: float = DEFAULT_FPS
    source: str = "array"

    def __post_init__(self) -> None:
        joints = len(get_layout(self.layout).joints)
        if self.bodies.ndim != 4 or self.bodies.shape[2:] != (joints, 3):
            raise ClipError(
                self.source,
                f"expected bodies (M, T, {joints}, 3) for layout {self.layout!r}, "
                f"got {self.bodies.shape}",
            )
        if self.presence.shape != self.bodies.shape[:2]:
            raise ClipError(
                self.source,
                f"expected presence {self.bodies.shape[:2]}, got {self.presence.shape}",
            )
        if self.bodies.dtype != np.float32 or not np.isfinite(self.bodies).all():
            raise ClipError(
                self.source, "expected finite float32 positions; Clip.from_array mends short gaps"
            )
        if not self.fps > 0:
            raise ClipError(self.source, f"expected a positive frame rate, got {self.fps}")
        if not self.presence.any():
            raise NobodyError(
                self.source, "no body in any frame (all joints are zero): record it again"
            )

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return int(self.bodies.shape[1])

    @property
    def content_hash(self) -> str:
        """SHA-256 of the joints, layout and frame rate: the same for equal clips, whatever file."""
        digest = hashlib.sha256(f"{self.layout} {self.fps:g} {self.bodies.shape}".encode())
        digest.update(np.ascontiguousarray(self.bodies).tobytes())
        return digest.hexdigest()

    @classmethod
    def from_array(
        cls,
        joints: NDArray[np.generic],
        *,
        layout: str = "ntu25",
        fps: float = DEFAULT_FPS,
        source: str = "array",
        recording: bool = False,
    ) -> Clip:
        """Make a clip from an array of positions in metres.

        Args:
            joints: (T, V, 3), (M, T, V, 3), or (3, T, V, M). A body counts as absent in frames
                where all its joints are zero.
            layout: Name of the joint layout.
            fps: Frames per second.
            source: Name for messages and results.
            recording: As in `from_tracks`.

        Raises:
            ClipError: If the shape does not fit the layout, a gap is too long, or nobody is there.
            UsageError: If there is no such layout.
        """
        bodies = _as_bodies(joints, layout=layout, source=source)
        presence = np.asarray(bodies.any(axis=(2, 3)))  # NaN counts as something
        return cls.from_tracks(
            bodies, presence, layout=layout, fps=fps, source=source, recording=recording
        )

    @classmethod
    def from_tracks(
        cls,
        bodies: FloatArray,
        presence: BoolArray,
        *,
        layout: str = "ntu25",
        fps: float = DEFAULT_FPS,
        source: str = "array",
        recording: bool = False,
    ) -> Clip:
        """Make a clip from tracked bodies (M, T, V, 3), mending short gaps.

        Args:
            bodies: Positions, metres.
            presence: Whether a body is seen in a frame, (M, T).
            layout: Name of the joint layout.
            fps: Frames per second.
            source: Name for messages and results.
            recording: The clip is to be cut into actions: it may be of any length, and a body of
                which a joint is missing for long is absent meanwhile.

        Raises:
            ClipError: If there are too few or too many frames, a gap is too long, or nobody is
                there.
        """
        if recording:
            bodies, presence = without_long_gaps(bodies, presence, source=source)
        check_frame_count(bodies.shape[1], source=source, recording=recording)
        bodies = fill_gaps(bodies, presence, source=source)
        return cls(bodies=bodies, presence=presence, layout=layout, fps=fps, source=source)


def check_frame_count(frames: int, *, source: str, recording: bool = False) -> None:
    """Refuse clips that are too short to hold a motion or, unless recordings, too long for one.

    Raises:
        ClipError: If there are fewer than `MIN_FRAMES` or more than `MAX_FRAMES` frames.
    """
    if frames < MIN_FRAMES:
        raise ClipError(
            source, f"{frames} frame(s), but a motion needs at least {MIN_FRAMES}: record longer"
        )
    if frames > MAX_FRAMES and not recording:
        raise ClipError(
            source,
            f"{frames:,} frames, more than the {MAX_FRAMES:,} a clip may have: "
            "cut the recording into clips of one action each, or let `stars segment` cut it",
        )


def fill_gaps(bodies: FloatArray, presence: BoolArray, *, source: str) -> FloatArray:
    """Interpolate NaN and infinite positions in time, joint by joint.

    Args:
        bodies: (M, T, V, 3).
        presence: (M, T); frames in which a body is absent are left alone.
        source: Name for messages.

    Returns:
        The same array if it has no gap, else a copy without gaps; a gap at the start or the end
        holds the nearest position.

    Raises:
        ClipError: If a joint is missing for more than `MAX_GAP` frames on end.
    """
    missing = ~np.isfinite(bodies).all(axis=3) & presence[:, :, None]
    if not missing.any():
        return bodies
    filled = bodies.copy()
    for body, joint in np.argwhere(missing.any(axis=1)):
        gap = missing[body, :, joint]
        known = presence[body] & ~gap
        start, length = _longest_run(gap)
        if length > MAX_GAP or not known.any():
            raise ClipError(
                source,
                f"joint {joint} of body {body} is NaN or infinite for {length} frame(s) from frame "
                f"{start} (at most {MAX_GAP} are interpolated): cut these frames or record again",
            )
        gap_times, known_times = np.flatnonzero(gap), np.flatnonzero(known)
        for axis in range(3):
            values = filled[body, :, joint, axis]
            values[gap] = np.interp(gap_times, known_times, values[known])
    return filled


def without_long_gaps(
    bodies: FloatArray, presence: BoolArray, *, source: str
) -> tuple[FloatArray, BoolArray]:
    """Take a body for absent where one of its joints is missing too long to be interpolated.

    Args:
        bodies: (M, T, V, 3); NaN or infinite where a joint is missing.
        presence: (M, T).
        source: Name for messages.

    Returns:
        Bodies, zero where absent, and their presence; the arrays given if no gap is so long.

    Raises:
        ClipError: If nobody is left, because a joint is missing all the time.
    """
    unknown = ~np.isfinite(bodies).all(axis=3)
    seen = presence
    while (lost := _lost(unknown & seen[:, :, None], seen)).any():
        seen = seen & ~lost  # what is left of another joint may now have too little to hold on to
    if seen is presence:
        return bodies, presence
    if not seen.any():
        joint = int((unknown & presence[:, :, None]).sum(axis=(0, 1)).argmax())
        raise ClipError(
            source,
            f"joint {joint} is NaN or infinite nearly always, so that no frame shows a whole body: "
            "use a layout without it, or record again",
        )
    return np.where(seen[:, :, None, None], bodies, np.float32(0)), seen


def _lost(missing: BoolArray, seen: BoolArray) -> BoolArray:
    """Where a joint is missing (M, T, V) for too long of a body that is seen (M, T), (M, T)."""
    lost = np.zeros_like(seen)
    for body, joint in np.argwhere(missing.any(axis=1)):
        gap = missing[body, :, joint]
        if not (seen[body] & ~gap).any():
            lost[body] |= gap
        for start, end in zip(*_runs(gap), strict=True):
            if end - start > MAX_GAP:
                lost[body, start:end] = True
    return lost


def _runs(mask: BoolArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and ends (excluded) of the runs of true values in a mask (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return edges[::2], edges[1::2]


def _longest_run(mask: BoolArray) -> tuple[int, int]:
    """Start and length of the longest run of true values in a mask (T,)."""
    starts, ends = _runs(mask)
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest] - starts[longest])


def _as_bodies(joints: NDArray[np.generic], *, layout: str, source: str) -> FloatArray:
    """Bring any accepted shape to a contiguous (M, T, V, 3) float32 array."""
    if not (np.issubdtype(joints.dtype, np.floating) or np.issubdtype(joints.dtype, np.integer)):
        raise ClipError(source, f"expected numbers, got an array of {joints.dtype}")
    if joints.ndim == 3 and joints.shape[2] == 3:
        bodies = joints[None]
    elif joints.ndim == 4 and joints.shape[3] == 3:
        bodies = joints
    elif joints.ndim == 4 and joints.shape[0] == 3:
        bodies = np.moveaxis(joints, (3, 0), (0, 3))
    else:
        raise ClipError(
            source,
            f"expected shape (T, V, 3), (M, T, V, 3) or (3, T, V, M), got {joints.shape}",
        )
    expected = len(get_layout(layout).joints)
    found = bodies.shape[2]
    if found != expected:
        fitting = " or ".join(f"--layout {name}" for name in layouts_with(found))
        remedy = f"pass {fitting}" if fitting else "no known layout has so many"
        raise ClipError(source, f"{found} joints, but layout {layout!r} has {expected}: {remedy}")
    return np.ascontiguousarray(bodies, dtype=np.float32)
