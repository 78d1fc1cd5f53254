"""Prepare a clip for the network: (bodies, 120, 25, 3).

The same code prepares clips for training and at use, so that the two can never differ. Steps and
constants are those of STARS, section 4, and of MAMP (Mao et al., "Masked Motion Predictors are
Strong 3D Action Representation Learners", ICCV 2023).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.actors import select_actors
from stars_infer.clips.clip import MIN_FRAMES, Clip
from stars_infer.errors import ClipError, UsageError, check_range
from stars_infer.layouts import get_layout
from stars_infer.preprocessing.normalize import PACE_FRAMES, even_pace, face_camera, standard_body
from stars_infer.preprocessing.resample import resize

CENTER_JOINT = 1
"""Middle of the spine, in NTU-25 order."""
MOST_SAMPLINGS = 100
"""Each sampling costs a run of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How a model needs its clips to be prepared; stored in its `model.json`.

    Attributes:
        frames: Number of frames of the input, T.
        crop: Share of the clip that the center crop keeps.
        center_joint: NTU-25 joint whose first position becomes the origin.
        face_camera: Whether to turn the clip about the vertical so that actor 1 faces the camera.
        standard_body: Whether to give every body the same bone lengths.
        pace: Share of the resampling that follows motion: 0 is even in time, 1 even in motion.
        samplings: Number of uniform samplings of the clip whose vectors are averaged; with 1, the
            clip is resampled once.
    """

    frames: int = 120
    crop: float = 0.9
    center_joint: int = CENTER_JOINT
    face_camera: bool = False
    standard_body: bool = False
    pace: float = 0.0
    samplings: int = 1

    def __post_init__(self) -> None:
        check_range("samplings", self.samplings, at_least=1, at_most=MOST_SAMPLINGS, whole=True)

    def contract(self) -> dict[str, Any]:
        """Return the settings that decide vectors; steps that are not taken are left out."""
        named, once = ("frames", "crop", "center_joint"), {"samplings": 1}
        return {
            key: value
            for key, value in asdict(self).items()
            if key in named or value != once.get(key, 0)
        }

    def in_words(self) -> str:
        """Describe the steps for people."""
        steps = [
            f"center crop {self.crop:g}" if self.crop < 1 else "",
            f"resized to {self.frames} frames",
            "turned to face the camera" if self.face_camera else "",
            "given standard bone lengths" if self.standard_body else "",
            f"pace {self.pace:g}" if self.pace else "",
            f"mean of {self.samplings} uniform samplings" if self.samplings > 1 else "",
        ]
        return ", ".join(step for step in steps if step)


def prepare(clip: Clip, how: Preprocessing | None = None) -> FloatArray:
    """Select actors, map to NTU-25, center, crop, resize, and normalize as the model needs it.

    Args:
        clip: A clip of any layout and any number of bodies.
        how: The model's preprocessing; that of STARS if not given.

    Returns:
        Actors (1 or 2, frames, 25, 3), meters, float32. Several samplings follow each other,
        (1 or 2, samplings * frames, 25, 3); all have the same turn, bone lengths and pace.

    Raises:
        ClipError: If fewer than two frames show a body.
        UsageError: If it is no `Clip`.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Clip, prepare
        >>> from stars_infer.synthetic.actions import perform
        >>> clip = Clip.from_array(perform("wave", np.random.default_rng(0)))
        >>> prepare(clip).shape
        (1, 120, 25, 3)
    """
    if not isinstance(clip, Clip):
        raise UsageError(
            f"expected a Clip, got {type(clip).__name__}: read a file with `read_clip`, or make a "
            "clip of an array with `Clip.from_array`"
        )
    how = how or Preprocessing()
    joints = center_crop(center_actors(clip, center_joint=how.center_joint), how.crop)
    if how.pace:
        joints = resize(joints, PACE_FRAMES)
    else:
        joints = resize(joints, how.frames, samplings=how.samplings)
    if how.face_camera:
        joints = face_camera(joints)
    if how.standard_body:
        joints = center(standard_body(joints), center_joint=how.center_joint)
    if how.pace:
        joints = even_pace(joints, how.frames, how.pace, samplings=how.samplings)
    return joints


def center_actors(
    clip: Clip, *, center_joint: int = CENTER_JOINT, bystanders: bool = False
) -> FloatArray:
    """Select the actors of a clip, map them to NTU-25 joints, and center them.

    Args:
        clip: A clip of any layout and any number of bodies.
        center_joint: NTU-25 joint whose first position becomes the origin.
        bystanders: Keep people who do not act, as in `stars_infer.clips.actors.select_actors`.

    Returns:
        (1 or 2, T', 25, 3) in meters; the origin is the center joint of actor 1 in its first frame,
        and an actor is zero in frames where it is missing.

    Raises:
        ClipError: If fewer than two frames show a body.
    """
    actors = select_actors(clip, bystanders=bystanders)
    if actors.shape[1] < MIN_FRAMES:
        raise ClipError(
            clip.source,
            f"a body is seen in {actors.shape[1]} frame(s) only, but a motion needs at least "
            f"{MIN_FRAMES}: record longer",
        )
    return center(to_ntu25(actors, clip.layout), center_joint=center_joint)


def to_ntu25(joints: FloatArray, layout: str) -> FloatArray:
    """Map joints (..., V, 3) of a layout to NTU-25 joints (..., 25, 3)."""
    if layout == "ntu25":
        return joints
    return np.asarray(np.matmul(get_layout(layout).ntu25_matrix(), joints))


def center(actors: FloatArray, *, center_joint: int = CENTER_JOINT) -> FloatArray:
    """Subtract the center joint of actor 1 in its first frame from all joints (M, T, 25, 3).

    Frames in which an actor is missing (all zero) stay zero. Nothing is scaled or rotated.
    """
    present = np.asarray(actors.any(axis=(2, 3)))
    first = int(np.argmax(present[0]))
    origin = actors[0, first, center_joint]
    return np.where(present[:, :, None, None], actors - origin, np.float32(0))


def center_crop(joints: FloatArray, share: float) -> FloatArray:
    """Keep the middle frames of (M, T, V, 3): from b to T - b with b = int((1 - share) * T / 2)."""
    frames = joints.shape[1]
    bias = int((1 - share) * frames / 2)
    return joints[:, bias : frames - bias]
