"""Vectors as the shipped encoder would give them, as many as wanted.

Synthetic recordings of each action are embedded. From these come the spread within an action and
that between actions, each with its own directions (covariances). A class gets a new center, drawn
with the spread between actions in the directions of all vectors; its vectors lie about the center
with the spread within. The same class has the same vectors each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.progress import track

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.synthetic.actions import ACTIONS, perform


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawing:
    """How vectors are drawn.

    Attributes:
        mean: Of all vectors, (D,).
        within: From normal numbers to the way from a center, (D, D).
        between: The same to the way of a center from the mean, (D, D).
    """

    mean: FloatArray
    within: FloatArray
    between: FloatArray

    @classmethod
    def of_recordings(cls, clips: int) -> Drawing:
        """Measure the vectors of synthetic recordings."""
        encoder = Encoder.load()
        actions = np.repeat(np.arange(len(ACTIONS)), clips)
        random = np.random.default_rng(0)
        vectors = np.concatenate(
            [
                encoder.embed([Clip.from_array(perform(ACTIONS[action], random))])
                for action in track(actions, description="embedding", transient=True)
            ]
        )
        centers = np.stack([vectors[actions == n].mean(axis=0) for n in range(len(ACTIONS))])
        mean = centers.mean(axis=0)
        spread = np.square(centers - mean).sum(axis=1).mean()
        every = np.cov((vectors - mean).T)
        return cls(
            mean=mean,
            within=root(np.cov((vectors - centers[actions]).T)),
            between=root(every * spread / np.trace(every)),
        )

    def exemplars(self, number: int, count: int) -> FloatArray:
        """The vectors of a class, (count, D)."""
        random = np.random.default_rng([1, number])
        return self._about(self._center(number), count, random)

    def asked(self, count: int, classes: int) -> FloatArray:
        """Vectors of clips to be found, (count, D), of random classes."""
        random = np.random.default_rng(2)
        chosen = random.integers(0, classes, count)
        return np.concatenate([self._about(self._center(int(n)), 1, random) for n in chosen])

    def _center(self, number: int) -> FloatArray:
        normal = np.random.default_rng([3, number]).standard_normal(len(self.mean))
        return np.asarray(self.mean + self.between @ normal)

    def _about(self, center: FloatArray, count: int, random: np.random.Generator) -> FloatArray:
        normal = random.standard_normal((count, len(self.mean)))
        return np.asarray(center + normal @ self.within.T, np.float32)


def root(covariance: FloatArray) -> FloatArray:
    """Symmetric root of a covariance (D, D)."""
    squares, unit_vectors = np.linalg.eigh(covariance)
    return np.asarray((unit_vectors * np.sqrt(np.maximum(squares, 0))) @ unit_vectors.T)
