"""Which unlabeled clips to label next, so that a few labels help with most of the others.

A clip is worth labeling if it is similar to many clips to which no labeled clip is similar. The
clips are chosen one by one by greedy facility location (Nemhauser, Wolsey and Fisher, "An analysis
of approximations for maximizing submodular set functions", 1978), in which clips that the index
cannot tell count for more. Copies of a chosen clip add nothing and are not chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import class_numbers
from stars_infer.classification.prediction import Prediction
from stars_infer.errors import UsageError, check_range
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import between, pairwise

DOUBT = 2.0
"""A clip counts 1/e of one that lies between two actions if its best action leads by this many
times the usual distance to the nearest exemplar."""
CLOSE = 0.25
"""Two actions are both near if the better one leads by less than this share of that distance."""
MAX_CLIPS = 3000
"""Most clips that are compared with each other; of more, as many are drawn at random."""
_SAMPLED = 1000
"""Exemplars that show how similar different actions are; of more, as many are drawn at random."""

Reason = Literal["representative", "new", "between", "variant"]
"""Why a clip is suggested: it is similar to many others; it is similar to nothing in the index; it
lies between two actions; it probably is of an action whose exemplars look different."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A clip worth labeling.

    Attributes:
        position: Position of the clip among those given.
        reason: Why it is suggested.
        labels: The actions that it is similar to, nearest first: two for `between`, one for
            `variant`, none otherwise.
        similarity: Similarity to the nearest exemplar; None without an index.
        stands_for: Number of clips, itself among them, for which it would be the most similar
            labeled clip.
    """

    position: int
    reason: Reason
    labels: tuple[str, ...]
    similarity: float | None
    stands_for: int


def suggest(
    clips: Sequence[Features],
    n: int = 10,
    *,
    exemplars: Sequence[Features] = (),
    labels: Sequence[str] = (),
    how: SequenceConfig | None = None,
    seed: int = 0,
    progress: ReportProgress | None = None,
) -> list[Suggestion]:
    """Choose clips to label next, the most useful first.

    Every clip is compared with every other clip and with every exemplar, which takes about 10
    microseconds for a pair of sequences. Of more than `MAX_CLIPS` clips, as many are drawn at
    random to represent the others.

    Args:
        clips: Features of the unlabeled clips, from `Encoder.encode`.
        n: Number of clips to choose; if there are fewer, all are chosen.
        exemplars: Features of the exemplars in the index.
        labels: The action of each exemplar.
        how: How the model compares sequences, `ModelInfo.comparison`; None if it compares vectors.
        seed: Seed of the random draw.
        progress: Called with the number of comparisons of one clip that are done, and of all.

    Raises:
        UsageError: If n is below 1, or exemplars and labels differ in number.
    """
    check_range("n", n, at_least=1)
    if len(exemplars) != len(labels):
        raise UsageError(
            f"expected a label for each example, got {len(labels)} labels of {len(exemplars)}"
        )
    drawn = np.arange(len(clips))
    if len(clips) > MAX_CLIPS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(clips), MAX_CLIPS, replace=False))
    used = [clips[int(position)] for position in drawn]
    total, done = len(used) * (2 if exemplars else 1), count(1)
    step = None if progress is None else lambda: progress(next(done), total)
    near = between(used, exemplars, how, progress=step)
    chosen = choose(pairwise(used, how, progress=step), near, labels, n)
    threshold = _novelty_threshold_of(exemplars, labels, how)
    return explain_choices(chosen, drawn, near, labels, threshold)


def as_named(suggestions: Sequence[Suggestion], answers: Sequence[Prediction]) -> list[Suggestion]:
    """Call those clips new that an index calls unknown, and no others.

    A clip that lies far from all examples, but that the index names, probably is of that action.

    Args:
        suggestions: From `suggest`, with the exemplars of the index.
        answers: What the index says of each of these clips, asked alone.
    """
    result = []
    for one, answer in zip(suggestions, answers, strict=True):
        reason, labels = one.reason, one.labels
        if not answer.known:
            reason, labels = "new", ()
        elif reason == "new":
            reason, labels = "variant", (answer.label,)
        result.append(replace(one, reason=reason, labels=labels))
    return result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """The n clips chosen among N, and the chosen clip that each of the N is most similar to.

    Attributes:
        positions: Positions of the chosen clips, in the order of choice, (n,).
        owner: For every clip, which of the chosen clips it is most similar to, as a position in
            `positions`; -1 if it is more similar to an exemplar, (N,).
    """

    positions: NDArray[np.intp]
    owner: NDArray[np.intp]


def choose(table: FloatArray, near: FloatArray, labels: Sequence[str], n: int) -> Chosen:
    """Choose clips by greedy facility location, in which clips in doubt count for more.

    Each step takes the clip that raises the similarity of all clips to the nearest chosen clip or
    exemplar most.

    Args:
        table: Similarity of every clip to every other, (N, N).
        near: Similarity of every clip to every exemplar, (N, E).
        labels: The action of each exemplar, (E,).
        n: Number of clips to choose.
    """
    size = len(table)
    # Without exemplars all clips are equally far from the index, so that the first is the medoid.
    covered = near.max(axis=1) if near.shape[1] else np.full(size, float(table.min(initial=1.0)))
    weight = doubt(near, labels)
    owner = np.full(size, -1)
    free = np.ones(size, np.bool_)
    positions = []
    for number in range(min(n, size)):
        gains = weight @ np.maximum(table - covered[:, None], 0)
        position = int(np.argmax(np.where(free, gains, -1.0)))
        positions.append(position)
        free[position] = False
        nearer = table[:, position] > covered
        owner[nearer] = number
        owner[position] = number
        covered = np.maximum(covered, table[:, position])
    return Chosen(positions=np.array(positions, np.intp), owner=owner)


def doubt(near: FloatArray, labels: Sequence[str]) -> FloatArray:
    """How unsure the index is of each clip, from 0 to 1, (N,).

    This is exp(-margin / (`DOUBT` g)), where the margin is the lead of the best action over the
    second, and g is the mean distance, 1 - similarity, of a clip from its nearest exemplar. It is 1
    where two actions are equally near, and for all clips if there are fewer than two actions.

    Args:
        near: Similarity of every clip to every exemplar, (N, E).
        labels: The action of each exemplar, (E,).
    """
    if len(set(labels)) < 2 or not len(near):
        return np.ones(len(near), np.float32)
    best = np.sort(_by_action(near, labels), axis=1)
    gap = max(float(np.mean(1 - best[:, -1])), 1e-6)
    return np.asarray(np.exp(-(best[:, -1] - best[:, -2]) / (DOUBT * gap)))


def _novelty_threshold_of(
    exemplars: Sequence[Features], labels: Sequence[str], how: SequenceConfig | None
) -> float | None:
    """The threshold of the exemplars, or of `_SAMPLED` that are drawn from a large index."""
    drawn = np.arange(len(exemplars))
    if len(drawn) > _SAMPLED:
        drawn = np.random.default_rng(0).choice(drawn, _SAMPLED, replace=False)
    used = [exemplars[int(position)] for position in drawn]
    return novelty_threshold(pairwise(used, how), [labels[int(position)] for position in drawn])


def novelty_threshold(table: FloatArray, labels: Sequence[str]) -> float | None:
    """Similarity to the nearest exemplar below which a clip is taken for a new action.

    This is the median similarity of an exemplar to the nearest exemplar of another action; None if
    there are fewer than two actions.

    Args:
        table: Similarity of every exemplar to every other, (E, E).
        labels: The action of each exemplar, (E,).
    """
    if len(set(labels)) < 2:
        return None
    names = np.array(labels)
    others = np.where(names[:, None] == names, -np.inf, table)
    return float(np.median(others.max(axis=1)))


def explain_choices(
    chosen: Chosen,
    drawn: NDArray[np.intp],
    near: FloatArray,
    labels: Sequence[str],
    threshold: float | None,
) -> list[Suggestion]:
    """Say of each chosen clip why it is worth labeling.

    Args:
        chosen: The choice, from `choose`.
        drawn: Positions of the N clips among those of the caller, (N,).
        near: Similarity of the N clips to every exemplar, (N, E).
        labels: The action of each exemplar, (E,).
        threshold: From `novelty_threshold`.
    """
    names = sorted(set(labels))
    usual = float(np.mean(1 - near.max(axis=1))) if near.size else 0.0
    best = _by_action(near, labels)
    result = []
    for number, position in enumerate(chosen.positions):
        order = np.argsort(-best[position], kind="stable")
        like = [names[int(at)] for at in order[:2]]
        similarity = float(best[position][order[0]]) if names else None
        reason: Reason = "variant"
        if similarity is None:
            reason = "representative"
        elif threshold is not None and similarity < threshold:
            reason = "new"
        elif len(names) > 1 and similarity - best[position][order[1]] < CLOSE * usual:
            reason = "between"
        shown = {"between": 2, "variant": 1}.get(reason, 0)
        result.append(
            Suggestion(
                position=int(drawn[position]),
                reason=reason,
                labels=tuple(like[:shown]),
                similarity=similarity,
                stands_for=int((chosen.owner == number).sum()),
            )
        )
    return result


def _by_action(near: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Similarity of every clip to the nearest exemplar of each action, (N, C)."""
    names = sorted(set(labels))
    classes = class_numbers(labels, names)
    if not names:
        return np.zeros((len(near), 0), np.float32)
    return np.stack(
        [near[:, classes == number].max(axis=1) for number in range(len(names))], axis=1
    )
