"""From scores to probabilities: is the action of a clip known, and is its label right?

An unknown clip is one whose action the index does not hold. The exemplars themselves show how such
a clip would score: each is scored by the exemplars of all other classes. They also show how a known
clip scores: each is scored by all other exemplars. Logistic regression on both turns scores into
probabilities. Where there are few exemplars, it is regularized toward the model's own calibration.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import FittedRidge, Scores
from stars_infer.errors import UsageError, check_range

Chances = NDArray[np.float64]

EXPECTED_UNKNOWN = 1 / 3
"""Prior probability that the action of a clip is not in the index."""
PRIOR_EXEMPLARS = 10.0
"""Weight of the model's own calibration, as a number of exemplars."""
_LEAST_SPREAD = 0.02
_LEAST_SCORE = 0.02
FEWEST_CLASSES = 3
"""Fewest classes from which unknown clips can be simulated: of two classes, leaving one out leaves
one, and its score has no margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFeatures:
    """What the probabilities of Q clips are computed from.

    Attributes:
        score: Score of the class that was answered, (Q,).
        margin: Its lead over the best other class, (Q,); negative if another class scores higher.
    """

    score: Scores
    margin: Scores

    @classmethod
    def of(cls, scores: Scores, answers: NDArray[np.intp] | None = None) -> ScoreFeatures:
        """The features of answers.

        Args:
            scores: Score of each class, (Q, C).
            answers: Class numbers of the answers, (Q,); if not given, the classes that score
                highest.
        """
        rows = np.arange(len(scores))
        answers = scores.argmax(axis=1) if answers is None else answers
        own = scores[rows, answers]
        others = scores.copy()
        others[rows, answers] = -np.inf
        best_other = others.max(axis=1) if scores.shape[1] > 1 else np.zeros(len(scores))
        return cls(score=own, margin=own - best_other)

    @property
    def strength(self) -> Scores:
        """Sum of score and margin, (Q,), which tells unknown clips from known ones best."""
        return self.score + self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOut:
    """Scores of exemplars that were left out of the index.

    Attributes:
        class_out: Scores of S exemplars without their whole class, as unknown clips would have
            them, (S, C).
        one_out: Scores of N exemplars without themselves only, (N, C); an exemplar that is alone in
            its class is not among them.
        right: Whether the highest of these is that of the exemplar's own class, (N,).
    """

    class_out: Scores
    one_out: Scores
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, ridge: FittedRidge) -> LeaveOut:
        """Leave out every exemplar of a fitted ridge, in closed form."""
        classes, count = ridge.classes, ridge.weights.shape[1]
        paired = np.bincount(classes, minlength=count)[classes] > 1
        one_out = ridge.without_itself()[paired]
        return cls(
            class_out=ridge.without_its_class()
            if count >= FEWEST_CLASSES
            else np.zeros((0, count)),
            one_out=one_out,
            right=one_out.argmax(axis=1) == classes[paired],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Turns scores into probabilities, for one index.

    Attributes:
        center: Mean strength of unknown clips.
        spread: Standard deviation of the strength of unknown clips.
        known: Weights of the features for the chance that a clip is known, fitted to the exemplars.
        right: Weights of the features for the chance that the label of a known clip is right.
        unknown: Chance of being known that each exemplar gets without its class, sorted, (S,).
        known_scores: Chance of being known that each exemplar gets without itself, sorted, (N,).
    """

    center: float
    spread: float
    known: tuple[float, float, float]
    right: tuple[float, float, float]
    unknown: Chances = field(repr=False)
    known_scores: Chances = field(repr=False)

    @classmethod
    def of(cls, leave_out: LeaveOut, prior: Prior) -> Calibration:
        """Fit the curves to the exemplars of an index.

        Args:
            leave_out: Scores of exemplars that were left out.
            prior: The model's own calibration, toward which the curves are regularized.
        """
        unknown, known_scores = (
            ScoreFeatures.of(leave_out.class_out),
            ScoreFeatures.of(leave_out.one_out),
        )
        strength = unknown.strength
        weight = len(strength) / (len(strength) + PRIOR_EXEMPLARS)
        center, spread = prior.center, prior.spread
        if len(strength):
            center = weight * float(strength.mean()) + (1 - weight) * center
            spread = weight * float(strength.std()) + (1 - weight) * spread
        unknown_x = features(unknown, center, spread)
        known_x = features(known_scores, center, spread)
        known, right = prior.known, prior.right
        if len(unknown_x) and len(known_x):
            x = np.concatenate((known_x, unknown_x))
            known = _logistic(x, np.arange(len(x)) < len(known_x), prior.known)
        if len(known_x):
            right = _logistic(known_x, leave_out.right, prior.right)
        return cls(
            center=center,
            spread=spread,
            known=known,
            right=right,
            unknown=np.sort(_chance_known(unknown_x, known)),
            known_scores=np.sort(_chance_known(known_x, known)),
        )

    def chance_known(self, score_features: ScoreFeatures) -> Chances:
        """Chance that the action of each clip is in the index, (Q,); see `EXPECTED_UNKNOWN`."""
        return _chance_known(features(score_features, self.center, self.spread), self.known)

    def chance_right(self, score_features: ScoreFeatures) -> Chances:
        """Chance that each answer is right, provided that its action is in the index, (Q,)."""
        return _chances(features(score_features, self.center, self.spread), self.right)

    def threshold(self, false_accept_rate: float | None) -> float:
        """Chance of being known above which a clip is named rather than called unknown.

        Args:
            false_accept_rate: Share of unknown clips that may be named, 0 to 1; None names clips
                that are more likely known than not.
        """
        if false_accept_rate is None:
            return 0.5
        if not len(self.unknown):
            return 1 - false_accept_rate  # nothing was measured, so the curve has to be right
        return float(np.quantile(self.unknown, 1 - false_accept_rate))

    def acceptance_rates(self, threshold: float) -> tuple[float | None, float | None]:
        """Shares of unknown and of known clips above a threshold; None where none were measured."""

        def share(chances: Chances) -> float | None:
            return float(np.mean(chances > threshold)) if len(chances) else None

        return share(self.unknown), share(self.known_scores)


