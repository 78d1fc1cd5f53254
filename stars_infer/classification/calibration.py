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
from stars_infer.classification.model_calibration import (
    KnownCurve,
    Prior,
    RightCurve,
    known_features,
    log_shots,
    right_features,
)
from stars_infer.classification.unknown_share import (
    EXPECTED_UNKNOWN,
    Chances,
    UnknownShare,
    chances_of,
    odds_of_known,
)

PRIOR_EXEMPLARS = 10.0
"""Weight of the model's own spread, as a number of exemplars."""
PRIOR_CLASSES = 4.0
"""Weight of the model's own mean and deviation of unknown clips, as a number of classes."""
_TAIL_CLASSES = 8.0
"""Weight of the form of the tail beside the classes themselves, as a number of classes."""
_SHIFT, _SLOPE = 1.0, 10.0
"""Inverse variances of what an index changes in the model's curve for `known`: from one data set to
another, the log-odds are shifted by about 1, and scaled by 1, more or less 0.3."""
_FEW_OTHERS = 4.0
"""These grow by so many times themselves where an exemplar has a single companion, which shows less
of how known clips score."""
_LEAST_SLOPE = 0.1
_MOVED = 0.5
"""Where no class has two exemplars, nothing shows how known clips score. If exemplars without their
class score higher than unknown clips of other data, known clips score higher by so large a share of
that."""
_WIDER = 1.5
"""Spread of the log-odds of unknown clips, in that of exemplars without their class: other people
perform them, and an unknown action may resemble one of the index more than these each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Turns scores into probabilities, for one index.

    The log-odds here are those of being known if half of all clips are unknown.

    Attributes:
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

    spread: float
    shots: int
    known: KnownCurve
    right: RightCurve
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
        shots = leave_out.shots
        unknown_x, known_x = (
            known_features(unknown, shots),
            known_features(prior.grow(one_out, leave_out.others), shots),
        )
        sizes = np.bincount(leave_out.left_out)
        classes = int((sizes > 0).sum())
        mean = (1.0, prior.tail[0] + prior.tail[1] * log_shots(shots), log_shots(shots))
        known = prior.known
        if len(unknown_x) and len(known_x):
            known = _adapt(known, known_x, unknown_x, few=float(np.mean(1 / leave_out.others)))
        elif len(unknown_x):
            moved = float((unknown_x @ np.array(known)).mean() - np.dot(mean, known))
            share = _MOVED * classes / (classes + PRIOR_CLASSES)
            known = (known[0] - share * moved, known[1], known[2])
        log_odds = unknown_x @ np.array(known)
        usual = float(np.dot(mean, known)), known[1] * prior.tail[2]
        strength = unknown.strength
        _, spread = blend(strength, len(strength), PRIOR_EXEMPLARS, 0.0, prior.spread)
        return cls(
            spread=spread,
            shots=shots,
            known=known,
            right=prior.right,
            tail=blend(log_odds, classes, PRIOR_CLASSES, *usual),
            classes=classes,
            unknown=log_odds,
            weights=1 / sizes[leave_out.left_out],
            known_scores=known_x @ np.array(known),
        )

    @property
    def finest(self) -> float | None:
        """Smallest share of unknown clips that can be promised as a limit, 0 to 1.

        Of k + 1 classes that are alike, each is as likely as any other to be the one whose clips
        score highest, with probability 1 / (k + 1), as in conformal prediction (Dunn, Wasserman and
        Ramdas, "Distribution-free prediction sets for two-layer hierarchical models", 2023). But if
        two classes resemble each other and the index holds one of them, none of its own shows that.
        Either of the two may be the one that is asked, so it is twice the share, which is also what
        theory grants to leaving one out (Barber, Candès, Ramdas and Tibshirani, "Predictive
        inference with the jackknife+", 2021). None where nothing was measured.
        """
        return 2 / (self.classes + 1) if self.classes else None

    def log_odds(self, score_features: ScoreFeatures) -> Chances:
        """Log-odds of each clip that its action is in the index, if half of all are, (Q,)."""
        return np.asarray(known_features(score_features, self.shots) @ np.array(self.known))

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
        return chances_of(right_features(score_features, self.shots) @ np.array(self.right))

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

        Each class that was left out counts once, the one that is asked as one more. Beyond what so
        few classes can tell, the form of the tail is that of a maximum over classes (Gumbel's); it
        counts as `_TAIL_CLASSES` classes more.
        """
        center, spread = self.tail[0], _WIDER * self.tail[1]
        one_more = self.classes + 1
        share = max(share * self.classes / one_more, (share * one_more - 1) / self.classes)
        total = share * (self.classes + _TAIL_CLASSES)
        low = min(float(self.unknown.min()), center) - 10 * spread
        high = max(float(self.unknown.max()), center) + 20 * spread
        for _ in range(60):
            middle = (low + high) / 2
            beyond = float(self.weights[self.unknown > middle].sum())
            beyond += _TAIL_CLASSES * _gumbel_tail((middle - center) / spread)
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


def _adapt(curve: KnownCurve, known_x: Scores, unknown_x: Scores, *, few: float) -> KnownCurve:
    """Shift and scale the log-odds of a curve so that they tell known from unknown exemplars.

    Platt, "Probabilistic outputs for support vector machines", 1999, on what the curve says; only
    these two numbers are fitted, and the order of clips stays that of the model's curve.

    Args:
        curve: The model's curve.
        known_x: Features of exemplars without themselves.
        unknown_x: Features of exemplars without their class.
        few: Mean of one over the number of other exemplars of an exemplar's class.
    """
    log_odds = np.concatenate((known_x, unknown_x)) @ np.array(curve)
    truth = np.arange(len(log_odds)) < len(known_x)
    shift, slope = _logistic(
        np.stack((np.ones_like(log_odds), log_odds), axis=1),
        truth,
        start=np.array((0.0, 1.0)),
        precision=(1 + _FEW_OTHERS * few) * np.array((_SHIFT, _SLOPE)),
        offset=float(np.log(len(known_x) / len(unknown_x))),
    )
    one, root, shots = max(float(slope), _LEAST_SLOPE) * np.array(curve)
    return float(one) + float(shift), float(root), float(shots)


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
