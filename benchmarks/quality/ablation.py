"""The warped comparison with one choice changed at a time; no learning in any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from methods import Method
from sets import EvaluationSet

from stars_infer.likeness import Likeness, WarpedLikeness, cosine_of
from stars_infer.motion import NORMALISED, Comparison, sequence_of


def ablation() -> Iterator[Method]:
    """Rows of the ablation, the whole comparison first."""
    yield _warping("all of it")
    yield _prepared("not turned to the camera", face_camera=False)
    yield _prepared("own bone lengths", standard_body=False)
    yield _prepared("even in time (pace 0)", pace=0.0)
    yield _prepared("even in motion (pace 1)", pace=1.0)
    yield _prepared("centre crop 0.9", crop=0.9)
    yield _warping("posture only", motion=0.0)
    yield _warping("half posture, half motion", motion=0.5)
    yield _warping("motion only", motion=1.0)
    yield _warping("16 steps", steps=16)
    yield _warping("64 steps", steps=64)
    yield replace(_warping("majority vote"), temperature=None)
    yield _warping("temperature 0.01", temperature=0.01)
    yield _warping("temperature 0.05", temperature=0.05)

    def unwarped(data: EvaluationSet) -> Likeness:
        sequences = [sequence_of(clip, Comparison()) for clip in data.clips]
        return cosine_of(np.stack([sequence[0].ravel() for sequence in sequences]))

    yield Method(name="not warped", likeness=unwarped, temperature=Comparison().temperature)


def _prepared(name: str, **change: Any) -> Method:
    return _warping(name, preprocessing=replace(NORMALISED, **change))


def _warping(name: str, **change: Any) -> Method:
    how = replace(Comparison(), **change)

    def likeness(data: EvaluationSet) -> Likeness:
        return WarpedLikeness([sequence_of(clip, how) for clip in data.clips], data.exemplar)

    return Method(name=name, likeness=likeness, temperature=how.temperature)
