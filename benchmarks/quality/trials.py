"""Draws of classes and exemplars, and curves fitted to what they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sets import EvaluationSet
from sklearn.linear_model import LogisticRegression

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import PRIOR_EXEMPLARS, blend
from stars_infer.classification.classifiers import Ridge, Scores, class_numbers
from stars_infer.classification.leave_out import LeaveOut, ScoreFeatures
from stars_infer.classification.model_calibration import Curve, Prior, features
from stars_infer.classification.open_set import leave_out_by_nearest, nearness
from stars_infer.similarity.nearest import Matches
from stars_infer.similarity.pairwise import Similarity

DRAWS = 40
"""Draws differ: over ten, the mean share of unknown clips that are named still varies by five
points, over forty by half of that."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """Clips asked of one index.

    Attributes:
        n: Exemplars a class.
        unknown: Whether half of the classes are not in the index.
        leave_out: Of its exemplars.
        score_features: Of the clips.
        known: Whether their class is in the index.
        right: Whether the best class is theirs.
        untuned: Whether they are of a set on which nothing is chosen.
    """

    n: int
    unknown: bool
    leave_out: LeaveOut
    score_features: ScoreFeatures
    known: NDArray[np.bool_]
    right: NDArray[np.bool_]
    untuned: bool = False


def collected(
    data: EvaluationSet,
    similarity: Similarity,
    *,
    shots: Sequence[int],
    width: float | None,
    nearest: bool = False,
) -> Iterator[Draw]:
    """Draws for each number of shots, with half of the classes unknown and with none.

    Shots that the smallest class does not allow are left out. Clips are scored by the ridge, or by
    the nearest exemplars, as in a large index.
    """
    classes = sorted(set(data.labels))
    numbers = class_numbers(data.labels, classes)
    for n in (n for n in shots if n <= data.most_shots):
        for draw in range(DRAWS):
            for unknown in (True, False):
                random = np.random.default_rng([7, n, draw])
                held = np.arange(len(classes))
                if unknown:
                    held = random.permutation(len(classes))[: (len(classes) + 1) // 2]
                pools = [np.flatnonzero((numbers == c) & data.exemplar) for c in held]
                exemplars = np.concatenate([random.choice(p, n, replace=False) for p in pools])
                asked = np.setdiff1d(np.flatnonzero(data.query), exemplars)
                own = np.repeat(np.arange(len(held)), n)
                among, to = similarity(exemplars, exemplars), similarity(asked, exemplars)
                scored = _scored_by_nearest if nearest else partial(_scored_by_ridge, width=width)
                leave_out, scores = scored(among, to, own)
                yield Draw(
                    n=n,
                    unknown=unknown,
                    leave_out=leave_out,
                    score_features=ScoreFeatures.of(scores),
                    known=np.isin(numbers[asked], held),
                    right=held[scores.argmax(axis=1)] == numbers[asked],
                    untuned=data.untuned,
                )


def _scored_by_ridge(
    among: FloatArray, to: FloatArray, own: NDArray[np.intp], *, width: float | None
) -> tuple[LeaveOut, Scores]:
    ridge = Ridge(width=width).fit(among, own, int(own.max()) + 1)
    return LeaveOut.of(ridge), ridge.scores(to)


def _scored_by_nearest(
    among: FloatArray, to: FloatArray, own: NDArray[np.intp]
) -> tuple[LeaveOut, Scores]:
    found = [_nearest_first(row) for row in among]
    others = [
        (at[own[at] != number], near[own[at] != number])
        for number, (at, near) in zip(own, found, strict=True)
    ]
    leave_out = leave_out_by_nearest(own, np.arange(len(own)), found, others)
    count = int(own.max()) + 1
    asked = [nearness(own[at], near, count) for at, near in map(_nearest_first, to)]
    return leave_out, np.stack(asked)


def _nearest_first(row: FloatArray) -> Matches:
    order = np.argsort(-row, kind="stable")
    return order, row[order]


def fitted_prior(draws: Sequence[Draw]) -> Prior:
    """Curves fitted to draws, each with the same weight; known and unknown clips with half.

    Draws of untuned sets are not fitted to, unless there are no others.
    """
    draws = [draw for draw in draws if not draw.untuned] or draws
    strengths = [ScoreFeatures.of(draw.leave_out.class_out).strength for draw in draws]
    center = float(np.mean([strength.mean() for strength in strengths]))
    spread = float(np.mean([strength.std() for strength in strengths]))
    known_x, known_y, known_w, right_x, right_y, right_w = ([] for _ in range(6))
    for draw in draws:
        x = _features(draw, draw.score_features, center, spread)
        known = draw.known
        if draw.unknown:
            known_x.append(x)
            known_y.append(known)
            known_w.append(np.where(known, 0.5 / known.sum(), 0.5 / (~known).sum()))
        right_x.append(x[known])
        right_y.append(draw.right[known])
        right_w.append(np.full(known.sum(), 1 / known.sum()))
    curve = _curve(known_x, known_y, known_w)
    log_odds = [
        _features(draw, ScoreFeatures.of(draw.leave_out.class_out), center, spread)
        @ np.array(curve)
        for draw in draws
        if draw.unknown
    ]
    return Prior(
        known=curve,
        right=_curve(right_x, right_y, right_w),
        growth=_growth(draws),
        center=center,
        spread=spread,
        tail=(
            float(np.mean([one.mean() for one in log_odds])),
            float(np.sqrt(np.mean([one.var() for one in log_odds]))),
        ),
    )


def _features(
    draw: Draw, scored: ScoreFeatures, center: float, spread: float
) -> NDArray[np.float64]:
    """Features as `Calibration.of` makes them, by the exemplars of a draw and the model's own."""
    strength = ScoreFeatures.of(draw.leave_out.class_out).strength
    return features(
        scored, *blend(strength, len(strength), PRIOR_EXEMPLARS, center, spread), draw.n
    )


def _growth(draws: Sequence[Draw]) -> tuple[float, float]:
    """How known clips score relative to exemplars without themselves; see `Prior.growth`."""
    x, y = [], []
    for draw in draws:
        if draw.n > 1:
            asked = draw.score_features.strength[draw.known].mean()
            x.append((1, 1 / (draw.n - 1)))
            y.append(np.log(asked / ScoreFeatures.of(draw.leave_out.one_out).strength.mean()))
    if not x:
        return 0.0, 0.0
    always, per_other = np.linalg.lstsq(np.array(x), np.array(y), rcond=None)[0]
    return float(always), float(per_other)


def _curve(
    x: list[NDArray[np.float64]], truth: list[NDArray[np.bool_]], weight: list[NDArray[np.float64]]
) -> Curve:
    weights = np.concatenate(weight)
    fitted = LogisticRegression(C=1e3, fit_intercept=False).fit(
        np.concatenate(x), np.concatenate(truth), sample_weight=weights / weights.mean()
    )
    one, two, three, four = map(float, fitted.coef_[0])
    return one, two, three, four
