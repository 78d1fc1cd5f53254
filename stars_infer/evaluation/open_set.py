"""How well an index tells clips of unknown actions from clips of the actions that it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatch

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.calibration import Calibration
from stars_infer.classification.classifiers import Ridge, class_numbers
from stars_infer.classification.leave_out import LeaveOut, ScoreFeatures
from stars_infer.classification.model_calibration import Prior
from stars_infer.classification.unknown_share import UnknownShare
from stars_infer.errors import UsageError, check_range
from stars_infer.evaluation.fewshot import LabeledClips, exemplar_pools, named_by
from stars_infer.evaluation.intervals import accept_curve
from stars_infer.evaluation.reliability import Reliability, reliability

Chances = NDArray[np.floating]
Truths = NDArray[np.bool_]
ClassChooser = Callable[[np.random.Generator], Sequence[int]]
"""Draws the classes that an index is not to hold, as positions in the sorted labels."""

_NAMES_SHOWN = 12


def auroc(known: Chances, unknown: Chances) -> float:
    """Chance that a known clip scores above an unknown one; a tie counts half."""
    both = np.concatenate((known, unknown))
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    rest = ranks[: len(known)].sum() - len(known) * (len(known) + 1) / 2
    return float(rest / (len(known) * len(unknown)))


def false_accept_at_recall(known: Chances, unknown: Chances, *, recall: float = 0.95) -> float:
    """Share of unknown clips that pass the threshold which a share `recall` of known ones pass."""
    return float(np.mean(unknown >= np.quantile(known, 1 - recall)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The answers to Q clips, some of which are of actions that the index does not hold.

    Attributes:
        known: Whether the index holds the action of the clip, (Q,).
        right: Whether the best label is the clip's own; false for unknown clips, (Q,).
        named: Whether the clip was named at all, rather than called unknown, (Q,).
        chance_known: Estimated chance that the clip is known, (Q,).
        confidence: Estimated chance that the best label is right, (Q,).
    """

    known: Truths
    right: Truths
    named: Truths
    chance_known: Chances
    confidence: Chances

    @classmethod
    def concatenate(cls, trials: Sequence[Trial]) -> Trial:
        """One trial of the answers of several."""
        return cls(
            **{
                field.name: np.concatenate([getattr(trial, field.name) for trial in trials])
                for field in fields(cls)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSetAccuracy:
    """How well known and unknown clips were told apart; all shares in per cent.

    Attributes:
        auroc: Chance that a known clip is rated above an unknown one.
        fpr_at_95: Share of unknown clips named at the threshold that names 95 % of the known.
        unknown_named: Share of unknown clips that were named.
        known_named: Share of known clips that were named.
        right_of_named: Share of named clips whose label is right.
        reliability: Confidence against accuracy, over all clips.
        curve: Shares of unknown and of known clips that are named as the threshold falls, 0 to 1.
    """

    auroc: float
    fpr_at_95: float
    unknown_named: float
    known_named: float
    right_of_named: float
    reliability: Reliability
    curve: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, trial: Trial) -> OpenSetAccuracy:
        """The figures of a trial that has both known and unknown clips."""
        known, unknown = trial.chance_known[trial.known], trial.chance_known[~trial.known]
        named = trial.named
        return cls(
            auroc=100 * auroc(known, unknown),
            fpr_at_95=100 * false_accept_at_recall(known, unknown),
            unknown_named=100 * float(named[~trial.known].mean()),
            known_named=100 * float(named[trial.known].mean()),
            right_of_named=100 * float(trial.right[named].mean()) if named.any() else 0.0,
            reliability=reliability(trial.confidence, trial.right),
            curve=tuple(accept_curve(known, unknown)),
        )


def class_chooser(
    labels: Sequence[str], *, patterns: Sequence[str] = (), share: float | None = None
) -> ClassChooser:
    """Decide which classes are to be unknown: those of some patterns, or a random share.

    Args:
        labels: Labels of all clips.
        patterns: Shell patterns; every class whose name matches one is unknown, in every draw.
        share: Or the share of classes that is unknown, 0 to 1; every draw takes others.

    Raises:
        UsageError: If both or neither are given, or no class matches.
    """
    names = sorted(set(labels))
    if bool(patterns) == (share is not None):
        raise UsageError("name the unknown classes by patterns or by their share, not both")
    if patterns:
        out = [at for at, name in enumerate(names) if any(fnmatch(name, p) for p in patterns)]
        if not out:
            raise UsageError(
                f"no class matches {' or '.join(patterns)}; there are: "
                f"{', '.join(names[:_NAMES_SHOWN])}"
            )
        return lambda random: out
    check_range("share of unknown classes", share, above=0, below=1)
    count = round(len(names) * (share or 0))
    return lambda random: [int(at) for at in random.permutation(len(names))[:count]]


def evaluate_open_set(
    clips: LabeledClips,
    *,
    shots: Sequence[int],
    unknown: ClassChooser,
    prior: Prior,
    ridge: Ridge | None = None,
    false_accept_rate: float | None = None,
    draws: int = 10,
    seed: int = 0,
) -> dict[int, OpenSetAccuracy]:
    """Measure how well known and unknown clips are told apart, for several numbers of shots.

    Args:
        clips: Labeled clips and their similarities.
        shots: Numbers of exemplars per class.
        unknown: Draws the classes that are left out of the index, from `class_chooser`.
        prior: The model's own calibration, `ModelInfo.calibration.ridge`.
        ridge: The classifier; the default one if not given.
        false_accept_rate: As in `stars_infer.classification.prediction.ClassifyOptions`.
        draws: Random draws of classes and exemplars for each number of shots.
        seed: Seed of the draws.

    Raises:
        UsageError: If a class has too few exemplars, or all classes are unknown, or none is.
    """
    return {
        n: OpenSetAccuracy.of(
            Trial.concatenate(
                open_set_trials(
                    clips,
                    n,
                    unknown=unknown,
                    ridge=ridge or Ridge(),
                    prior=prior,
                    false_accept_rate=false_accept_rate,
                    draws=draws,
                    seed=seed,
                )
            )
        )
        for n in shots
    }


def open_set_trials(
    clips: LabeledClips,
    n: int,
    *,
    unknown: ClassChooser,
    ridge: Ridge,
    prior: Prior,
    false_accept_rate: float | None = None,
    draws: int = 10,
    seed: int = 0,
) -> list[Trial]:
    """Name all queries with n exemplars of each known class, draw after draw.

    Args:
        clips: Labeled clips and their similarities.
        n: Exemplars per class.
        unknown: Draws the classes that are left out of the index.
        ridge: The classifier.
        prior: The model's own calibration.
        false_accept_rate: As in `stars_infer.classification.prediction.ClassifyOptions`.
        draws: Random draws of classes and exemplars.
        seed: Seed of the draws.

    Raises:
        UsageError: If a class has too few exemplars, or all classes are unknown, or none is.
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
        score_features = ScoreFeatures.of(fitted.scores(clips.similarity(queries, drawn)))
        among, asked = named_by(clips, drawn, queries, classes)
        named = ridge.fit(among, classes, len(held)).scores(asked)
        share = calibration.learn_share(calibration.log_odds(score_features), UnknownShare())
        chance = calibration.chance_known(score_features, share)
        trials.append(
            Trial(
                known=np.isin(numbers[queries], held),
                right=np.array(held)[named.argmax(axis=1)] == numbers[queries],
                named=chance > calibration.threshold(false_accept_rate, share),
                chance_known=chance,
                confidence=chance * calibration.chance_right(ScoreFeatures.of(named)),
            )
        )
    return trials