def features(score_features: ScoreFeatures, center: float, spread: float) -> Scores:
    """Features of the logistic curves, (Q, 3).

    They are 1; the strength, standardized by that of unknown clips; and the margin as a share of
    the score.
    """
    strength = (score_features.strength - center) / (spread + _LEAST_SPREAD)
    relative = np.clip(
        score_features.margin / np.maximum(score_features.score, _LEAST_SCORE), -1, 2
    )
    return np.stack((np.ones_like(strength), strength, relative), axis=1)


def _chance_known(x: Scores, curve: tuple[float, float, float]) -> Chances:
    """Correct a curve that was fitted to equally many known and unknown clips for the prior."""
    odds = (1 - EXPECTED_UNKNOWN) / EXPECTED_UNKNOWN
    even = _chances(x, curve)
    return np.asarray(odds * even / (odds * even + 1 - even))


def _chances(x: Scores, curve: tuple[float, float, float]) -> Chances:
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ np.array(curve), -30, 30))))


def _logistic(
    x: Scores, truth: NDArray[np.bool_], prior: tuple[float, float, float], steps: int = 30
) -> tuple[float, float, float]:
    """Logistic regression by Newton's method, regularized toward the prior by `PRIOR_EXEMPLARS`."""
    start = np.array(prior)
    curve = start.copy()
    for _ in range(steps):
        chance = _chances(x, (curve[0], curve[1], curve[2]))
        slope = x.T @ (chance - truth) + PRIOR_EXEMPLARS * (curve - start)
        bend = (x * (chance * (1 - chance))[:, None]).T @ x + PRIOR_EXEMPLARS * np.eye(3)
        step = np.linalg.solve(bend, slope)
        curve -= step / max(1.0, float(np.abs(step).max()))
    return float(curve[0]), float(curve[1]), float(curve[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """A calibration that holds before any exemplar is known.

    Attributes:
        known: Weights of the `features` for the chance that the action of a clip is in the index,
            if half of all clips are unknown.
        right: Weights of the `features` for the chance that the label of a known clip is right.
        center: Mean strength of unknown clips.
        spread: Standard deviation of the strength of unknown clips.
    """

    known: tuple[float, float, float]
    right: tuple[float, float, float]
    center: float
    spread: float

    def __post_init__(self) -> None:
        if len(self.known) != 3 or len(self.right) != 3:
            raise UsageError(f"a calibration has two curves of three numbers each: {self}")
        check_range("spread", self.spread, above=0)


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
    curves = {name: tuple(map(float, values[name])) for name in ("known", "right")}
    return Prior(**{**values, **curves})


OF_SEQUENCES = ModelCalibration(
    ridge=Prior(known=(-1.78, 0.67, 1.91), right=(0.07, 0.95, 2.81), center=0.27, spread=0.18),
    nearest=Prior(known=(-0.45, 1.39, -1.60), right=(0.69, 1.89, 1.26), center=0.16, spread=0.07),
)
"""The calibration of models that compare sequences."""
OF_VECTORS = ModelCalibration(
    ridge=Prior(known=(-0.08, 0.61, -0.14), right=(-0.48, 0.55, 2.51), center=0.63, spread=0.30),
    nearest=Prior(known=(-0.07, 0.20, -0.04), right=(0.02, 0.47, 3.23), center=0.22, spread=0.10),
)
"""The calibration of models that compare vectors."""
