"""What is wrong with a set of exemplars: duplicates, wrong labels, outliers, overlapping actions.

Each exemplar is left out in turn and compared with the others. Statistics are robust: an exemplar
is only judged by exemplars which themselves fit their action.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.classification.classifiers import class_numbers
from stars_infer.curation.neighbors import Neighborhood, neighborhood
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features

TWIN = 0.05
"""Two exemplars are the same recording if their distance, 1 - similarity, is less than this share
of the usual distance within an action. The closest takes of one person come to 0.04 with motion
capture, and to 0.05 to 0.1 with a Kinect."""
COPY = 0.002
"""The same as a share of the usual distance between any two exemplars, for an index in which the
only similar exemplars are copies."""
MISLABELED = 0.5
"""An exemplar is probably mislabeled if another action leads over its own by more than this share
of the usual lead of a right label."""
OUTLYING = 4.0
"""An outlier is less similar to its action than usual by so many robust standard deviations."""
OVERLAP = 0.2
"""Two actions overlap if this share of their exemplars is nearer to the other action."""
FEW = 3
"""An action with fewer exemplars than this is reported."""
_ROUNDS = 3
_MAD = 1.4826  # of a normal distribution: standard deviation / median absolute deviation

Kind = Literal[
    "contradiction", "duplicate", "mislabeled", "disagreement", "outlier", "overlap", "few"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds of findings, the most serious first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in a set of exemplars that a person should look at.

    Attributes:
        kind: The kind of finding.
        positions: Positions of the exemplars concerned, starting with the one to look at.
        labels: The actions concerned, starting with that of the exemplar.
        similarity: For duplicates and contradictions, the similarity of the two; for a mislabeled
            exemplar, that to the nearest exemplar of the other action; for an outlier, that to the
            nearest exemplar of its own. None for findings about whole actions.
        count: For findings about whole actions, the number of exemplars nearer to another action.
        size: The number of exemplars of these actions.
    """

    kind: Kind
    positions: tuple[int, ...]
    labels: tuple[str, ...]
    similarity: float | None = None
    count: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """How well each of E exemplars fits its own action and the nearest other action.

    Attributes:
        own: Similarity to the nearest trusted exemplar of its own action, (E,); NaN without one.
        other: Similarity to the nearest trusted exemplar of any other action, (E,); NaN without
            one.
        rival: Class number of that other action, (E,); -1 without one.
    """

    own: FloatArray
    other: FloatArray
    rival: NDArray[np.intp]

    @property
    def lead(self) -> FloatArray:
        """How much nearer the other action is than its own, (E,); NaN where one is missing."""
        return np.asarray(self.other - self.own)


def check(
    clip_features: Sequence[Features],
    labels: Sequence[str],
    *,
    how: SequenceConfig | None = None,
    progress: ReportProgress | None = None,
) -> list[Finding]:
    """Look for duplicates, contradictions, wrong labels, outliers, overlaps and small actions.

    Args:
        clip_features: Features of the exemplars, from `ExemplarIndex.features`.
        labels: The action of each exemplar.
        how: How the model compares sequences, `ModelInfo.comparison`; None if it compares vectors.
        progress: Called with the number of exemplars that were compared, and of all.

    Returns:
        The findings, the most serious first.
    """
    total, done = len(clip_features), count(1)
    step = None if progress is None else lambda: progress(next(done), total)
    how = None if how is None else how.in_any_direction()
    return findings(neighborhood(clip_features, how, progress=step), labels)


def findings(near: Neighborhood, labels: Sequence[str]) -> list[Finding]:
    """`check`, of exemplars whose neighbors are known."""
    names = sorted(set(labels))
    classes = class_numbers(labels, names)
    twin = twins(near, classes)
    judged = _Judged(names=names, classes=classes, fit=fit_of(near, classes, twin))
    found = [*_twins(near, twin, labels), *_disagreements(judged), *_overlaps(judged)]
    told = {position for one in found if one.kind == "disagreement" for position in one.positions}
    found += [one for one in _misfits(judged) if one.positions[0] not in told]
    found += _poor(judged)
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.labels, one.positions))


