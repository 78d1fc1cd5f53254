"""How well unknown clips are told from known actions, and whether confidence keeps its word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.calibration import Calibration, LeaveOut, Prior, ScoreFeatures
from stars_infer.classification.classifiers import Ridge, class_numbers
from stars_infer.errors import UsageError
from stars_infer.evaluation.fewshot import LabeledClips, exemplar_pools

Chances = NDArray[np.floating]
Truths = NDArray[np.bool_]

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Confidence beside truth, in bins of equal width.

    Attributes:
        confidence: Mean confidence of each bin; NaN where empty, (bins,).
        right: Share of right answers in it; NaN where empty, (bins,).
        count: Answers in it, (bins,).
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.float64]
    count: NDArray[np.intp]

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap of the two, weighted by count (Guo et al. 2017)."""
        gaps = np.abs(self.confidence - self.right)
        return float(np.nansum(gaps * self.count) / max(1, self.count.sum()))


def reliability(confidence: Chances, right: Truths, *, bins: int = BINS) -> Reliability:
    """Sort answers into bins by their confidence.

    Args:
        confidence: Of answers, 0 to 1, (N,).
        right: Whether they were, (N,).
        bins: How many.
    """
    positions = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    count = np.bincount(positions, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            confidence=np.bincount(positions, confidence, bins) / count,
            right=np.bincount(positions, right, bins) / count,
            count=count,
        )


def auroc(known: Chances, unknown: Chances) -> float:
    """Chance that a known clip scores above an unknown clip; ties count half."""
    both = np.concatenate((known, unknown))
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    rest = ranks[: len(known)].sum() - len(known) * (len(known) + 1) / 2
    return float(rest / (len(known) * len(unknown)))


def false_accept_at_recall(known: Chances, unknown: Chances, *, recall: float = 0.95) -> float:
    """Share of unknown clips above the score that a share `recall` of known clips reaches."""
    return float(np.mean(unknown >= np.quantile(known, 1 - recall)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Answers to Q clips, of which some are unknown clips.

    Attributes:
        known: Whether the action of a clip was in the index, (Q,).
        right: Whether the clip got its name, false for unknown clips, (Q,).
        named: Whether it got any name, (Q,).
        chance_known: As the index saw it, (Q,).
        confidence: The same, (Q,).
    """

    known: Truths
    right: Truths
    named: Truths
    chance_known: Chances
    confidence: Chances

    @classmethod
    def joined(cls, trials: Sequence[Trial]) -> Trial:
        """Several trials as one."""
        return cls(
            **{
                field.name: np.concatenate([getattr(trial, field.name) for trial in trials])
                for field in fields(cls)
            }
        )


def open_set_trials(
    clips: LabeledClips,
    n: int,
    *,
    unknown: Callable[[np.random.Generator], Sequence[int]],
    ridge: Ridge,
    prior: Prior,
    false_accept_rate: float | None = None,
    draws: int = 10,
    seed: int = 0,
) -> list[Trial]:
    """Ask an index of n exemplars a class for clips of classes that it holds and of others.

    Args:
        clips: Clips of known action.
        n: Exemplars a class.
        unknown: Draws the classes that the index is not to hold, as places in the sorted labels.
        ridge: Names the clips.
        prior: The model's own calibration.
        false_accept_rate: As in `stars_infer.classification.prediction.ClassifyOptions`.
        draws: How often classes and exemplars are drawn.
        seed: Of the draws.

    Raises:
        UsageError: If a class has too few exemplars, or no class is left.
    """
    pools = exemplar_pools(clips, [n])
    numbers = class_numbers(clips.labels, sorted(set(clips.labels)))
    random = np.random.default_rng([seed, n])
    trials = []
    for _ in range(draws):
        out = set(unknown(random))
        held = [number for number in range(len(pools)) if number not in out]
        if not held or not out:
            raise UsageError("some actions must be unknown and some known: check which are which")
        drawn = np.concatenate([random.choice(pools[c], n, replace=False) for c in held])
        queries = np.setdiff1d(np.flatnonzero(clips.query), drawn)
        classes = np.repeat(np.arange(len(held)), n)
        fitted = ridge.fit(clips.similarity(drawn, drawn), classes, len(held))
        calibration = Calibration.of(LeaveOut.of(fitted), prior)
        scores = fitted.scores(clips.similarity(queries, drawn))
        score_features = ScoreFeatures.of(scores)
        chance = calibration.chance_known(score_features)
        trials.append(
            Trial(
                known=np.isin(numbers[queries], held),
                right=np.array(held)[scores.argmax(axis=1)] == numbers[queries],
                named=chance > calibration.threshold(false_accept_rate),
                chance_known=chance,
                confidence=chance * calibration.chance_right(score_features),
            )
        )
    return trials
