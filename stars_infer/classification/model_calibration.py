"""A model's own calibration, which holds before an index has any exemplar."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import Scores
from stars_infer.classification.leave_out import ScoreFeatures
from stars_infer.errors import UsageError, check_range

Curve = tuple[float, float, float, float]
"""Weights of the `features`."""

_MOST_SHOTS = 10
"""Exemplars a class beyond which more are not told apart."""
_LEAST_SPREAD = 0.02
_LEAST_SCORE = 0.02


def features(score_features: ScoreFeatures, center: float, spread: float, shots: int) -> Scores:
    """Features of the logistic curves, (Q, 4).

    They are 1; the strength, standardized by that of unknown clips; the margin as a share of the
    score; and the logarithm of the number of exemplars in the smallest class, since the strength of
    known clips grows with it.
    """
    strength = score_features.strength
    standardized = (strength - center) / (spread + _LEAST_SPREAD)
    relative = np.clip(
        score_features.margin / np.maximum(score_features.score, _LEAST_SCORE), -1, 2
    )
    ones = np.ones_like(strength)
    taught = np.full_like(strength, np.log(min(shots, _MOST_SHOTS)))
    return np.stack((ones, standardized, relative, taught), axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """A calibration that holds before any exemplar is known.

    Attributes:
        known: Weights of the `features` for the chance that the action of a clip is in the index,
            if half of all clips are unknown.
        right: Weights of the `features` for the chance that the label of a known clip is right.
        growth: How the scores of a known clip exceed those of an exemplar without itself: their
            logarithm by the first number, plus the second over the number of other exemplars. An
            exemplar lacks one companion, but others of its own session may be left.
        center: Mean strength of unknown clips.
        spread: Standard deviation of the strength of unknown clips.
        tail: Mean and standard deviation of the log-odds of unknown clips by the curve `known`.
    """

    known: Curve
    right: Curve
    growth: tuple[float, float]
    center: float
    spread: float
    tail: tuple[float, float]

    def __post_init__(self) -> None:
        if len(self.known) != 4 or len(self.right) != 4:
            raise UsageError(f"a calibration has two curves of four numbers each: {self}")
        check_range("spread", self.spread, self.tail[1], above=0)

    def grow(self, score_features: ScoreFeatures, others: NDArray[np.intp]) -> ScoreFeatures:
        """Scores that clips like these exemplars would get from the whole index; see `growth`."""
        factor = np.exp(self.growth[0] + self.growth[1] / np.maximum(others, 1))
        return ScoreFeatures(
            score=score_features.score * factor, margin=score_features.margin * factor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalibration:
    """A model's own calibration, as `benchmarks/quality/open_set.py --fit` prints it.

    Attributes:
        ridge: For scores of the ridge, which sees all exemplars.
        nearest: For scores of a large index, which sees the nearest exemplars only.
    """

    ridge: Prior
    nearest: Prior

    def to_json(self) -> dict[str, Any]:
        """The values for `model.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelCalibration:
        """From the values in `model.json`."""
        return cls(**{name: _prior(values[name]) for name in ("ridge", "nearest")})


def _prior(values: dict[str, Any]) -> Prior:
    tuples = {
        name: tuple(map(float, values[name])) for name in ("known", "right", "growth", "tail")
    }
    return Prior(**{**values, **tuples})


OF_SEQUENCES = ModelCalibration(
    ridge=Prior(
        known=(-1.24, 0.85, 1.62, -0.68),
        right=(-0.51, 0.73, 5.18, 0.04),
        growth=(-0.22, 0.49),
        center=0.25,
        spread=0.18,
        tail=(-1.27, 0.97),
    ),
    nearest=Prior(
        known=(0.25, 1.55, -2.90, -0.07),
        right=(0.68, 2.00, 2.74, 0.43),
        growth=(-0.11, 0.17),
        center=0.21,
        spread=0.09,
        tail=(-0.85, 1.05),
    ),
)
"""The calibration of models that compare sequences."""
OF_VECTORS = ModelCalibration(
    ridge=Prior(
        known=(0.16, 1.29, -1.98, -0.21),
        right=(0.15, 1.27, 0.68, 0.35),
        growth=(-0.07, 0.28),
        center=0.50,
        spread=0.22,
        tail=(-0.77, 0.86),
    ),
    nearest=Prior(
        known=(0.21, 0.96, -2.36, 0.09),
        right=(0.14, 0.96, 2.90, 0.63),
        growth=(-0.03, 0.09),
        center=0.35,
        spread=0.13,
        tail=(-0.36, 0.74),
    ),
)
"""The calibration of models that compare vectors."""