def twins(near: Neighborhood, classes: NDArray[np.intp]) -> BoolArray:
    """Which neighbors of each exemplar are the same recording as it, (E, K).

    Args:
        near: The neighbors of E exemplars.
        classes: The class number of each exemplar, (E,).
    """
    gaps = 1 - near.similarities
    if not gaps.size:
        return np.zeros(gaps.shape, np.bool_)
    of_one = gaps[classes[near.positions] == classes[:, None]]
    usual = float(np.median(of_one)) if of_one.size else 0.0
    return np.asarray(gaps < max(TWIN * usual, COPY * float(np.median(gaps))))


def fit_of(near: Neighborhood, classes: NDArray[np.intp], twin: BoolArray) -> Fit:
    """How well exemplars fit their own action and the nearest other one.

    An exemplar is trusted unless it is nearer to another action than to its own. All exemplars are
    then judged once more, by the trusted ones only.

    Args:
        near: The neighbors of E exemplars.
        classes: The class number of each exemplar, (E,).
        twin: From `twins`, (E, K); the same recording does not count as a neighbor.
    """
    mine = (classes[near.positions] == classes[:, None]) & ~twin
    others = (classes[near.positions] != classes[:, None]) & ~twin
    trusted = np.ones(len(classes), np.bool_)
    for _ in range(_ROUNDS):
        own, _ = _nearest(near, mine, trusted)
        other, who = _nearest(near, others, trusted)
        if not near.exact:  # an action of which there is no neighbor is far away
            far = np.isnan(own) & (np.bincount(classes)[classes] > 1)
            own = np.where(far, near.similarities[:, -1], own)
        trusted = ~(other > own)
    return Fit(own=own, other=other, rival=np.where(who < 0, -1, classes[who]))


