"""Places of examples on a map, on which those that the model finds similar lie together."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray

FEWEST = 8
"""Examples from which t-SNE has something to arrange."""


def places_of(similarity: FloatArray) -> tuple[NDArray[np.float64], str]:
    """Find places by t-SNE, or by classical scaling where scikit-learn is not installed.

    van der Maaten and Hinton, "Visualizing data using t-SNE", 2008; Torgerson, "Multidimensional
    scaling: I. Theory and method", 1952.

    Args:
        similarity: Of all examples to each other, (N, N), 1 on the diagonal.

    Returns:
        Places (N, 2) in -1 to 1, and how they were found, in words.
    """
    gaps = np.maximum(1 - similarity.astype(np.float64), 0)
    np.fill_diagonal(gaps, 0)
    start = _scaled(gaps)
    if len(gaps) < FEWEST or find_spec("sklearn") is None:
        return _fit(start), "classical scaling"
    from sklearn.manifold import TSNE

    tsne = TSNE(
        metric="precomputed",
        perplexity=min(30.0, (len(gaps) - 1) / 3),
        init=np.asarray(start / max(float(start[:, 0].std()), 1e-9) * 1e-4, np.float32),
        random_state=0,
        n_jobs=1,
    )
    return _fit(np.asarray(tsne.fit_transform(gaps), np.float64)), "t-SNE"


def _scaled(gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two main axes of points with these distances."""
    squares = np.square(gaps)
    centered = squares - squares.mean(axis=0) - squares.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((centered + squares.mean()) / -2)
    main = vectors[:, -2:][:, ::-1] * np.sqrt(np.maximum(values[-2:][::-1], 0))
    return main if main.shape[1] == 2 else np.zeros((len(gaps), 2))


def _fit(places: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray((places - (low + high) / 2) * 2 / np.maximum(high - low, 1e-9))
