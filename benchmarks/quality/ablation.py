"""The warped comparison with one choice changed at a time; no learning in any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from methods import Method
from sets import EvaluationSet

from stars_infer.classification.classifiers import Classifier, Prototypes, Ridge, Vote
from stars_infer.similarity.pairwise import DTWSimilarity, Similarity, cosine_of
from stars_infer.similarity.sequence import NORMALIZED, SequenceConfig, sequence_of

RULES: dict[str, Callable[[int], Classifier]] = {
    "majority vote": lambda n: Vote(n=n),
    "vote weighted by similarity": lambda n: Vote(n=n, temperature=SequenceConfig().temperature),
    "prototypes": lambda n: Prototypes(),
    "kernel half as wide": lambda n: Ridge(width=SequenceConfig().kernel_width / 2),
    "kernel twice as wide": lambda n: Ridge(width=SequenceConfig().kernel_width * 2),
    "a third of the noise": lambda n: Ridge(width=SequenceConfig().kernel_width, noise=0.05),
    "three times the noise": lambda n: Ridge(width=SequenceConfig().kernel_width, noise=0.45),
}


def ablation() -> Iterator[Method]:
    """Rows of the ablation, the whole comparison first."""
    whole = _warping("all of it")
    yield whole
    yield _prepared("not turned to the camera", face_camera=False)
    yield _prepared("own bone lengths", standard_body=False)
    yield _prepared("even in time (pace 0)", pace=0.0)
    yield _prepared("even in motion (pace 1)", pace=1.0)
    yield _prepared("center crop 0.9", crop=0.9)
    yield _warping("posture only", motion=0.0)
    yield _warping("half posture, half motion", motion=0.5)
    yield _warping("motion only", motion=1.0)
    yield _warping("16 steps", steps=16)
    yield _warping("64 steps", steps=64)
    for name, rule in RULES.items():
        yield replace(whole, name=name, classifier=rule)

    def unwarped(data: EvaluationSet) -> Similarity:
        sequences = [sequence_of(clip, SequenceConfig()) for clip in data.clips]
        return cosine_of(np.stack([sequence[0].ravel() for sequence in sequences]))

    yield replace(whole, name="not warped", similarity=unwarped)


def _prepared(name: str, **change: Any) -> Method:
    return _warping(name, preprocessing=replace(NORMALIZED, **change))


def _warping(name: str, **change: Any) -> Method:
    how = replace(SequenceConfig(), **change)

    @cache  # rows that differ in the classifier only share it
    def similarity(data: EvaluationSet) -> Similarity:
        return DTWSimilarity([sequence_of(clip, how) for clip in data.clips], data.exemplar)

    return Method(
        name=name, similarity=similarity, classifier=lambda n: Ridge(width=how.kernel_width)
    )