def _nearest(
    near: Neighborhood, allowed: BoolArray, trusted: BoolArray
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Similarity (E,) and position (E,) of the nearest neighbor that is allowed.

    If any of the allowed neighbors is trusted, only those count. NaN and -1 where none is allowed.
    """
    size, others = near.positions.shape
    if not others:
        return np.full(size, np.nan, np.float32), np.full(size, -1)
    believed = allowed & trusted[near.positions]
    usable = np.where(believed.any(axis=1, keepdims=True), believed, allowed)
    first, rows = usable.argmax(axis=1), np.arange(size)
    there = usable[rows, first]
    return (
        np.where(there, near.similarities[rows, first], np.float32(np.nan)),
        np.where(there, near.positions[rows, first], -1),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Judged:
    """Exemplars, their actions, and how well they fit them."""

    names: Sequence[str]
    classes: NDArray[np.intp]
    fit: Fit

    @property
    def elsewhere(self) -> BoolArray:
        """Which exemplars are nearer to another action than to their own, (E,)."""
        return np.asarray(self.fit.lead > 0)

    def crossing(self) -> NDArray[np.intp]:
        """How many exemplars of one action are nearer to the other, for all pairs, (C, C)."""
        table = np.zeros((len(self.names), len(self.names)), np.intp)
        gone = self.elsewhere
        np.add.at(table, (self.classes[gone], self.fit.rival[gone]), 1)
        return table


def _twins(near: Neighborhood, twin: BoolArray, labels: Sequence[str]) -> Iterator[Finding]:
    """Every exemplar that repeats earlier ones, with the first of them for each label.

    The exemplars of an action are in the order in which they were added.
    """
    for position, same in enumerate(twin):
        found, alike = near.positions[position][same], near.similarities[position][same]
        similarity = dict(zip(found.tolist(), alike.tolist(), strict=True))
        before = sorted(other for other in similarity if other < position)
        for label in sorted({labels[other] for other in before}):
            first = next(other for other in before if labels[other] == label)
            equal = label == labels[position]
            yield Finding(
                kind="duplicate" if equal else "contradiction",
                positions=(position, first),
                labels=(label,) if equal else (labels[position], label),
                similarity=similarity[first],
            )


def _disagreements(judged: _Judged) -> Iterator[Finding]:
    """Actions most of whose exemplars are nearer to other actions than to each other."""
    for number, name in enumerate(judged.names):
        members = np.flatnonzero(judged.classes == number)
        gone = members[judged.elsewhere[members]]
        if len(gone) > max(1, len(members) / 2):
            yield Finding(
                kind="disagreement",
                positions=tuple(gone.tolist()),
                labels=(name,),
                count=len(gone),
                size=len(members),
            )


def _overlaps(judged: _Judged) -> Iterator[Finding]:
    """Pairs of actions of which each has exemplars that are nearer to the other."""
    crossing, sizes = judged.crossing(), np.bincount(judged.classes)
    for one, two in np.argwhere(np.triu(np.minimum(crossing, crossing.T), 1) > 0):
        count, size = int(crossing[one, two] + crossing[two, one]), int(sizes[one] + sizes[two])
        if count < OVERLAP * size:
            continue
        pair = {int(one), int(two)}
        gone = [
            int(position)
            for position in np.flatnonzero(judged.elsewhere)
            if {int(judged.classes[position]), int(judged.fit.rival[position])} == pair
        ]
        yield Finding(
            kind="overlap",
            positions=tuple(gone),
            labels=(judged.names[one], judged.names[two]),
            count=count,
            size=size,
        )


def _misfits(judged: _Judged) -> Iterator[Finding]:
    """Exemplars that are probably of another action, and outliers of their own."""
    fit, classes = judged.fit, judged.classes
    claimed = fit.lead > MISLABELED * _usual_lead(fit)
    far = outlying(fit, classes) & ~claimed
    for position in np.flatnonzero(claimed | far):
        own, rival = judged.names[classes[position]], judged.names[fit.rival[position]]
        yield Finding(
            kind="mislabeled" if claimed[position] else "outlier",
            positions=(int(position),),
            labels=(own, rival) if claimed[position] else (own,),
            similarity=float((fit.other if claimed[position] else fit.own)[position]),
        )


def _usual_lead(fit: Fit) -> float:
    """Median of how much more similar an exemplar that fits is to its own action than to others."""
    leads = -fit.lead[fit.lead < 0]
    return float(np.median(leads)) if len(leads) else 0.0


def outlying(fit: Fit, classes: NDArray[np.intp]) -> BoolArray:
    """Which exemplars are outliers of their action, (E,).

    An outlier meets three conditions. It is less similar to its action than the median of that
    action, by `OUTLYING` robust standard deviations (from the median absolute deviation of the
    action or of all exemplars, whichever is larger). It is no more similar to its action than
    exemplars are to other actions. And since the deviation of a few exemplars says little, it falls
    short of the median by more than the usual lead of an action over others.

    Args:
        fit: How well the exemplars fit.
        classes: The class number of each exemplar, (E,).
    """
    known = ~np.isnan(fit.own)
    gaps, spreads = np.zeros((2, len(classes)))
    for number in np.unique(classes[known]):
        members = known & (classes == number)
        gaps[members] = np.median(fit.own[members]) - fit.own[members]
        spreads[members] = np.median(np.abs(gaps[members]))
    fitting = fit.lead <= 0
    if not fitting.any():
        return np.zeros(len(classes), np.bool_)
    unknown = known & (fit.own < np.median(fit.other[fitting]))
    spread = _MAD * np.maximum(spreads, np.median(np.abs(gaps[known])))
    return np.asarray(unknown & (gaps > np.maximum(OUTLYING * spread, _usual_lead(fit))))


def _poor(judged: _Judged) -> Iterator[Finding]:
    """Actions with fewer than `FEW` exemplars."""
    for number, name in enumerate(judged.names):
        members = np.flatnonzero(judged.classes == number).tolist()
        if len(members) < FEW:
            yield Finding(kind="few", positions=tuple(members), labels=(name,), size=len(members))
