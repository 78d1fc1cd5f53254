"""Vectors of clips by their similarity to landmarks: what kernel distillation teaches.

`stars_infer.similarity` distinguishes actions far better than an encoder after little training, but
gives no vector. The Nystrom method (Williams and Seeger 2001) makes one: the kernel values of a
clip at some landmark clips, projected on the leading components of the landmarks' own kernel
matrix. Within-class covariance normalization (Hatch, Kajarekar and Stolcke 2006) then shrinks the
directions in which two recordings of the same motion differ, as seen by imperfect sensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import StarsError, brief
from stars_infer.readers.members import Archive
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.sequence import posture_sequence

WIDTH = 0.25
"""Width of the kernel exp((similarity - 1) / width)."""
_SHRINKAGE = 0.3
"""Added to the covariance within motions, relative to its mean eigenvalue."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nystrom:
    """Vectors of bodies, from landmarks.

    Attributes:
        landmarks: Sequences (L, S, F).
        projection: From kernel values to components, (L, D).
        center: Mean unit vector of the components, (D,).
        whitening: (D, D), applied to centered unit vectors.
    """

    landmarks: FloatArray
    projection: FloatArray
    center: FloatArray
    whitening: FloatArray

    @classmethod
    def fit(
        cls, landmarks: FloatArray, pairs: tuple[FloatArray, FloatArray], *, width: int
    ) -> Nystrom:
        """Find the components of the landmarks.

        Args:
            landmarks: Sequences (L, S, F).
            pairs: Sequences (P, S, F) of some motions, and of the same ones as other sensors see
                them.
            width: Number of components, D, at most L.

        Raises:
            StarsError: If there are fewer landmarks than components.
        """
        if len(landmarks) < width:
            raise StarsError(f"{len(landmarks)} landmarks do not have {width} components")
        kernel = kernel_values(landmarks, landmarks).astype(np.float64)
        size, direction = np.linalg.eigh((kernel + kernel.T) / 2)
        leading = np.maximum(size[-width:], 1e-9)
        projection = (direction[:, -width:] / np.sqrt(leading)).astype(np.float32)
        center = _unit(kernel @ projection).mean(axis=0)
        one, other = (_unit(kernel_values(some, landmarks) @ projection) for some in pairs)
        within = (one - other).T.astype(np.float64) @ (one - other) / (2 * len(one))
        spread, axes = np.linalg.eigh(within)
        gain = 1 / np.sqrt(np.maximum(spread, 0) + _SHRINKAGE * spread.mean())
        whitening = (axes * gain @ axes.T).astype(np.float32)
        return cls(landmarks=landmarks, projection=projection, center=center, whitening=whitening)

    def vectors(self, sequences: FloatArray) -> FloatArray:
        """Unit vectors (N, D) of sequences (N, S, F)."""
        components = _unit(kernel_values(sequences, self.landmarks) @ self.projection)
        return _unit((components - self.center) @ self.whitening)

    def save(self, file: Path) -> None:
        """Write the arrays as `.npz`."""
        with file.open("wb") as stream:
            np.savez(
                stream,
                landmarks=self.landmarks,
                projection=self.projection,
                center=self.center,
                whitening=self.whitening,
            )

    @classmethod
    def load(cls, file: Path) -> Nystrom:
        """Read what `save` wrote.

        Raises:
            StarsError: If it cannot be read.
        """
        try:
            with Archive(file) as archive:
                arrays: dict[str, Any] = {name: archive.array(name) for name in cls.__slots__}
            found = cls(**arrays)
            found.check()
        except Exception as error:  # damage fails in NumPy, zip and zlib in many ways
            raise StarsError(f"{file}: not the landmarks of a pool: {brief(error)}") from error
        return found

    def check(self) -> None:
        """Make sure that the arrays are finite, and fit together.

        Raises:
            ValueError: If they do not.
        """
        width = len(self.center)
        right = (len(self.landmarks), width), (width,), (width, width)
        parts = self.projection, self.center, self.whitening
        if self.landmarks.ndim != 3 or tuple(part.shape for part in parts) != right:
            raise ValueError("arrays that do not fit together")
        if not all(part.dtype.kind == "f" and np.isfinite(part).all() for part in parts):
            raise ValueError("values that are not finite")


def comparison() -> SequenceConfig:
    """The comparison that is taught: the default one, less what depends on where a person faces.

    The encoder sees bodies that are turned to the camera.
    """
    return SequenceConfig().in_any_direction()


def sequences_of_bodies(bodies: FloatArray) -> FloatArray:
    """Sequences (N, S, F) of prepared bodies (N, T, 25, 3), each a clip of its own."""
    how = comparison()
    return np.stack([posture_sequence(body[None], how)[0] for body in bodies])


def kernel_values(sequences: FloatArray, landmarks: FloatArray) -> FloatArray:
    """Kernel values (N, L) of sequences (N, S, F) at landmarks (L, S, F)."""
    gallery = WarpingGallery([landmark[None] for landmark in landmarks], comparison())
    similar = np.stack([gallery.similarities(sequence[None]) for sequence in sequences])
    return np.asarray(np.exp((similar - 1) / WIDTH), np.float32)


def _unit(vectors: NDArray[np.floating]) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-9), np.float32)
