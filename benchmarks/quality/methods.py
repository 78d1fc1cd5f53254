"""What is compared: a row of the table, and the rows of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sets import EvaluationSet

from stars_infer.description import Description, vectors_of
from stars_infer.encoder import Encoder
from stars_infer.fewshot import LabelledClips
from stars_infer.likeness import Likeness, cosine_of, likeness_of
from stars_infer.preparation import prepare
from stars_infer.train.checkpoint import FILE
from stars_infer.train.protocols.encoders import load_encoder
from stars_infer.train.protocols.features import CROP


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


def of_model(model: str) -> Iterator[Method]:
    """A shipped model, a model directory, or a run: its vector, and its own comparison.

    Raises:
        ModelError: If there is no such model or run, or it is damaged.
    """
    if Path(model).is_file() or (Path(model) / FILE).is_file():
        yield Method(name=f"{model}: vector", likeness=_vectors_of_run(model))
        return
    encoder = Encoder.load(model, device="cpu")
    name = encoder.info.name

    @cache  # rows of a model share what is slow
    def described(data: EvaluationSet) -> list[Description]:
        return encoder.describe(data.clips)

    def vector(data: EvaluationSet) -> Likeness:
        return cosine_of(vectors_of(described(data)))

    @cache
    def own(data: EvaluationSet) -> Likeness:
        return likeness_of(described(data), data.exemplar)

    yield Method(name=f"{name}: vector", likeness=vector)
    comparison = encoder.info.comparison
    if comparison is not None:
        yield Method(name=f"{name}: majority vote", likeness=own)
        yield Method(
            name=f"**{name}: as `stars classify`**",
            likeness=own,
            temperature=comparison.temperature,
        )


def _vectors_of_run(run: str) -> Callable[[EvaluationSet], Likeness]:
    """Likeness by the vectors that the run's model would give once exported."""
    measured = load_encoder(run)
    views = replace(measured.views, frames=measured.shape.frames)
    how = views.preprocessing(crop=CROP)

    @torch.no_grad()
    def likeness(data: EvaluationSet) -> Likeness:
        vectors = []
        for clip in data.clips:
            bodies = prepare(clip, how)
            if views.absent_bodies == "zeros" and len(bodies) == 1:
                bodies = np.concatenate((bodies, np.zeros_like(bodies)))
            vectors.append(measured.encoder.pooled(torch.from_numpy(bodies)).mean(dim=0))
        return cosine_of(torch.stack(vectors).numpy())

    return likeness
