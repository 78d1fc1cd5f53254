"""Draws of classes and exemplars, and curves fitted to what they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sets import EvaluationSet
from sklearn.linear_model import LogisticRegression

from stars_infer.classification.calibration import LeaveOut, Prior, ScoreFeatures, features
from stars_infer.classification.classifiers import Ridge, class_numbers
from stars_infer.similarity.pairwise import Similarity

DRAWS = 10


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
    data: EvaluationSet, similarity: Similarity, *, shots: Sequence[int], width: float | None
) -> Iterator[Draw]:
    """Ten draws for each number of shots, with half of the classes unknown and with none.

    Shots that the smallest class does not allow are left out.
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
                ridge = Ridge(width=width).fit(similarity(exemplars, exemplars), own, len(held))
                scores = ridge.scores(similarity(asked, exemplars))
                yield Draw(
                    n=n,
                    unknown=unknown,
                    leave_out=LeaveOut.of(ridge),
                    score_features=ScoreFeatures.of(scores),
                    known=np.isin(numbers[asked], held),
                    right=held[scores.argmax(axis=1)] == numbers[asked],
                    untuned=data.untuned,
                )


def fitted_prior(draws: Sequence[Draw]) -> Prior:
    """Curves fitted to draws, each with the same weight; known and unknown clips with half.

    Draws of untuned sets are not fitted to, unless there are no others.
    """
    known_x, known_y, known_w, right_x, right_y, right_w, positions = ([] for _ in range(7))
    for draw in [draw for draw in draws if not draw.untuned] or draws:
        strength = ScoreFeatures.of(draw.leave_out.class_out).strength
        x = features(draw.score_features, strength.mean(), strength.std())
        positions.append((strength.mean(), strength.std()))
        known = draw.known
        if draw.unknown:
            known_x.append(x)
            known_y.append(known)
            known_w.append(np.where(known, 0.5 / known.sum(), 0.5 / (~known).sum()))
        right_x.append(x[known])
        right_y.append(draw.right[known])
        right_w.append(np.full(known.sum(), 1 / known.sum()))
    center, spread = np.mean(positions, axis=0)
    return Prior(
        known=_curve(known_x, known_y, known_w),
        right=_curve(right_x, right_y, right_w),
        center=float(center),
        spread=float(spread),
    )


def _curve(
    x: list[NDArray[np.float64]], truth: list[NDArray[np.bool_]], weight: list[NDArray[np.float64]]
) -> tuple[float, float, float]:
    weights = np.concatenate(weight)
    fitted = LogisticRegression(C=1e3).fit(
        np.concatenate(x)[:, 1:],
        np.concatenate(truth),
        sample_weight=weights / weights.mean(),
    )
    strength, margin = fitted.coef_[0]
    return float(fitted.intercept_[0]), float(strength), float(margin)
