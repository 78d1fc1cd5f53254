"""A model's own calibration, which holds before an index has any exemplar."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import Scores
from stars_infer.classification.leave_out import ScoreFeatures
from stars_infer.errors import UsageError, check_range

KnownCurve = tuple[float, float, float]
"""Weights of the `known_features`."""
RightCurve = tuple[float, float, float, float]
"""Weights of the `right_features`."""

_MOST_SHOTS = 10
"""Exemplars a class beyond which more are not told apart."""
_LEAST_SCORE = 0.02


def known_features(score_features: ScoreFeatures, shots: int) -> Scores:
    """What tells whether the action of a clip is in the index, (Q, 3).

    1; the square root of the strength, in which clips of unknown actions vary alike in all data
    sets; and the logarithm of the number of exemplars in the smallest class, since the strength of
    known clips grows with it.
    """
    root = np.sqrt(np.maximum(score_features.strength, 0))
    return np.stack((np.ones_like(root), root, np.full_like(root, log_shots(shots))), axis=1)


def right_features(score_features: ScoreFeatures, shots: int) -> Scores:
    """What tells whether the answer to a known clip is right, (Q, 4).

    1; the strength; the margin as a share of the score; and the logarithm of the number of
    exemplars in the smallest class.
    """
    strength = score_features.strength
    relative = np.clip(
        score_features.margin / np.maximum(score_features.score, _LEAST_SCORE), -1, 2
    )
    taught = np.full_like(strength, log_shots(shots))
    return np.stack((np.ones_like(strength), strength, relative, taught), axis=1)


def log_shots(shots: int) -> float:
    """Logarithm of the number of exemplars in the smallest class, up to `_MOST_SHOTS`."""
    return float(np.log(min(shots, _MOST_SHOTS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """A calibration that holds before any exemplar is known.

    Attributes:
        known: Weights of the `known_features` for the chance that the action of a clip is in the
            index, if half of all clips are unknown.
        right: Weights of the `right_features` for the chance that the label of a known clip is
            right.
        growth: How the scores of a known clip exceed those of an exemplar without itself: their
            logarithm by the first number, plus the second over the number of other exemplars. An
            exemplar lacks one companion, but others of its own session may be left.
        spread: Standard deviation of the strength of unknown clips.
        tail: Of the square root of the strength of unknown clips, the mean with one exemplar a
            class, what is added to it for each unit of `log_shots`, and the standard deviation.
    """

    known: KnownCurve
    right: RightCurve
    growth: tuple[float, float]
    spread: float
    tail: tuple[float, float, float]

    def __post_init__(self) -> None:
        lengths = tuple(map(len, (self.known, self.right, self.growth, self.tail)))
        if lengths != (3, 4, 2, 3):
            raise UsageError(f"a calibration has curves of three and four numbers: {self}")
        check_range("slope of the curve for known clips", self.known[1], above=0)
        check_range("spread", self.spread, self.tail[2], above=0)

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
        ridge: For scores of the ridge.
    """

    ridge: Prior

    def to_json(self) -> dict[str, Any]:
        """The values for `model.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelCalibration:
        """From the values in `model.json`."""
        return cls(ridge=_prior(values["ridge"]))


def _prior(values: dict[str, Any]) -> Prior:
    tuples = {
        name: tuple(map(float, values[name])) for name in ("known", "right", "growth", "tail")
    }
    return Prior(**{**values, **tuples})


OF_SEQUENCES = ModelCalibration(
    ridge=Prior(
        known=(-3.48, 7.15, -0.98),
        right=(-0.76, -1.41, 7.46, 0.04),
        growth=(-0.29, 0.45),
        spread=0.19,
        tail=(0.32, 0.09, 0.16),
    ),
)
"""The calibration of models that compare sequences."""
OF_VECTORS = ModelCalibration(
    ridge=Prior(
        known=(-5.26, 6.35, -0.69),
        right=(-1.69, 3.98, 2.68, -0.49),
        growth=(-0.07, 0.27),
        spread=0.31,
        tail=(0.65, 0.06, 0.20),
    ),
)
"""The calibration of models that compare vectors."""
