"""The comparison with one choice changed at a time; no learning in any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from methods import Method
from sets import EvaluationSet

from stars_infer.classification.classifiers import Classifier, Prototypes, Ridge, Vote
from stars_infer.classification.mirroring import AUTO, OFF, ON
from stars_infer.similarity.comparison import (
    DEVIATION,
    FIRST,
    LAST,
    MIDDLE,
    NORMALIZED,
    UNTURNED,
    Kernel,
    SequenceConfig,
)
from stars_infer.similarity.pairwise import DTWSimilarity, Similarity, cosine_of
from stars_infer.similarity.sequence import sequence_of

HOW = SequenceConfig()
HALVES = (FIRST, LAST, MIDDLE)
RULES: dict[str, Callable[[int], Classifier]] = {
    "majority vote": lambda n: Vote(n=n),
    "vote weighted by similarity": lambda n: Vote(n=n, temperature=HOW.temperature),
    "prototypes": lambda n: Prototypes(),
    "a third of the noise": lambda n: Ridge(width=HOW.kernel_width, noise=0.05),
    "three times the noise": lambda n: Ridge(width=HOW.kernel_width, noise=0.45),
}


def ablation() -> Iterator[Method]:
    """Rows of the ablation, the whole comparison first."""
    whole = _compared("all of it")
    yield whole
    yield replace(whole, name="mirror images never count", mirror=OFF)
    yield replace(whole, name="mirror images always count", mirror=ON)
    yield _compared(
        "with the whole clip, posture, motion and path", kernels=(HOW.mirror, *HOW.kernels)
    )
    yield _kernels("without what is as recorded", lambda one: one.content != UNTURNED)
    yield _kernels("without the deviation", lambda one: one.content != DEVIATION)
    yield _kernels("without the middle half", lambda one: MIDDLE not in (one.clip, one.exemplar))
    yield _kernels("without any halves", lambda one: not {one.clip, one.exemplar} & {*HALVES})
    yield _compared("the whole clip only, posture, motion and path", kernels=(HOW.mirror,))
    yield _compared("kernels two thirds as wide", kernels=_scaled(2 / 3))
    yield _compared("kernels one and a half times as wide", kernels=_scaled(1.5))
    yield _prepared("own bone lengths", standard_body=False)
    yield _prepared("even in time (pace 0)", pace=0.0)
    yield _prepared("even in motion (pace 1)", pace=1.0)
    yield _prepared("center crop 0.9", crop=0.9)
    yield _compared("16 steps", steps=16)
    yield _compared("64 steps", steps=64)
    for name, rule in RULES.items():
        yield replace(whole, name=name, classifier=rule)

    def unwarped(data: EvaluationSet) -> Similarity:
        sequences = [sequence_of(clip, HOW) for clip in data.clips]
        return cosine_of(np.stack([sequence[0].ravel() for sequence in sequences]))

    yield replace(whole, name="not warped", similarity=unwarped)


def _kernels(name: str, keep: Callable[[Kernel], bool]) -> Method:
    return _compared(name, kernels=tuple(one for one in HOW.kernels if keep(one)))


def _scaled(factor: float) -> tuple[Kernel, ...]:
    return tuple(replace(one, width=factor * one.width) for one in HOW.kernels)


def _prepared(name: str, **change: Any) -> Method:
    return _compared(name, preprocessing=replace(NORMALIZED, **change))


def _compared(name: str, **change: Any) -> Method:
    how = replace(HOW, **change)

    @cache  # rows that differ in the classifier only share it
    def similarity(data: EvaluationSet) -> Similarity:
        sequences = [sequence_of(clip, how) for clip in data.clips]
        return DTWSimilarity(sequences, data.exemplar, how)

    return Method(
        name=name,
        similarity=similarity,
        classifier=lambda n: Ridge(width=how.kernel_width),
        mirror=AUTO,
        width=how.kernel_width,
    )
