"""A clip as a sequence of postures and motions, for comparison with others by time warping.

Two people do the same with other speed and swing. So posture and motion are each scaled by their
own size over the clip: what is left is which way every joint goes, and when.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stars_infer.clip import FloatArray
from stars_infer.errors import UsageError

JOINTS = (0, 1, 20, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
"""NTU-25 joints that are compared: those that even a first Kinect sees."""

STEPS = 32
"""Moments of a sequence; half or twice as many name clips about as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How clips are compared step by step; stored in `model.json`.

    Attributes:
        steps: S, moments of the sequence; the frames of the prepared clip are a multiple of it.
        motion: Share of the motion in the comparison, 0 to 1; the rest is the posture's.
        temperature: An exemplar that is less like the clip than the nearest one by so much has
            1/e of its vote.
    """

    steps: int = STEPS
    motion: float = 0.28
    temperature: float = 0.02

    def __post_init__(self) -> None:
        if self.steps < 2 or not 0 <= self.motion <= 1 or not self.temperature > 0:
            raise UsageError(
                "a comparison has at least 2 steps, a share of motion from 0 to 1, and a "
                f"temperature above 0: {self}"
            )

    @property
    def shape(self) -> tuple[str, int, int]:
        """Of a sequence: bodies, S, F."""
        return "1 or 2", self.steps, 2 * 3 * len(JOINTS)

    def fits(self, sequence: FloatArray) -> bool:
        """Whether an array is a sequence of this form."""
        bodies, *rest = sequence.shape
        fits = bodies in (1, 2) and tuple(rest) == self.shape[1:]
        return fits and bool(np.isfinite(sequence).all())

    def contract(self) -> dict[str, float]:
        """What decides sequences; the temperature of the vote may be changed at any time."""
        return {"steps": self.steps, "motion": self.motion}


def motion_sequence(bodies: FloatArray, how: Comparison) -> FloatArray:
    """Postures and motions of a prepared clip.

    Args:
        bodies: (M, T, 25, 3), as `prepare` gives them.
        how: Steps, and what weighs how much.

    Returns:
        (M, S, F), a sequence for each body; the mean square norm of a step is 1, or 0 for the
        motion of a body that does not move.
    """
    actors, frames = bodies.shape[:2]
    if frames % how.steps:
        raise UsageError(f"{frames} frames cannot be cut into {how.steps} steps of equal length")
    joints = bodies.reshape(actors, how.steps, -1, *bodies.shape[2:]).mean(axis=2)
    posture = (joints - joints[:, :, :1])[:, :, JOINTS]
    motion = np.gradient(posture, axis=1)
    parts = (
        (1 - how.motion) ** 0.5 * _scaled(posture),
        how.motion**0.5 * _scaled(motion),
    )
    return np.concatenate([part.reshape(actors, how.steps, -1) for part in parts], axis=2)


def _scaled(x: FloatArray) -> FloatArray:
    """Scale (M, S, V, 3), each body to a mean square norm of 1 a step."""
    size = np.sqrt(np.square(x).sum(axis=(2, 3)).mean(axis=1))
    return np.asarray(x / np.maximum(size, 1e-6)[:, None, None, None], np.float32)
