"""A clip as a sequence of postures and motions, to be compared by time warping.

Two people perform an action at different speeds and with different amplitudes. Posture and motion
are therefore each divided by their size over the clip; what remains is the direction in which every
joint moves, and when.
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
"""NTU-25 joints that are compared: those that a Kinect v1 sees, too."""

STEPS = 32
"""Steps of a sequence: half as many cost up to seven points of accuracy, more gain none."""
STILL = 0.03
"""Motion of all joints together, meters per step, below which it is a sensor's noise. Motion is not
scaled up to more than that, lest noise should look like motion."""

NORMALIZED = Preprocessing(frames=64, crop=1.0, face_camera=True, standard_body=True, pace=0.5)
"""Preprocessing that removes what differs between people who perform the same action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """How a model compares clips by sequences; stored in `model.json`.

    Attributes:
        preprocessing: How clips are prepared for the sequence, independently of the encoder.
        steps: Number of steps of the sequence, S; the frames of a prepared clip are a multiple.
        motion: Weight of the motion, 0 to 1; the rest is the weight of the posture.
        kernel_width: Width of the kernel of `stars_infer.classification.classifiers.Ridge`.
        temperature: Temperature of `stars_infer.classification.classifiers.Vote`.
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
        """Shape of a sequence: bodies, S, F."""
        return "1 or 2", self.steps, 2 * 3 * len(JOINTS)

    def fits(self, sequence: FloatArray) -> bool:
        """Whether an array is a sequence of this shape, with finite numbers."""
        bodies, *rest = sequence.shape
        fits = bodies in (1, 2) and tuple(rest) == self.shape[1:]
        return fits and bool(np.isfinite(sequence).all())

    def contract(self) -> dict[str, Any]:
        """The settings that decide what sequences are, for the fingerprint of the model."""
        return {
            "preprocessing": self.preprocessing.contract(),
            "steps": self.steps,
            "motion": self.motion,
        }

    def in_words(self) -> str:
        """Describe the comparison for people."""
        return (
            f"time warping of {self.steps} steps, {1 - self.motion:.0%} posture and "
            f"{self.motion:.0%} motion"
        )


def sequence_of(clip: Clip, how: SequenceConfig) -> FloatArray:
    """Prepare a clip and compute its sequence, (M, S, F).

    Args:
        clip: The clip.
        how: How sequences are made.

    Raises:
        ClipError: If fewer than two frames show a body.
    """
    return motion_sequence(prepare(clip, how.preprocessing), how)


def motion_sequence(bodies: FloatArray, how: SequenceConfig) -> FloatArray:
    """Compute the sequence of postures and motions of a prepared clip.

    Args:
        bodies: Joint positions (M, T, 25, 3), meters, from `prepare`.
        how: How sequences are made.

    Returns:
        The sequence of each body, (M, S, F). The mean square norm of a step is 1, or less for a
        body that hardly moves.
    """
    actors = len(bodies)
    joints = bodies.reshape(actors, how.steps, -1, *bodies.shape[2:]).mean(axis=2)
    posture = (joints - joints[:, :, :1])[:, :, JOINTS]
    motion = np.gradient(posture, axis=1)
    parts = (
        (1 - how.motion) ** 0.5 * _scale(posture),
        how.motion**0.5 * _scale(motion, least=STILL),
    )
    return np.concatenate([part.reshape(actors, how.steps, -1) for part in parts], axis=2)


def _scale(x: FloatArray, *, least: float = 1e-6) -> FloatArray:
    """Divide each body (M, S, V, 3) by its size, the root mean square norm of a step."""
    size = np.sqrt(np.square(x).sum(axis=(2, 3)).mean(axis=1))
    return np.asarray(x / np.maximum(size, least)[:, None, None, None], np.float32)
