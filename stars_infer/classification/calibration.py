"""How surely a clip shows the action it was given: known or unknown, and calibrated confidence.

A stranger is a clip of an action that the index does not hold. How one would score is measured
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
from stars_infer.errors import UsageError

Chances = NDArray[np.float64]

EXPECTED_STRANGERS = 1 / 3
"""Share of clips whose action is not in the index, before anything is known of them."""
PRIOR_EXEMPLARS = 10.0
"""So many exemplars weigh as much as the model's own calibration."""
_LEAST_SPREAD = 0.02
_LEAST_SCORE = 0.02
FEWEST_CLASSES = 3
"""Of two classes one is left when the other is taken out: nothing to tell a stranger by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for the answers to Q clips.

    Attributes:
        score: Of the class that was answered, (Q,).
        margin: By how much it exceeds the best other class, negative if it does not, (Q,).
    """

    score: Scores
    margin: Scores

    @classmethod
    def of(cls, scores: Scores, answers: NDArray[np.intp] | None = None) -> Evidence:
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
        """Score and margin together, (Q,): what tells strangers best."""
        return self.score + self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """How exemplars fare as questions.

    Attributes:
        apart: Scores of exemplars by those of other classes only, as strangers have them, (S, C).
        alone: Scores of exemplars by all others, (N, C), where their class has others.
        right: Whether those name the exemplar's own class, (N,).
    """

    apart: Scores
    alone: Scores
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, ridge: FittedRidge) -> Rehearsal:
        """Every exemplar of an index, in closed form."""
        classes, count = ridge.classes, ridge.weights.shape[1]
        paired = np.bincount(classes, minlength=count)[classes] > 1
        alone = ridge.without_itself()[paired]
        return cls(
            apart=ridge.without_its_class() if count >= FEWEST_CLASSES else np.zeros((0, count)),
            alone=alone,
            right=alone.argmax(axis=1) == classes[paired],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """From evidence to chances, for one index.

    Attributes:
        centre: Strength of strangers, mean.
        spread: The same, standard deviation.
        known: As in `Prior`, fitted to the exemplars.
        right: The same.
        strangers: Chance of being known of each exemplar when its class is taken out, sorted.
        familiar: The same when only itself is taken out, of classes with another exemplar.
    """

    centre: float
    spread: float
    known: tuple[float, float, float]
    right: tuple[float, float, float]
    strangers: Chances = field(repr=False)
    familiar: Chances = field(repr=False)

    @classmethod
    def of(cls, rehearsal: Rehearsal, prior: Prior) -> Calibration:
        """Measure an index by its own exemplars."""
        strange, familiar = Evidence.of(rehearsal.apart), Evidence.of(rehearsal.alone)
        strength = strange.strength
        weight = len(strength) / (len(strength) + PRIOR_EXEMPLARS)
        centre, spread = prior.centre, prior.spread
        if len(strength):
            centre = weight * float(strength.mean()) + (1 - weight) * centre
            spread = weight * float(strength.std()) + (1 - weight) * spread
        strange_x = features(strange, centre, spread)
        familiar_x = features(familiar, centre, spread)
        known, right = prior.known, prior.right
        if len(strange_x) and len(familiar_x):
            x = np.concatenate((familiar_x, strange_x))
            known = _logistic(x, np.arange(len(x)) < len(familiar_x), prior.known)
        if len(familiar_x):
            right = _logistic(familiar_x, rehearsal.right, prior.right)
        return cls(
            centre=centre,
            spread=spread,
            known=known,
            right=right,
            strangers=np.sort(_chance_known(strange_x, known)),
            familiar=np.sort(_chance_known(familiar_x, known)),
        )

    def chance_known(self, evidence: Evidence) -> Chances:
        """Chance that the action of a clip is in the index; see `EXPECTED_STRANGERS`."""
        return _chance_known(features(evidence, self.centre, self.spread), self.known)

    def chance_right(self, evidence: Evidence) -> Chances:
        """Chance that an answer is right if the action is in the index."""
        return _chances(features(evidence, self.centre, self.spread), self.right)

    def threshold(self, strangers: float | None) -> float:
        """Least chance of being known with which a clip is named.

        Args:
            strangers: Share of strangers that may be named, 0 to 1; None for "more likely known
                than not".
        """
        if strangers is None:
            return 0.5
        if not len(self.strangers):
            return 1 - strangers  # nothing measured: the curve is taken at its word
        return float(np.quantile(self.strangers, 1 - strangers))

    def accepted(self, threshold: float) -> tuple[float | None, float | None]:
        """Shares of strangers and of known clips that a threshold lets pass, where measured."""

        def share(chances: Chances) -> float | None:
            return float(np.mean(chances > threshold)) if len(chances) else None

        return share(self.strangers), share(self.familiar)


def features(evidence: Evidence, centre: float, spread: float) -> Scores:
    """What the curves see, (Q, 3): 1, strength over that of strangers, margin over score."""
    strength = (evidence.strength - centre) / (spread + _LEAST_SPREAD)
    relative = np.clip(evidence.margin / np.maximum(evidence.score, _LEAST_SCORE), -1, 2)
    return np.stack((np.ones_like(strength), strength, relative), axis=1)


def _chance_known(x: Scores, curve: tuple[float, float, float]) -> Chances:
    """From a curve that was fitted to as many strangers as known clips."""
    odds = (1 - EXPECTED_STRANGERS) / EXPECTED_STRANGERS
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
    """Curves of `stars_infer.classification.calibration.Calibration`, and how strangers fare.

    Attributes:
        known: Weights of `stars_infer.classification.calibration.features` for the chance that the
        action of a clip
            is in the index, if half of all clips are strangers.
        right: The same for the chance that the answer is right if it is.
        centre: Strength of strangers, mean.
        spread: The same, standard deviation.
    """

    known: tuple[float, float, float]
    right: tuple[float, float, float]
    centre: float
    spread: float

    def __post_init__(self) -> None:
        if len(self.known) != 3 or len(self.right) != 3 or not self.spread > 0:
            raise UsageError(f"a calibration has two curves of three numbers: {self}")


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
    ridge=Prior(known=(-1.78, 0.67, 1.91), right=(0.07, 0.95, 2.81), centre=0.27, spread=0.18),
    nearest=Prior(known=(-0.45, 1.39, -1.60), right=(0.69, 1.89, 1.26), centre=0.16, spread=0.07),
)
"""For models that compare sequences."""
OF_VECTORS = ModelCalibration(
    ridge=Prior(known=(-0.08, 0.61, -0.14), right=(-0.48, 0.55, 2.51), centre=0.63, spread=0.30),
    nearest=Prior(known=(-0.07, 0.20, -0.04), right=(0.02, 0.47, 3.23), centre=0.22, spread=0.10),
)
"""For models that compare vectors."""
