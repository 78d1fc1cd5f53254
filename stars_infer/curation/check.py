"""What is wrong with a set of exemplars: twins, wrong labels, outliers, actions that overlap.

Everything is judged by leaving one exemplar out and asking the others, with robust statistics: the
exemplars that speak against another are those which themselves fit their action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.classification.classifiers import class_numbers
from stars_infer.curation.neighbors import Neighborhood, neighborhood
from stars_infer.similarity.features import Features

TWIN = 0.05
"""Two exemplars are one recording if what parts them is less than this share of what parts two of
one action as a rule; the closest takes of one person come to 0.04 (motion capture) and to 0.05 to
0.1 (Kinect)."""
COPY = 0.002
"""The same, as share of what parts any two: for an index in which all that is alike are copies."""
MISLABELED = 0.5
"""An exemplar is likely mislabeled if another action leads its own by more than this share of
the lead that right labels have as a rule."""
OUTLYING = 4.0
"""An outlier is so many robust deviations less like its action than is usual there."""
OVERLAP = 0.2
"""Two actions overlap if this share of their exemplars is named as the other, both ways."""
FEW = 3
"""Exemplars that an action should have."""
_ROUNDS = 3
_MAD = 1.4826  # of a normal distribution: standard deviation / median absolute deviation

Kind = Literal[
    "contradiction", "duplicate", "mislabeled", "disagreement", "outlier", "overlap", "few"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Sorts of findings, the gravest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about an index that a person should look at.

    Attributes:
        kind: Of what sort.
        positions: Exemplars that are concerned, the one to look at first.
        labels: Actions that are concerned, the exemplar's own first.
        similarity: Of twins to each other, of a mislabeled one to the nearest exemplar of the
            action that claims it, of an outlier to that of its own; None of whole actions.
        count: Exemplars that disagree or are named as the other action.
        size: Of how many.
    """

    kind: Kind
    positions: tuple[int, ...]
    labels: tuple[str, ...]
    similarity: float | None = None
    count: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """How well each of E exemplars fits its own action and the best other, left out itself.

    Attributes:
        own: Similarity to the nearest trusted exemplar of its own action, (E,); NaN if it has none.
        other: The same of the action that is nearest among the others, (E,).
        rival: Number of that action, (E,); -1 if there is none.
    """

    own: FloatArray
    other: FloatArray
    rival: NDArray[np.intp]

    @property
    def lead(self) -> FloatArray:
        """By how much the other action leads, (E,); NaN where there is nothing to compare."""
        return np.asarray(self.other - self.own)


def check(
    clip_features: Sequence[Features],
    labels: Sequence[str],
    *,
    progress: Callable[[], None] | None = None,
) -> list[Finding]:
    """Look for twins, contradictions, wrong labels, outliers, overlaps and poor actions.

    Args:
        clip_features: Of the exemplars, from `ExemplarIndex.clip_features`.
        labels: Their actions.
        progress: Called after each exemplar, for progress.

    Returns:
        Findings, the gravest first.
    """
    return findings(neighborhood(clip_features, progress=progress), labels)


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
    """Which neighbors of each exemplar are the same recording, (E, K).

    Args:
        near: Neighbors of E exemplars.
        classes: Numbers of their actions, (E,).
    """
    gaps = 1 - near.similarities
    if not gaps.size:
        return np.zeros(gaps.shape, np.bool_)
    of_one = gaps[classes[near.positions] == classes[:, None]]
    usual = float(np.median(of_one)) if of_one.size else 0.0
    return np.asarray(gaps < max(TWIN * usual, COPY * float(np.median(gaps))))


def fit_of(near: Neighborhood, classes: NDArray[np.intp], twin: BoolArray) -> Fit:
    """How exemplars fit: who fits no better elsewhere is trusted, and the others are asked again.

    Args:
        near: Neighbors of E exemplars.
        classes: Numbers of their actions, (E,).
        twin: From `twins`, (E, K); twins have no say about each other.
    """
    mine = (classes[near.positions] == classes[:, None]) & ~twin
    others = (classes[near.positions] != classes[:, None]) & ~twin
    trusted = np.ones(len(classes), np.bool_)
    for _ in range(_ROUNDS):
        own, _ = _nearest(near, mine, trusted)
        other, who = _nearest(near, others, trusted)
        if not near.exact:  # an action of which no candidate is left is far
            far = np.isnan(own) & (np.bincount(classes)[classes] > 1)
            own = np.where(far, near.similarities[:, -1], own)
        trusted = ~(other > own)
    return Fit(own=own, other=other, rival=np.where(who < 0, -1, classes[who]))


def _nearest(
    near: Neighborhood, allowed: BoolArray, trusted: BoolArray
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Similarity (E,) and place (E,) of the nearest neighbor that is allowed, trusted if any is.

    NaN and -1 where none is allowed.
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
    """Exemplars with their actions, and how they fit."""

    names: Sequence[str]
    classes: NDArray[np.intp]
    fit: Fit

    @property
    def elsewhere(self) -> BoolArray:
        """Who is nearer to another action than to its own, (E,)."""
        return np.asarray(self.fit.lead > 0)

    def crossing(self) -> NDArray[np.intp]:
        """Exemplars of each action that are nearest to each other one, (C, C)."""
        table = np.zeros((len(self.names), len(self.names)), np.intp)
        gone = self.elsewhere
        np.add.at(table, (self.classes[gone], self.fit.rival[gone]), 1)
        return table


def _twins(near: Neighborhood, twin: BoolArray, labels: Sequence[str]) -> Iterator[Finding]:
    """Every exemplar that repeats an earlier one, with the earliest; and one of each other label.

    Exemplars of an action come in the order in which they were added.
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
    """Actions of which most exemplars are nearer to other actions than to each other."""
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
    """Pairs of actions that are named as each other, both ways."""
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
    """Exemplars that another action claims, and those that lie far out in their own."""
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
    """By how much an exemplar that fits is more like its own action than like others; median."""
    leads = -fit.lead[fit.lead < 0]
    return float(np.median(leads)) if len(leads) else 0.0


def outlying(fit: Fit, classes: NDArray[np.intp]) -> BoolArray:
    """Who lies far out in its action, (E,).

    Such an exemplar is `OUTLYING` deviations less like its action than is usual there, and no more
    like it than exemplars are like other actions. Usual is the median of the action; the deviation
    is the median absolute one, of the action or of all, whichever is larger; with few exemplars it
    says little, so that the shortfall must also exceed what parts an action from others.
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
    """Actions with too few exemplars."""
    for number, name in enumerate(judged.names):
        members = np.flatnonzero(judged.classes == number).tolist()
        if len(members) < FEW:
            yield Finding(kind="few", positions=tuple(members), labels=(name,), size=len(members))
