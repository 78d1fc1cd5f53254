"""What is compared: ways to say how alike clips are, with and without learning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sets import EvaluationSet

from stars_infer.clip import Clip, FloatArray
from stars_infer.encoder import Encoder
from stars_infer.fewshot import LabelledClips, Likeness, WarpedLikeness, cosine_of, likeness_of
from stars_infer.motion import JOINTS, Comparison, motion_sequence
from stars_infer.preparation import Preprocessing, prepare
from stars_infer.train.checkpoint import FILE
from stars_infer.train.protocols.encoders import load_encoder

PLAIN = Preprocessing(frames=30, crop=1.0)
"""Resampled joints, nothing else."""
OURS = Preprocessing(frames=64, crop=1.0, face_camera=True, standard_body=True, pace=0.5)
"""What the shipped models ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of the table.

    Attributes:
        name: Of the row.
        likeness: Makes the likeness of a set's clips.
        temperature: Of the vote; None for the papers' majority.
    """

    name: str
    likeness: Callable[[EvaluationSet], Likeness]
    temperature: float | None = None

    def on(self, data: EvaluationSet) -> LabelledClips:
        """A set as this method sees it."""
        return LabelledClips(
            likeness=self.likeness(data),
            labels=data.labels,
            exemplar=data.exemplar,
            query=data.query,
            temperature=self.temperature,
        )


def baselines() -> Iterator[Method]:
    """What needs no learning: hip-centred resampled joints, compared as they are or warped."""

    def joints(data: EvaluationSet) -> FloatArray:
        prepared = np.stack([prepare(clip, PLAIN)[0] for clip in data.clips])
        return (prepared - prepared[:, :, :1])[:, :, JOINTS].reshape(len(prepared), 30, -1)

    def cosine(data: EvaluationSet) -> Likeness:
        return cosine_of(joints(data).reshape(len(data.clips), -1))

    def warped(data: EvaluationSet) -> Likeness:
        from aeon.distances import dtw_pairwise_distance  # squared Euclidean costs

        series = joints(data).transpose(0, 2, 1).astype(np.float64)
        places = np.arange(len(series))
        table = _Table(places[data.query], places[data.exemplar], len(series))
        return table.holding(
            -dtw_pairwise_distance(series[data.query], series[data.exemplar]).astype(np.float32)
        )

    yield Method(name="no learning: cosine of resampled joints", likeness=cosine)
    yield Method(name="no learning: dynamic time warping of them", likeness=warped)


def of_model(model: str) -> Iterator[Method]:
    """A shipped model, a model directory, or a run: its vector, and its own comparison."""
    if Path(model).is_file() or (Path(model) / FILE).is_file():
        yield Method(name=f"{model}: vector", likeness=_vectors_of_run(model))
        return
    encoder = Encoder.load(model, device="cpu")
    name = encoder.info.name

    def vector(data: EvaluationSet) -> Likeness:
        return cosine_of(encoder.embed(data.clips))

    yield Method(name=f"{name}: vector", likeness=vector)
    comparison = encoder.info.comparison
    if comparison is not None:

        def own(data: EvaluationSet) -> Likeness:
            return likeness_of(encoder.describe(data.clips), data.exemplar)

        yield Method(name=f"{name}: majority vote", likeness=own)
        yield Method(
            name=f"**{name}: as `stars classify`**",
            likeness=own,
            temperature=comparison.temperature,
        )


def ablation() -> Iterator[Method]:
    """The warped comparison with one choice changed at a time; no learning in any of them."""
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


def _vectors_of_run(run: str) -> Callable[[EvaluationSet], Likeness]:
    measured = load_encoder(run)
    views = measured.views
    normalised = views.standard_body
    how = Preprocessing(
        frames=views.frames,
        crop=1.0 if normalised else 0.9,
        face_camera=views.face_camera,
        standard_body=views.standard_body,
        pace=views.pace,
    )

    @torch.no_grad()
    def likeness(data: EvaluationSet) -> Likeness:
        vectors = [
            measured.encoder.pooled(torch.from_numpy(prepare(clip, how))).mean(dim=0)
            for clip in data.clips
        ]
        return cosine_of(torch.stack(vectors).numpy())

    return likeness


class _Table:
    """A likeness from a table of queries by exemplars."""

    def __init__(self, rows: NDArray[np.intp], columns: NDArray[np.intp], clips: int) -> None:
        self._row, self._column = np.zeros((2, clips), np.intp)
        self._row[rows] = np.arange(len(rows))
        self._column[columns] = np.arange(len(columns))

    def holding(self, table: FloatArray) -> Likeness:
        return lambda queries, exemplars: table[np.ix_(self._row[queries], self._column[exemplars])]
