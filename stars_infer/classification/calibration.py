"""From scores to probabilities: is the action of a clip known, and is its label right?

An unknown clip is one whose action the index does not hold. The exemplars themselves show how such
a clip would score: each is scored by the exemplars of all other classes. They also show how a known
clip scores: each is scored by all other exemplars. The model brings logistic curves, fitted to
other data sets, and logistic regression on these scores adapts them to the index. How many of the
clips that are asked are unknown is a matter of its own: see `unknown_share`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import Scores
from stars_infer.classification.leave_out import LeaveOut, ScoreFeatures
from stars_infer.classification.model_calibration import Curve, Prior, features
from stars_infer.classification.unknown_share import (
    EXPECTED_UNKNOWN,
    Chances,
    UnknownShare,
    chances_of,
    odds_of_known,
)

PRIOR_EXEMPLARS = 10.0
"""Weight of the model's own center, spread and curve for `right`, as a number of exemplars."""
PRIOR_CLASSES = 4.0
"""Weight of the model's own tail of unknown clips, as a number of classes."""
_SHIFT, _SLOPE = 2.0, 5.0
"""Inverse variances of what an index changes in the model's curve for `known`: from one data set to
another, the log-odds are shifted by about 0.7 and scaled by 1, more or less 0.45."""
_LEAST_SLOPE = 0.1
_WIDER = 1.2
"""Spread of the log-odds of unknown clips, in that of exemplars without their class; other people
perform them. It is about this on each data set that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Turns scores into probabilities, for one index.

    The log-odds here are those of being known if half of all clips are unknown.

    Attributes:
        center: Mean strength of unknown clips.
        spread: Standard deviation of the strength of unknown clips.
        shots: Exemplars of the smallest class.
        known: Weights of the features for the chance that a clip is known.
        right: Weights of the features for the chance that the label of a known clip is right.
        tail: Mean and standard deviation of the log-odds of unknown clips.
        classes: Number of classes that were left out.
        unknown: Log-odds that each exemplar gets without its class, (S,).
        weights: Weight of each of these, (S,), so that all classes count the same; the sum is
            `classes`.
        known_scores: Log-odds that each exemplar gets without itself, (N,).
    """

    center: float
    spread: float
    shots: int
    known: Curve
    right: Curve
    tail: tuple[float, float]
    classes: int
    unknown: Chances = field(repr=False)
    weights: Chances = field(repr=False)
    known_scores: Chances = field(repr=False)

    @classmethod
    def of(cls, leave_out: LeaveOut, prior: Prior) -> Calibration:
        """Adapt the curves to the exemplars of an index.

        Args:
            leave_out: Scores of exemplars that were left out.
            prior: The model's own calibration, toward which the curves are regularized.
        """
        unknown, one_out = (
            ScoreFeatures.of(leave_out.class_out),
            ScoreFeatures.of(leave_out.one_out),
        )
        strength, shots = unknown.strength, leave_out.shots
        center, spread = blend(strength, len(strength), PRIOR_EXEMPLARS, prior.center, prior.spread)
        unknown_x = features(unknown, center, spread, shots)
        known_x = features(prior.grow(one_out, leave_out.others), center, spread, shots)
        known, right = prior.known, prior.right
        if len(unknown_x) and len(known_x):
            known = _adapt(known, known_x, unknown_x)
        if len(known_x):
            right = _fit_right(features(one_out, center, spread, shots), leave_out.right, right)
        sizes = np.bincount(leave_out.left_out)
        classes = int((sizes > 0).sum())
        log_odds = unknown_x @ np.array(known)
        return cls(
            center=center,
            spread=spread,
            shots=shots,
            known=known,
            right=right,
            tail=blend(log_odds, classes, PRIOR_CLASSES, *prior.tail),
            classes=classes,
            unknown=log_odds,
            weights=1 / sizes[leave_out.left_out],
            known_scores=known_x @ np.array(known),
        )

    @property
    def finest(self) -> float | None:
        """Smallest share of unknown clips for which a threshold can be measured, 0 to 1.

        Of k + 1 classes that are alike, each is as likely as any other to be the one whose clips
        score highest: a new one exceeds the k that were left out with probability 1 / (k + 1), as
        in conformal prediction (Dunn, Wasserman and Ramdas, "Distribution-free prediction sets for
        two-layer hierarchical models", 2023). None where nothing was measured.
        """
        return 1 / (self.classes + 1) if self.classes else None

    def log_odds(self, score_features: ScoreFeatures) -> Chances:
        """Log-odds of each clip that its action is in the index, if half of all are, (Q,)."""
        x = features(score_features, self.center, self.spread, self.shots)
        return np.asarray(x @ np.array(self.known))

    def chance_known(
        self, score_features: ScoreFeatures, unknown_share: float = EXPECTED_UNKNOWN
    ) -> Chances:
        """Chance that the action of each clip is in the index, (Q,), by Bayes' rule.

        Args:
            score_features: Of the clips.
            unknown_share: Share of unknown clips among all that are asked, 0 to 1.
        """
        return chances_of(self.log_odds(score_features) + odds_of_known(unknown_share))

    def learn_share(self, log_odds: Chances, prior: UnknownShare) -> float:
        """The share of unknown clips in a batch; see `UnknownShare.learn`.

        A batch that fits worse than exemplars without their class is not one of unknown clips: the
        exemplars resemble each other more than the clips that are asked, as where one person
        performed all of them. It says nothing then.

        Args:
            log_odds: Of the clips, (Q,).
            prior: What is known of the share.
        """
        if len(log_odds) and float(log_odds.mean()) < self.tail[0]:
            return prior.expected
        return prior.learn(log_odds, evidence=len(self.known_scores))

    def chance_right(self, score_features: ScoreFeatures) -> Chances:
        """Chance that each answer is right, provided that its action is in the index, (Q,)."""
        x = features(score_features, self.center, self.spread, self.shots)
        return chances_of(x @ np.array(self.right))

    def threshold(
        self, false_accept_rate: float | None, unknown_share: float = EXPECTED_UNKNOWN
    ) -> float:
        """Chance of being known above which a clip is named rather than called unknown.

        With a `false_accept_rate`, it depends on the share of unknown clips as `chance_known` does,
        so that the same clips are named whatever that share is.

        Args:
            false_accept_rate: Share of unknown clips that may be named, 0 to 1; None names clips
                that are more likely known than not.
            unknown_share: As in `chance_known`.
        """
        if false_accept_rate is None:
            return 0.5
        if self.classes:
            log_odds = self._exceeded_by(false_accept_rate)
        else:  # nothing was measured, so the curve has to be right
            log_odds = odds_of_known(false_accept_rate) - odds_of_known(EXPECTED_UNKNOWN)
        return float(chances_of(np.array(log_odds + odds_of_known(unknown_share))))

    def _exceeded_by(self, share: float) -> float:
        """Log-odds that a share of unknown clips exceeds.

        Each class that was left out counts once. Beyond what so few classes can tell, the model
        knows the form of the tail, that of a maximum over classes (Gumbel's); it counts as
        `PRIOR_CLASSES` classes more.
        """
        center, spread = self.tail[0], _WIDER * self.tail[1]
        total = share * (self.classes + PRIOR_CLASSES)
        low = min(float(self.unknown.min()), center) - 10 * spread
        high = max(float(self.unknown.max()), center) + 20 * spread
        for _ in range(60):
            middle = (low + high) / 2
            beyond = float(self.weights[self.unknown > middle].sum())
            beyond += PRIOR_CLASSES * _gumbel_tail((middle - center) / spread)
            low, high = (middle, high) if beyond > total else (low, middle)
        return high

    def acceptance_rates(
        self, threshold: float, unknown_share: float = EXPECTED_UNKNOWN
    ) -> tuple[float | None, float | None]:
        """Shares of unknown and of known clips above a threshold; None where none were measured.

        Args:
            threshold: From `threshold`, with the same share of unknown clips.
            unknown_share: As in `threshold`.
        """
        odds = odds_of_known(unknown_share)

        def share(log_odds: Chances, weights: Chances) -> float | None:
            if not len(log_odds):
                return None
            return float(np.average(chances_of(log_odds + odds) > threshold, weights=weights))

        return (
            share(self.unknown, self.weights),
            share(self.known_scores, np.ones(len(self.known_scores))),
        )

    def to_json(self) -> dict[str, Any]:
        """The values as plain types."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return asdict(self) | arrays

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Calibration:
        """From the values of `to_json`."""
        arrays = {name: np.array(values[name], np.float64) for name in _ARRAYS}
        tuples = {name: tuple(values[name]) for name in ("known", "right", "tail")}
        return cls(**{**values, **arrays, **tuples})


_ARRAYS = ("unknown", "weights", "known_scores")


def blend(
    measured: Scores, count: float, weight: float, mean: float, spread: float
) -> tuple[float, float]:
    """Mean and standard deviation, drawn toward the model's own.

    Args:
        measured: Measured values.
        count: How many they count as.
        weight: How many the model's own count as.
        mean: The model's own mean.
        spread: The model's own standard deviation.
    """
    if not len(measured):
        return mean, spread
    share = count / (count + weight)
    return (
        share * float(measured.mean()) + (1 - share) * mean,
        share * float(measured.std()) + (1 - share) * spread,
    )


def _gumbel_tail(value: float) -> float:
    """Share of Gumbel's distribution with mean 0 and standard deviation 1 beyond a value."""
    return float(-np.expm1(-np.exp(-(np.pi / np.sqrt(6) * value + np.euler_gamma))))


