"""A clip as a sequence of postures and motions, for comparison with others by time warping.

Two people do the same with other speed and swing. So posture and motion are each scaled by their
own size over the clip: what is left is which way every joint goes, and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError, check_range
from stars_infer.preprocessing.prepare import Preprocessing, prepare

JOINTS = (0, 1, 20, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
"""NTU-25 joints that are compared: those that even a first Kinect sees."""

STEPS = 32
"""Moments of a sequence; half as many lose up to seven points, twice as many win none."""
STILL = 0.03
"""Motion of all joints together, meters a step, below which it is a sensor's noise: a clip in which
nobody moves is not made to move by scaling."""

NORMALIZED = Preprocessing(frames=64, crop=1.0, face_camera=True, standard_body=True, pace=0.5)
"""What differs between people who do the same, taken out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """How clips are compared step by step; stored in `model.json`.

    Attributes:
        preprocessing: How clips are prepared for it, whatever the encoder wants.
        steps: S, moments of the sequence; the frames of the prepared clip are a multiple of it.
        motion: Share of the motion in the comparison, 0 to 1; the rest is the posture's.
        kernel_width: Of the kernel by which the classifier sees similarity, as in
            `stars_infer.classification.classifiers.Ridge`.
        temperature: Where exemplars vote, one that is less like the clip than the nearest by so
            much has 1/e of its vote.
    """

    preprocessing: Preprocessing = NORMALIZED
    steps: int = STEPS
    motion: float = 0.28
    kernel_width: float = 0.12
    temperature: float = 0.02

    def __post_init__(self) -> None:
        check_range("steps", self.steps, at_least=2)
        check_range("motion", self.motion, at_least=0, at_most=1)
        check_range("kernel_width", self.kernel_width, above=0)
        check_range("temperature", self.temperature, above=0)
        if self.preprocessing.samplings > 1:
            raise UsageError("a comparison takes a clip once: leave its preprocessing's samplings")
        frames = self.preprocessing.frames
        if frames % self.steps:
            raise UsageError(f"{frames} frames cannot be cut into {self.steps} equal steps")

    @property
    def shape(self) -> tuple[str, int, int]:
        """Of a sequence: bodies, S, F."""
        return "1 or 2", self.steps, 2 * 3 * len(JOINTS)

    def fits(self, sequence: FloatArray) -> bool:
        """Whether an array is a sequence of this form."""
        bodies, *rest = sequence.shape
        fits = bodies in (1, 2) and tuple(rest) == self.shape[1:]
        return fits and bool(np.isfinite(sequence).all())

    def contract(self) -> dict[str, Any]:
        """What decides sequences; how classes follow from similarity may be changed at any time."""
        return {
            "preprocessing": self.preprocessing.contract(),
            "steps": self.steps,
            "motion": self.motion,
        }

    def in_words(self) -> str:
        """How clips are compared, for people."""
        return (
            f"time warping of {self.steps} steps, {1 - self.motion:.0%} posture and "
            f"{self.motion:.0%} motion"
        )


def sequence_of(clip: Clip, how: SequenceConfig) -> FloatArray:
    """Prepare a clip and take its sequence, (M, S, F).

    Raises:
        ClipError: If fewer than two frames show a body.
    """
    return motion_sequence(prepare(clip, how.preprocessing), how)


def motion_sequence(bodies: FloatArray, how: SequenceConfig) -> FloatArray:
    """Postures and motions of a prepared clip.

    Args:
        bodies: (M, T, 25, 3), as `prepare` gives them.
        how: Steps, and what weighs how much.

    Returns:
        (M, S, F), a sequence for each body; the mean square norm of a step is 1, or less for a
        body that hardly moves.
    """
    actors = len(bodies)
    joints = bodies.reshape(actors, how.steps, -1, *bodies.shape[2:]).mean(axis=2)
    posture = (joints - joints[:, :, :1])[:, :, JOINTS]
    motion = np.gradient(posture, axis=1)
    parts = (
        (1 - how.motion) ** 0.5 * _scaled(posture),
        how.motion**0.5 * _scaled(motion, least=STILL),
    )
    return np.concatenate([part.reshape(actors, how.steps, -1) for part in parts], axis=2)


def _scaled(x: FloatArray, *, least: float = 1e-6) -> FloatArray:
    """Scale (M, S, V, 3), each body by its size, the root of the mean square norm of a step."""
    size = np.sqrt(np.square(x).sum(axis=(2, 3)).mean(axis=1))
    return np.asarray(x / np.maximum(size, least)[:, None, None, None], np.float32)
