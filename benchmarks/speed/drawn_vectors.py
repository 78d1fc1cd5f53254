"""Draw any number of vectors that are distributed like those of the shipped encoder.

Synthetic recordings of each action are embedded, which gives the covariance within an action and
the variance between actions. The center of a new class is drawn with the variance between actions,
in the directions of all vectors; its vectors are drawn around the center with the covariance within
an action. The same class always gets the same vectors.
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
    """A distribution of vectors.

    Attributes:
        mean: Mean of all vectors, (D,).
        within: Root of the covariance of vectors around their center, (D, D).
        between: Root of the covariance of centers around the mean, (D, D).
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
        return self._draw_around(self._center(number), count, random)

    def queries(self, count: int, classes: int) -> FloatArray:
        """Vectors of query clips of random classes, (count, D)."""
        random = np.random.default_rng(2)
        chosen = random.integers(0, classes, count)
        return np.concatenate([self._draw_around(self._center(int(n)), 1, random) for n in chosen])

    def _center(self, number: int) -> FloatArray:
        normal = np.random.default_rng([3, number]).standard_normal(len(self.mean))
        return np.asarray(self.mean + self.between @ normal)

    def _draw_around(
        self, center: FloatArray, count: int, random: np.random.Generator
    ) -> FloatArray:
        normal = random.standard_normal((count, len(self.mean)))
        return np.asarray(center + normal @ self.within.T, np.float32)


def root(covariance: FloatArray) -> FloatArray:
    """Symmetric square root of a covariance (D, D)."""
    squares, unit_vectors = np.linalg.eigh(covariance)
    return np.asarray((unit_vectors * np.sqrt(np.maximum(squares, 0))) @ unit_vectors.T)
