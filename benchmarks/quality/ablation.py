"""The warped comparison with one choice changed at a time; no learning in any of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from methods import Method
from sets import EvaluationSet

from stars_infer.clip import Clip, FloatArray
from stars_infer.fewshot import Likeness, WarpedLikeness, cosine_of
from stars_infer.motion import Comparison, motion_sequence
from stars_infer.preparation import Preprocessing, prepare


def ablation() -> Iterator[Method]:
    """Rows of the ablation, the whole comparison first."""
    usual = {"frames": 64, "crop": 1.0, "face_camera": True, "standard_body": True, "pace": 0.5}
    yield _warping("all of it", usual, {})
    yield _warping("not turned to the camera", {**usual, "face_camera": False}, {})
    yield _warping("own bone lengths", {**usual, "standard_body": False}, {})
    yield _warping("even in time (pace 0)", {**usual, "pace": 0.0}, {})
    yield _warping("even in motion (pace 1)", {**usual, "pace": 1.0}, {})
    yield _warping("centre crop 0.9", {**usual, "crop": 0.9}, {})
    yield _warping("posture only", usual, {"motion": 0.0})
    yield _warping("half posture, half motion", usual, {"motion": 0.5})
    yield _warping("motion only", usual, {"motion": 1.0})
    yield _warping("16 steps", usual, {"steps": 16})
    yield _warping("64 steps", usual, {"steps": 64})
    yield _warping("majority vote", usual, {}, majority=True)
    yield _warping("temperature 0.01", usual, {"temperature": 0.01})
    yield _warping("temperature 0.05", usual, {"temperature": 0.05})

    def unwarped(data: EvaluationSet) -> Likeness:
        sequences = _sequences(data.clips, Preprocessing(**usual), Comparison())
        return cosine_of(np.stack([sequence[0].ravel() for sequence in sequences]))

    yield Method(name="not warped", likeness=unwarped, temperature=Comparison().temperature)


def _warping(
    name: str,
    preparation: dict[str, float],
    comparison: dict[str, float],
    *,
    majority: bool = False,
) -> Method:
    how = Comparison(**comparison)  # type: ignore[arg-type]

    def likeness(data: EvaluationSet) -> Likeness:
        sequences = _sequences(data.clips, Preprocessing(**preparation), how)  # type: ignore[arg-type]
        return WarpedLikeness(sequences, data.exemplar)

    return Method(name=name, likeness=likeness, temperature=None if majority else how.temperature)


def _sequences(clips: list[Clip], how: Preprocessing, compared: Comparison) -> list[FloatArray]:
    return [motion_sequence(prepare(clip, how), compared) for clip in clips]
