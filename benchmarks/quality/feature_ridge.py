"""Ridge regression on features of single clips, as a rule that sees only inner products of clips.

The bench compares clips in pairs. Ridge regression needs no more of features than their inner
products, so it fits in, and names every query as it would from the features themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import Classes, Fitted, Scores
from stars_infer.errors import MissingExtraError
from stars_infer.similarity.pairwise import Similarity

ALPHAS = np.logspace(-3, 3, 10)
"""Penalties, of which the leave-one-out error of the exemplars chooses (MiniRocket's own list)."""

SMALLEST = 1e-10
"""Part of the largest variance below which a direction holds rounding errors only."""


def inner_products(features: NDArray[np.float64]) -> Similarity:
    """Inner products of features that are scaled by the exemplars in question.

    Each feature is shifted and scaled to mean 0 and deviation 1 over these exemplars; no query and
    no other clip has a say. The products are in double precision.

    Args:
        features: Of all clips, (N, D).

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    try:
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise MissingExtraError("ridge regression on features", "bench", "scikit-learn") from error

    def similarity(queries: NDArray[np.intp], exemplars: NDArray[np.intp]) -> FloatArray:
        scaler = StandardScaler().fit(features[exemplars])
        asked, taught = (scaler.transform(features[which]) for which in (queries, exemplars))
        return np.asarray(asked @ taught.T)

    return similarity


@dataclass(frozen=True, slots=True)
class FeatureRidge:
    """scikit-learn's `RidgeClassifierCV` on features of which only inner products are known.

    The weights of a ridge lie in the space that the exemplars span. There, clips have coordinates
    with the same inner products, and a ridge on the coordinates gives the same scores.
    """

    def fit(self, similarity: FloatArray, classes: Classes, count: int) -> Fitted:
        """See `Classifier`; the similarities are inner products, and so positive semidefinite."""
        from sklearn.linear_model import RidgeClassifierCV

        variances, axes = np.linalg.eigh(similarity.astype(np.float64))
        kept = variances > SMALLEST * variances[-1]
        to_coordinates = axes[:, kept] / np.sqrt(variances[kept])
        ridge = RidgeClassifierCV(alphas=ALPHAS).fit(similarity @ to_coordinates, classes)
        return _FittedFeatureRidge(ridge, to_coordinates)


@dataclass(frozen=True, slots=True)
class _FittedFeatureRidge:
    ridge: Any
    to_coordinates: NDArray[np.float64]
    """From inner products with E exemplars to R coordinates, (E, R)."""

    def scores(self, similarity: FloatArray) -> Scores:
        scores = np.asarray(self.ridge.decision_function(similarity @ self.to_coordinates))
        # Of two classes, scikit-learn scores the second only.
        return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)
