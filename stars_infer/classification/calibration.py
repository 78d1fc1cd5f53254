"""How surely a clip shows the action it was given: known or unknown, and calibrated confidence.

An unknown clip is a clip of an action that the index does not hold. How one would score is measured
from the exemplars themselves: each is scored by the exemplars of all other classes. How a clip of
a known action scores is measured by leaving single exemplars out. A logistic curve over both, drawn
to the model's own calibration where exemplars are few, turns scores into probabilities.
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
"""Share of clips whose action is not in the index, before anything is known of them."""
PRIOR_EXEMPLARS = 10.0
"""So many exemplars weigh as much as the model's own calibration."""
_LEAST_SPREAD = 0.02
_LEAST_SCORE = 0.02
FEWEST_CLASSES = 3
"""Of two classes one is left when the other is taken out: nothing to tell an unknown clip by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFeatures:
    """What speaks for the answers to Q clips.

    Attributes:
        score: Of the class that was answered, (Q,).
        margin: By how much it exceeds the best other class, negative if it does not, (Q,).
    """

    score: Scores
    margin: Scores

    @classmethod
    def of(cls, scores: Scores, answers: NDArray[np.intp] | None = None) -> ScoreFeatures:
        """From scores (Q, C), and the classes that were answered; the highest if not given."""
        rows = np.arange(len(scores))
        answers = scores.argmax(axis=1) if answers is None else answers
        own = scores[rows, answers]
        others = scores.copy()
        others[rows, answers] = -np.inf
        best_other = others.max(axis=1) if scores.shape[1] > 1 else np.zeros(len(scores))
        return cls(score=own, margin=own - best_other)

    @property
    def strength(self) -> Scores:
        """Score and margin together, (Q,): what tells unknown clips best."""
        return self.score + self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOut:
    """How exemplars fare as questions.

    Attributes:
        class_out: Scores of exemplars by those of other classes only, as unknown clips have them,
        (S, C).
        one_out: Scores of exemplars by all others, (N, C), where their class has others.
        right: Whether those name the exemplar's own class, (N,).
    """

    class_out: Scores
    one_out: Scores
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, ridge: FittedRidge) -> LeaveOut:
        """Every exemplar of an index, in closed form."""
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
    """From evidence to chances, for one index.

    Attributes:
        center: Strength of unknown clips, mean.
        spread: The same, standard deviation.
        known: As in `Prior`, fitted to the exemplars.
        right: The same.
        unknown: Chance of being known of each exemplar when its class is taken out, sorted.
        known_scores: The same when only itself is taken out, of classes with another exemplar.
    """

    center: float
    spread: float
    known: tuple[float, float, float]
    right: tuple[float, float, float]
    unknown: Chances = field(repr=False)
    known_scores: Chances = field(repr=False)

    @classmethod
    def of(cls, leave_out: LeaveOut, prior: Prior) -> Calibration:
        """Measure an index by its own exemplars."""
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
        """Chance that the action of a clip is in the index; see `EXPECTED_UNKNOWN`."""
        return _chance_known(features(score_features, self.center, self.spread), self.known)

    def chance_right(self, score_features: ScoreFeatures) -> Chances:
        """Chance that an answer is right if the action is in the index."""
        return _chances(features(score_features, self.center, self.spread), self.right)

    def threshold(self, false_accept_rate: float | None) -> float:
        """Least chance of being known with which a clip is named.

        Args:
            false_accept_rate: Share of unknown clips that may be named, 0 to 1; None for "more
                likely known than not".
        """
        if false_accept_rate is None:
            return 0.5
        if not len(self.unknown):
            return 1 - false_accept_rate  # nothing measured: the curve is taken at its word
        return float(np.quantile(self.unknown, 1 - false_accept_rate))

    def accepted(self, threshold: float) -> tuple[float | None, float | None]:
        """Shares of unknown clips and of known clips that a threshold lets pass, where measured."""

        def share(chances: Chances) -> float | None:
            return float(np.mean(chances > threshold)) if len(chances) else None

        return share(self.unknown), share(self.known_scores)


def features(score_features: ScoreFeatures, center: float, spread: float) -> Scores:
    """What the curves see, (Q, 3): 1, strength over that of unknown clips, margin over score."""
    strength = (score_features.strength - center) / (spread + _LEAST_SPREAD)
    relative = np.clip(
        score_features.margin / np.maximum(score_features.score, _LEAST_SCORE), -1, 2
    )
    return np.stack((np.ones_like(strength), strength, relative), axis=1)


def _chance_known(x: Scores, curve: tuple[float, float, float]) -> Chances:
    """From a curve that was fitted to as many unknown clips as known clips."""
    odds = (1 - EXPECTED_UNKNOWN) / EXPECTED_UNKNOWN
    even = _chances(x, curve)
    return np.asarray(odds * even / (odds * even + 1 - even))


def _chances(x: Scores, curve: tuple[float, float, float]) -> Chances:
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ np.array(curve), -30, 30))))


def _logistic(
    x: Scores, truth: NDArray[np.bool_], prior: tuple[float, float, float], steps: int = 30
) -> tuple[float, float, float]:
    """Logistic regression, drawn to the prior with the weight of `PRIOR_EXEMPLARS` (Newton)."""
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
    """Curves of `stars_infer.classification.calibration.Calibration`, and how unknown clips fare.

    Attributes:
        known: Weights of `stars_infer.classification.calibration.features` for the chance that the
        action of a clip
            is in the index, if half of all clips are unknown clips.
        right: The same for the chance that the answer is right if it is.
        center: Strength of unknown clips, mean.
        spread: The same, standard deviation.
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
    """A model's own calibration.

    Attributes:
        ridge: For evidence from all exemplars.
        nearest: For evidence from the nearest exemplars of a large index.
    """

    ridge: Prior
    nearest: Prior

    def to_json(self) -> dict[str, Any]:
        """JSON values, as in `model.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelCalibration:
        """From `model.json`."""
        return cls(**{name: _prior(values[name]) for name in ("ridge", "nearest")})


def _prior(values: dict[str, Any]) -> Prior:
    curves = {name: tuple(map(float, values[name])) for name in ("known", "right")}
    return Prior(**{**values, **curves})


OF_SEQUENCES = ModelCalibration(
    ridge=Prior(known=(-1.78, 0.67, 1.91), right=(0.07, 0.95, 2.81), center=0.27, spread=0.18),
    nearest=Prior(known=(-0.45, 1.39, -1.60), right=(0.69, 1.89, 1.26), center=0.16, spread=0.07),
)
"""For models that compare sequences."""
OF_VECTORS = ModelCalibration(
    ridge=Prior(known=(-0.08, 0.61, -0.14), right=(-0.48, 0.55, 2.51), center=0.63, spread=0.30),
    nearest=Prior(known=(-0.07, 0.20, -0.04), right=(0.02, 0.47, 3.23), center=0.22, spread=0.10),
)
"""For models that compare vectors."""
