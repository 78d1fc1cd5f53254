"""A model's own calibration, which holds before an index has any exemplar."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import Scores
from stars_infer.classification.leave_out import ScoreFeatures
from stars_infer.errors import UsageError, check_range

Curve = tuple[float, float, float, float, float]
"""Weights of the `features`."""

_MOST_SHOTS = 10
"""Exemplars a class beyond which more are not told apart."""
_LEAST_SPREAD = 0.02
_LEAST_SCORE = 0.02


def features(score_features: ScoreFeatures, center: float, spread: float, shots: int) -> Scores:
    """Features of the logistic curves, (Q, 5).

    They are 1; the strength, standardized by that of unknown clips; the margin as a share of the
    score; the strength as it is; and the logarithm of the number of exemplars in the smallest
    class, since the strength of known clips grows with it.
    """
    strength = score_features.strength
    standardized = (strength - center) / (spread + _LEAST_SPREAD)
    relative = np.clip(
        score_features.margin / np.maximum(score_features.score, _LEAST_SCORE), -1, 2
    )
    ones = np.ones_like(strength)
    taught = np.full_like(strength, np.log(min(shots, _MOST_SHOTS)))
    return np.stack((ones, standardized, relative, strength, taught), axis=1)


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
        if len(self.known) != 5 or len(self.right) != 5:
            raise UsageError(f"a calibration has two curves of five numbers each: {self}")
        check_range("spread", self.spread, self.tail[1], above=0)

    def grow(self, score_features: ScoreFeatures, others: NDArray[np.intp]) -> ScoreFeatures:
        """Scores that clips like these exemplars would get from the whole index; see `growth`."""
        factor = np.exp(self.growth[0] + self.growth[1] / np.maximum(others, 1))
        return ScoreFeatures(
            score=score_features.score * factor, margin=score_features.margin * factor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalibration:
    """A model's own calibration, fitted to data sets by `benchmarks/quality/open_set.py --fit`.

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
        known=(-2.03, 0.12, 1.07, 4.34, -1.06),
        right=(-1.08, 0.32, 4.14, 2.47, -0.05),
        growth=(-0.19, 0.47),
        center=0.27,
        spread=0.17,
        tail=(-1.34, 1.10),
    ),
    nearest=Prior(
        known=(-0.45, 1.39, -1.60, 0.0, 0.0),
        right=(0.69, 1.89, 1.26, 0.0, 0.0),
        growth=(-0.11, 0.18),
        center=0.16,
        spread=0.07,
        tail=(-0.95, 0.94),
    ),
)
"""The calibration of models that compare sequences."""
OF_VECTORS = ModelCalibration(
    ridge=Prior(
        known=(-2.19, 0.06, -3.80, 6.23, -0.84),
        right=(-1.82, 0.29, -0.05, 4.65, 0.04),
        growth=(-0.07, 0.28),
        center=0.50,
        spread=0.22,
        tail=(-0.89, 1.11),
    ),
    nearest=Prior(
        known=(-0.90, 0.54, -2.53, 3.13, 0.08),
        right=(-0.98, 0.52, 2.76, 3.26, 0.63),
        growth=(-0.04, 0.11),
        center=0.35,
        spread=0.12,
        tail=(-0.38, 0.81),
    ),
)
"""The calibration of models that compare vectors."""