def _adapt(curve: Curve, known_x: Scores, unknown_x: Scores) -> Curve:
    """Shift and scale the log-odds of a curve so that they tell known from unknown exemplars.

    Platt, "Probabilistic outputs for support vector machines", 1999, on what the curve says; only
    these two numbers are fitted, and the order of clips stays that of the model's curve.
    """
    log_odds = np.concatenate((known_x, unknown_x)) @ np.array(curve)
    truth = np.arange(len(log_odds)) < len(known_x)
    shift, slope = _logistic(
        np.stack((np.ones_like(log_odds), log_odds), axis=1),
        truth,
        start=np.array((0.0, 1.0)),
        precision=np.array((_SHIFT, _SLOPE)),
        offset=float(np.log(len(known_x) / len(unknown_x))),
    )
    changed = max(float(slope), _LEAST_SLOPE) * np.array(curve)
    changed[0] += shift
    return _curve(changed)


def _fit_right(x: Scores, truth: NDArray[np.bool_], curve: Curve) -> Curve:
    precision = np.full(len(curve), PRIOR_EXEMPLARS)
    return _curve(_logistic(x, truth, start=np.array(curve), precision=precision))


def _logistic(
    x: Scores,
    truth: NDArray[np.bool_],
    *,
    start: Scores,
    precision: Scores,
    offset: float = 0.0,
    steps: int = 30,
) -> Scores:
    """Logistic regression by Newton's method, with a normal prior on the weights.

    Args:
        x: Features, (Q, F).
        truth: What they are to tell, (Q,).
        start: Mean of the prior, (F,).
        precision: Its inverse variances, (F,).
        offset: Added to the log-odds: of as many true as false ones, if these are not as many.
        steps: Steps of Newton's method.
    """
    weights = start.copy()
    for _ in range(steps):
        chance = chances_of(x @ weights + offset)
        slope = x.T @ (chance - truth) + precision * (weights - start)
        bend = (x * (chance * (1 - chance))[:, None]).T @ x + np.diag(precision)
        step = np.linalg.solve(bend, slope)
        weights -= step / max(1.0, float(np.abs(step).max()))
    return weights


def _curve(weights: Scores) -> Curve:
    one, two, three, four = map(float, weights)
    return one, two, three, four
