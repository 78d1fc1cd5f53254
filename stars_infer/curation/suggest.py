"""Which unlabeled clips to label next, so that few labels name most of the others.

A clip is worth labeling if many clips are like it that no labeled one stands for: greedy facility
location (Nemhauser, Wolsey and Fisher 1978). Clips that the index cannot tell count for more.
Copies of one suggestion bring nothing new and are not suggested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import class_numbers
from stars_infer.errors import UsageError, check_range
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import between, pairwise

DOUBT = 2.0
"""A clip whose best action leads by this many times the usual gap to the nearest exemplar counts
1/e of one between two actions."""
CLOSE = 0.25
"""Two actions are both near if the better leads by less than this share of the usual gap."""
MOST = 3000
"""Clips that are compared with each other; of more, so many are drawn."""
_ASKED = 1000
"""Exemplars that tell how alike different actions are; of more, so many are drawn."""

Reason = Literal["representative", "new", "between", "variant"]
"""Why a clip is suggested: it stands for many; it is like nothing in the index; two actions are
both near; it is of an action whose exemplars are far from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A clip worth labeling.

    Attributes:
        position: Which of the clips.
        reason: Why.
        labels: Actions that it is like, nearest first: two for `between`, one for `variant`.
        similarity: To the nearest exemplar; None without an index.
        stands_for: Clips, itself among them, of which it is the nearest that is or would be
            labeled.
    """

    position: int
    reason: Reason
    labels: tuple[str, ...]
    similarity: float | None
    stands_for: int


def suggest(
    clips: Sequence[Features],
    n: int,
    *,
    exemplars: Sequence[Features] = (),
    labels: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> list[Suggestion]:
    """Choose clips to label next, the most worthwhile first.

    Every clip is compared with every other and with every exemplar, 5 microseconds a pair of
    sequences; of more than `MOST` clips, as many are drawn at random and stand for the rest.

    Args:
        clips: Without labels, from `Encoder.encode`.
        n: How many to choose; fewer are chosen if there are fewer.
        exemplars: Those of the index.
        labels: Their actions.
        seed: Of the draw.
        progress: Called after each clip that was compared, for progress; see `compared`.

    Raises:
        UsageError: If n is below 1, or exemplars and labels differ in number.
    """
    check_range("n", n, at_least=1)
    if len(exemplars) != len(labels):
        raise UsageError(
            f"expected a label for each exemplar, got {len(labels)} labels of {len(exemplars)}"
        )
    drawn = np.arange(len(clips))
    if len(clips) > MOST:
        drawn = np.sort(np.random.default_rng(seed).choice(len(clips), MOST, replace=False))
    used = [clips[int(position)] for position in drawn]
    near = between(used, exemplars, progress=progress)
    chosen = choose(pairwise(used, progress=progress), near, labels, n)
    unknown = strangeness(exemplars, labels)
    return explained(chosen, drawn, near, labels, unknown)


def compared(clips: int, exemplars: int) -> int:
    """How often `suggest` calls `progress`."""
    return min(clips, MOST) * (2 if exemplars else 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """Places of chosen clips, in order, and which of them or of the exemplars each clip is near.

    Attributes:
        positions: Of the chosen ones, (n,).
        owner: For every clip, the number of the chosen one that is nearest to it, or -1 if an
            exemplar is nearer, (N,).
    """

    positions: NDArray[np.intp]
    owner: NDArray[np.intp]


def choose(table: FloatArray, near: FloatArray, labels: Sequence[str], n: int) -> Chosen:
    """Greedy facility location over clips, those in doubt counting for more.

    The first brings most; each next brings most beside those before it.

    Args:
        table: Similarity of all clips to each other, (N, N).
        near: Similarity of the clips to the exemplars, (N, E).
        labels: Actions of the exemplars, (E,).
        n: How many to choose.
    """
    size = len(table)
    # Without exemplars anything is covered alike: the first is the medoid.
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
    """How unsure the index is of each clip, (N,), 1 where two actions are equally near.

    exp(-margin / (`DOUBT` g)), for the lead of the best action and the mean gap g between a clip
    and its nearest exemplar. 1 for all where there are not two actions.
    """
    if len(set(labels)) < 2 or not len(near):
        return np.ones(len(near), np.float32)
    best = np.sort(_by_action(near, labels), axis=1)
    gap = max(float(np.mean(1 - best[:, -1])), 1e-6)
    return np.asarray(np.exp(-(best[:, -1] - best[:, -2]) / (DOUBT * gap)))


def strangeness(exemplars: Sequence[Features], labels: Sequence[str]) -> float | None:
    """`strangeness_of` the exemplars of an index; of a large one, of `_ASKED` drawn."""
    drawn = np.arange(len(exemplars))
    if len(drawn) > _ASKED:
        drawn = np.random.default_rng(0).choice(drawn, _ASKED, replace=False)
    used = [exemplars[int(position)] for position in drawn]
    return strangeness_of(pairwise(used), [labels[int(position)] for position in drawn])


def strangeness_of(table: FloatArray, labels: Sequence[str]) -> float | None:
    """Similarity below which a clip is like nothing in an index; None for fewer than two actions.

    It is the usual similarity of an exemplar to the nearest one of another action.

    Args:
        table: Similarity of exemplars to each other, (E, E).
        labels: Their actions.
    """
    if len(set(labels)) < 2:
        return None
    names = np.array(labels)
    others = np.where(names[:, None] == names, -np.inf, table)
    return float(np.median(others.max(axis=1)))


def explained(
    chosen: Chosen,
    drawn: NDArray[np.intp],
    near: FloatArray,
    labels: Sequence[str],
    unknown: float | None,
) -> list[Suggestion]:
    """Say of chosen clips why they are worth labeling.

    Args:
        chosen: From `choose`.
        drawn: Of which of the caller's clips the compared ones are, (N,).
        near: Similarity of the compared clips to the exemplars, (N, E).
        labels: Actions of the exemplars.
        unknown: From `strangeness`.
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
        elif unknown is not None and similarity < unknown:
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
    """Similarity of clips to the nearest exemplar of each action, (N, C)."""
    names = sorted(set(labels))
    classes = class_numbers(labels, names)
    if not names:
        return np.zeros((len(near), 0), np.float32)
    return np.stack(
        [near[:, classes == number].max(axis=1) for number in range(len(names))], axis=1
    )
