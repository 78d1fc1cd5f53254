"""Draws of classes and exemplars, and curves fitted to what they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sets import EvaluationSet
from sklearn.linear_model import LogisticRegression

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import Ridge, Scores, class_numbers
from stars_infer.classification.leave_out import LeaveOut, ScoreFeatures
from stars_infer.classification.model_calibration import (
    Prior,
    known_features,
    log_shots,
    right_features,
)
from stars_infer.evaluation.fewshot import LabeledClips, named_by
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
        score_features: Of the clips, by which they are known or not.
        named: Of the clips, by which they are named: mirror images may count.
        known: Whether their class is in the index.
        right: Whether the best class is theirs.
    """

    n: int
    unknown: bool
    leave_out: LeaveOut
    score_features: ScoreFeatures
    named: ScoreFeatures
    known: NDArray[np.bool_]
    right: NDArray[np.bool_]


def collected(
    data: EvaluationSet,
    similarity: Similarity,
    *,
    shots: Sequence[int],
    width: float | None,
    draws: int = DRAWS,
) -> Iterator[Draw]:
    """Draws for each number of shots, with half of the classes unknown and with none.

    Shots that the smallest class does not allow are left out. Clips are scored as in an index.

    Args:
        data: The set.
        similarity: Of its clips.
        shots: Numbers of exemplars a class.
        width: Of the kernel of the ridge.
        draws: Draws for each number of shots.
    """
    classes = sorted(set(data.labels))
    numbers = class_numbers(data.labels, classes)
    clips = LabeledClips(
        similarity=similarity,
        mirrored=getattr(similarity, "mirrored", None),
        labels=data.labels,
        exemplar=data.exemplar,
        query=data.query,
        width=width or 1.0,
    )
    for n in (n for n in shots if n <= data.most_shots):
        for draw in range(draws):
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
                leave_out, scores = _scored_by_ridge(among, to, own, width=width)
                among, to = named_by(clips, exemplars, asked, own)
                _, named = _scored_by_ridge(among, to, own, width=width)
                yield Draw(
                    n=n,
                    unknown=unknown,
                    leave_out=leave_out,
                    score_features=ScoreFeatures.of(scores),
                    named=ScoreFeatures.of(named),
                    known=np.isin(numbers[asked], held),
                    right=held[named.argmax(axis=1)] == numbers[asked],
                )


def _scored_by_ridge(
    among: FloatArray, to: FloatArray, own: NDArray[np.intp], *, width: float | None
) -> tuple[LeaveOut, Scores]:
    ridge = Ridge(width=width).fit(among, own, int(own.max()) + 1)
    return LeaveOut.of(ridge), ridge.scores(to)


def fitted_prior(draws: Sequence[Draw]) -> Prior:
    """Curves fitted to draws, each with the same weight; known and unknown clips with half."""
    known_x, known_y, known_w, right_x, right_y, right_w = ([] for _ in range(6))
    for draw in draws:
        known = draw.known
        if draw.unknown:
            known_x.append(known_features(draw.score_features, draw.n))
            known_y.append(known)
            known_w.append(np.where(known, 0.5 / known.sum(), 0.5 / (~known).sum()))
        right_x.append(right_features(draw.named, draw.n)[known])
        right_y.append(draw.right[known])
        right_w.append(np.full(known.sum(), 1 / known.sum()))
    one, root, shots = _curve(known_x, known_y, known_w)
    first, strength, relative, taught = _curve(right_x, right_y, right_w)
    left_out = [ScoreFeatures.of(draw.leave_out.class_out).strength for draw in draws]
    return Prior(
        known=(one, root, shots),
        right=(first, strength, relative, taught),
        growth=_growth(draws),
        spread=float(np.mean([one.std() for one in left_out])),
        tail=_tail(draws),
    )


def _tail(draws: Sequence[Draw]) -> tuple[float, float, float]:
    """How roots of the strength of unknown clips are distributed; see `Prior.tail`."""
    found = [
        (log_shots(draw.n), np.sqrt(np.maximum(draw.score_features.strength[~draw.known], 0)))
        for draw in draws
        if draw.unknown
    ]
    x = np.array([(1, shots) for shots, _ in found])
    first, per_shot = np.linalg.lstsq(x, np.array([y.mean() for _, y in found]), rcond=None)[0]
    return float(first), float(per_shot), float(np.mean([y.std() for _, y in found]))


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
) -> list[float]:
    weights = np.concatenate(weight)
    fitted = LogisticRegression(C=1e3, fit_intercept=False, max_iter=1000).fit(
        np.concatenate(x), np.concatenate(truth), sample_weight=weights / weights.mean()
    )
    return [float(weight) for weight in fitted.coef_[0]]
