"""A motion clip: the joints of the bodies in it, over time."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.convention import AUTO, STANDARD, Convention, to_standard
from stars_infer.clips.fill_values import FARTHEST, clear_lost
from stars_infer.clips.flat import to_person_size, why_flat
from stars_infer.clips.following import follow_bodies
from stars_infer.clips.gaps import MAX_GAP, drop_lost_bodies, fill_gaps
from stars_infer.clips.plausibility import doubts
from stars_infer.clips.shapes import array_of, as_bodies
from stars_infer.clips.spikes import take_out_spikes
from stars_infer.clips.tracks import note_glimpses
from stars_infer.clips.upright import turn_upright
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import (
    ClipError,
    FlatError,
    NobodyError,
    UsageError,
    check_range,
    count_of,
)
from stars_infer.layouts import get_layout

MIN_FRAMES = 2
MAX_FRAMES = 20_000
"""Longest clip, in frames (11 minutes at 30 Hz): one action, not a recording."""
MAX_RECORDING_FRAMES = 2_000_000
"""Longest recording that is read to be cut into actions (18 hours at 30 Hz); more is damage."""
LEAST_CONFIDENCE = 0.3
"""Points of which a tracker is less sure count as missing."""
DEFAULT_FPS = 30.0
NO_NOTES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Clip:
    """Joints of one clip.

    Axes: `M` bodies, `T` frames, `V` joints.

    Attributes:
        bodies: Joint positions (M, T, V, 3), float32, meters, finite; zero where absent.
        presence: Whether a body is seen in a frame, (M, T).
        layout: Name of the joint layout, or path of its file.
        fps: Frames per second.
        source: Where the clip comes from, for messages and results.
        notes: What was mended in it, and what is odd about it, in words.
        flat: Whether it is in 2D: z is zero, and it is compared with flat exemplars only.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Clip
        >>> from stars_infer.synthetic.actions import perform
        >>> millimeters = 1000 * perform("wave", np.random.default_rng(0))
        >>> clip = Clip.from_array(millimeters, units="mm", source="my sensor")
        >>> clip.bodies.shape, bool(clip.presence.all()), clip.notes
        ((1, 89, 25, 3), True, ())
    """

    bodies: FloatArray
    presence: BoolArray
    layout: str = "ntu25"
    fps: float = DEFAULT_FPS
    source: str = "array"
    notes: tuple[str, ...] = ()
    flat: bool = False

    def __post_init__(self) -> None:
        source: object = self.source  # callers without a type checker may give anything
        if isinstance(source, os.PathLike):
            object.__setattr__(self, "source", str(source))
        elif not isinstance(source, str):
            raise UsageError(f"source must be text, not {source!r}")
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
                self.source, "expected finite float32 positions; Clip.from_array mends gaps"
            )
        if not self.fps > 0:
            raise ClipError(self.source, f"expected a positive frame rate, got {self.fps}")
        if not self.presence.any():
            raise NobodyError(
                self.source,
                "no body in any frame (all joints are zero or missing): record it again",
            )

    def __repr__(self) -> str:
        return f"<Clip {self.source}: {self.bodies.shape} of {self.layout} at {self.fps:g} Hz>"

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return int(self.bodies.shape[1])

    @property
    def content_hash(self) -> str:
        """SHA-256 of the joints, layout and frame rate: the same for equal clips, whatever file."""
        layout = get_layout(self.layout).identity
        digest = hashlib.sha256(f"{layout} {self.fps:g} {self.bodies.shape}".encode())
        digest.update(np.ascontiguousarray(self.bodies).tobytes())
        return digest.hexdigest()

    @classmethod
    def from_array(
        cls,
        joints: ArrayLike,
        *,
        layout: str = "ntu25",
        units: str | float = "m",
        up: str | None = None,
        handedness: str = "right",
        fps: float = DEFAULT_FPS,
        flat: bool = False,
        source: str = "array",
        confidence: NDArray[np.generic] | None = None,
        least_confidence: float = LEAST_CONFIDENCE,
        recording: bool = False,
        computed: bool = False,
    ) -> Clip:
        """Make a clip from an array of positions, which is copied.

        Args:
            joints: (T, V, 3), (M, T, V, 3), (3, T, V, M), or any order of these axes that a body
                fits (`stars_infer.clips.shapes`); x and y are enough if it is flat. A body counts
                as absent in frames where all its joints are zero or NaN; other NaN are missing
                joints, and so are masked values, fill values (`stars_infer.clips.fill_values`) and
                other zeros, unless they are the body's own origin
                (`stars_infer.clips.zeros`).
            layout: Name of the joint layout, or path of its file.
            units: Of the positions: `m`, `cm`, `mm` or `in`, or the meters in a unit.
            up: The axis of the array that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`. A camera's
                y points down: `-y`. `auto` finds it from the bodies, as is done with flat clips if
                nothing is said; else it is `y`.
            handedness: Of the axes, `right` or `left`; Unity's and Unreal's are left-handed.
            fps: Frames per second.
            flat: The clip is in 2D, or to be taken so: depth is set to zero.
            source: Name for messages and results.
            confidence: How sure the tracker is of each joint, (M, T, V), or (T, V) of one body.
            least_confidence: Joints below it count as missing.
            recording: The clip is to be cut into actions: it may be hours long, and a body that is
                not known well enough for a while, or at all, is absent.
            computed: Positions are computed, as from a skeleton's turns, and none is ever lost: a
                joint at zero is there.

        Returns:
            The clip in meters, y up, right-handed. Its `notes` say what was mended, and what makes
            the units or axes doubtful.

        Raises:
            ClipError: If the shape does not fit the layout, too much is missing, or nobody is
                there.
            UsageError: If there is no such layout, unit, axis or frame rate.

        Example:
            >>> import numpy as np
            >>> from stars_infer import Clip
            >>> from stars_infer.synthetic.actions import perform
            >>> meters = perform("wave", np.random.default_rng(0))
            >>> Clip.from_array(meters * 1000).notes[0].split(": ")[1]
            'if they are in mm, pass --units mm (in Python units="mm")'
            >>> Clip.from_array(meters * 1000, units="mm").notes
            ()
        """
        convention = Convention(
            layout=layout,
            units=units,
            up=up or (AUTO if flat else "y"),
            handedness=handedness,
            fps=fps,
            flat=flat,
        )
        layout, fps = convention.layout or "ntu25", convention.fps or DEFAULT_FPS
        given, order = as_bodies(joints, layout=layout, source=source, flat=bool(flat))
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is missing
            bodies = np.array(to_standard(given, convention), np.float32, order="C")
        made = cls.from_tracks(
            bodies,
            presence_of(bodies),
            layout=layout,
            fps=fps,
            source=source,
            confidence=confidence,
            least_confidence=least_confidence,
            recording=recording,
            computed=computed,
            convention=convention,
        )
        return replace(made, notes=(*order, *made.notes)) if order else made

    @classmethod
    def from_mediapipe(
        cls, results: Iterable[Any], *, fps: float = DEFAULT_FPS, source: str = "mediapipe"
    ) -> Clip:
        """Make a clip of what MediaPipe Pose returned for each frame.

        World landmarks are in meters with y down, which is turned; visibility is the confidence.

        Args:
            results: Results of `PoseLandmarker`, or of the older `Pose`, one for each frame; None
                for a frame that was not looked at.
            fps: Frames per second of the video.
            source: Name for messages and results.

        Raises:
            ClipError: If these are image landmarks, which are no positions, or hold no usable
                motion.
            UsageError: If these are no results of MediaPipe, or the frame rate is none.
        """
        made: Clip = _adapters().clip_of_mediapipe(results, fps=fps, source=source)
        return made

    @classmethod
    def from_openpose(
        cls,
        frames: Iterable[Any],
        *,
        layout: str = "body25",
        units: str = "m",
        fps: float = DEFAULT_FPS,
        source: str = "openpose",
    ) -> Clip:
        """Make a clip of what OpenPose wrote for each frame, run with `--3d`.

        Axes are those of a camera, y down, which is turned; points of confidence 0 are missing.

        Args:
            frames: `{"people": [{"pose_keypoints_3d": [...]}, ...]}` for each frame.
            layout: The body model that was run.
            units: Of the camera calibration: `m`, `cm`, `mm` or `in`.
            fps: Frames per second of the video.
            source: Name for messages and results.

        Raises:
            ClipError: If the points are 2D, do not fit the layout, or hold no usable motion.
            UsageError: If these are no frames of OpenPose, or an option means nothing.
        """
        made: Clip = _adapters().clip_of_openpose(
            frames, layout=layout, units=units, fps=fps, source=source
        )
        return made

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")  # what overflows is missing
    def from_tracks(
        cls,
        bodies: FloatArray,
        presence: BoolArray,
        *,
        layout: str = "ntu25",
        fps: float = DEFAULT_FPS,
        source: str = "array",
        confidence: NDArray[np.generic] | None = None,
        least_confidence: float = LEAST_CONFIDENCE,
        recording: bool = False,
        computed: bool = False,
        identified: bool = False,
        convention: Convention = STANDARD,
    ) -> Clip:
        """Make a clip from tracked bodies (M, T, V, 3) in meters, mending what is missing.

        A body of which a frame shows no joint, or all at zero, is absent there, and a body beside
        others that is not known well enough to be mended is left out. `confidence`,
        `least_confidence`, `recording` and `computed` are as in `from_array`, and so are the notes.
        Bodies that are `identified` are followed by their source, so that none changes places.
        `convention` is the one by which positions were brought to meters, y up, right-handed: where
        the bodies cannot be people's, a note names the one that would fit.

        Raises:
            ClipError: If there are too few or too many frames, too much is missing, or nobody is
                there.
        """
        check_frame_count(bodies.shape[1], source=source, recording=recording)
        bodies = _without_doubt(bodies, confidence, least_confidence, source)
        kind = get_layout(layout)
        followed = unseen = jumping = lost = filled = turned = NO_NOTES
        if computed:
            bodies = np.where(np.abs(bodies) > FARTHEST, np.float32(np.nan), bodies)
        else:
            presence = presence & presence_of(bodies)
            if not identified:
                bodies, presence, followed = follow_bodies(bodies, presence, fps=fps)
            bodies, presence, unseen = clear_lost(bodies, presence, layout=kind)
            if convention.flat:
                bodies = to_person_size(bodies, presence, layout=kind)
            elif told := why_flat(bodies, presence, layout=kind):
                raise FlatError(source, told)
            bodies, jumping = take_out_spikes(bodies, presence, layout=kind, fps=fps)
        if not np.isfinite(bodies).all():
            known = np.asarray(np.isfinite(bodies).all(axis=3))
            presence = presence & np.asarray(known.any(axis=2))
            here = presence[:, :, None, None] | known[..., None]
            bodies = np.where(here, bodies, np.float32(0))
            max_gap = max(1, round(MAX_GAP * fps / DEFAULT_FPS))
            if recording or presence.any(axis=1).sum() > 1:
                bodies, presence, lost = drop_lost_bodies(
                    bodies, presence, layout=kind, source=source, max_gap=max_gap
                )
            bodies, filled = fill_gaps(
                bodies,
                presence,
                layout=kind,
                source=source,
                max_gap=max_gap,
                uncertain=confidence is not None,
            )
        if convention.up == AUTO:
            bodies, found = turn_upright(bodies, presence, layout=kind, convention=convention)
            turned = (f"{found} points up, as the bodies stand",)
        made = cls(
            bodies=bodies,
            presence=presence,
            layout=layout,
            fps=fps,
            source=source,
            flat=bool(convention.flat),
        )
        odd = doubts(bodies, presence, layout=kind, convention=convention)
        brief = note_glimpses(bodies, presence, fps=fps)
        notes = (*turned, *followed, *unseen, *jumping, *lost, *filled, *brief, *odd)
        return replace(made, notes=notes) if notes else made


def _adapters() -> Any:
    # What estimators return is taken apart as their files are, in a room that imports this one.
    # Found by its name when it is first needed, it makes no circle of imports.
    return importlib.import_module("stars_infer.readers.adapters")


def check_frame_count(frames: int, *, source: str, recording: bool = False) -> None:
    """Refuse clips that are too short to hold a motion or, unless recordings, too long for one.

    Raises:
        ClipError: If there are fewer than `MIN_FRAMES` or more than `MAX_FRAMES` frames, or
            `MAX_RECORDING_FRAMES` of a recording.
    """
    if frames < MIN_FRAMES:
        raise ClipError(
            source,
            f"{count_of(frames)} frame(s), but a motion needs at least {MIN_FRAMES}: record longer",
        )
    if recording and frames > MAX_RECORDING_FRAMES:
        raise ClipError(
            source,
            f"{count_of(frames)} frames, more than the {MAX_RECORDING_FRAMES:,} a recording may "
            "have: cut it into parts",
        )
    if frames > MAX_FRAMES and not recording:
        raise ClipError(
            source,
            f"{count_of(frames)} frames, more than the {MAX_FRAMES:,} a clip may have: cut the "
            "recording into clips of one action each, or find its actions with `stars segment`",
        )


def _without_doubt(
    bodies: FloatArray, confidence: NDArray[np.generic] | None, least: float, source: str
) -> FloatArray:
    """Take out the points (M, T, V, 3) of which a tracker was not sure."""
    if confidence is None:
        return bodies
    check_range("least_confidence", least)
    confidence = array_of(confidence, source)
    if confidence.shape == bodies.shape[1:3] and len(bodies) == 1:
        confidence = confidence[None]
    if confidence.shape != bodies.shape[:3]:
        raise ClipError(
            source, f"expected confidence {bodies.shape[:3]}, got {confidence.shape}: one a joint"
        )
    sure = np.asarray(confidence, np.float32) >= least
    return np.where(sure[..., None], bodies, np.float32(np.nan))
