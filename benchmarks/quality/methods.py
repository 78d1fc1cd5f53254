"""What is compared: a row of the table, and the rows of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sets import EvaluationSet
from torch import Tensor

from stars_infer.classification.classifiers import Classifier, Prototypes, Ridge, Vote
from stars_infer.classification.mirroring import AUTO, OFF
from stars_infer.encoder.encoder import Encoder
from stars_infer.evaluation.fewshot import LabeledClips
from stars_infer.preprocessing.prepare import prepare
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.pairwise import (
    DTWSimilarity,
    Similarity,
    cosine_of,
    similarity_of,
)
from stars_infer.train.checkpoint import FILE, load_weights
from stars_infer.train.methods.dtw_distillation import DTWDistillation as Taught
from stars_infer.train.protocols.encoders import MeasuredEncoder, load_encoder
from stars_infer.train.protocols.features import CROP


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of the table.

    Attributes:
        name: Of the row.
        similarity: Makes the similarity of a set's clips; a method that makes features of each
            clip gives their inner products (see `feature_ridge`).
        classifier: Makes the classifier for n exemplars a class; the papers' vote if not given.
        mirror: Whether mirror images count where the similarity is one of sequences.
        width: Width of the kernel by which they are mixed in.
    """

    name: str
    similarity: Callable[[EvaluationSet], Similarity]
    classifier: Callable[[int], Classifier] = lambda n: Vote(n=n)
    mirror: str = OFF
    width: float = 1.0

    def on(self, data: EvaluationSet) -> LabeledClips:
        """A set as this method sees it."""
        similarity = self.similarity(data)
        mirrors = self.mirror != OFF and isinstance(similarity, DTWSimilarity)
        return LabeledClips(
            similarity=similarity,
            mirrored=similarity.mirrored if mirrors else None,
            mirror=self.mirror,
            width=self.width,
            labels=data.labels,
            exemplar=data.exemplar,
            query=data.query,
            classifier=self.classifier,
        )


def of_model(model: str) -> Iterator[Method]:
    """A shipped model, a model directory, or a run: its vector, and its own comparison.

    Raises:
        ModelError: If there is no such model or run, or it is damaged.
    """
    if Path(model).is_file() or (Path(model) / FILE).is_file():
        measured, name = load_encoder(model), Path(model).stem
        rows = {"vector": measured.encoder.pool}
        teacher = _teacher_of(measured)
        if teacher is not None:
            rows["what it is taught"] = teacher.targets
        for row, vectors in rows.items():
            similarity = cache(_similarity_by(vectors, measured))
            yield Method(name=f"{name}: {row}, majority vote", similarity=similarity)
            yield Method(
                name=f"{name}: {row}, ridge", similarity=similarity, classifier=lambda n: Ridge()
            )
        return
    encoder = Encoder.load(model, device="cpu")
    name = encoder.info.name

    @cache  # rows of a model share what is slow
    def encoded(data: EvaluationSet) -> list[Features]:
        return encoder.encode(data.clips)

    def vector(data: EvaluationSet) -> Similarity:
        return cosine_of(vectors_of(encoded(data)))

    @cache
    def own(data: EvaluationSet) -> Similarity:
        return similarity_of(encoded(data), data.exemplar, encoder.info.comparison)

    yield Method(name=f"{name}: vector, majority vote", similarity=vector)
    yield Method(name=f"{name}: vector, ridge", similarity=vector, classifier=lambda n: Ridge())
    comparison = encoder.info.comparison
    if comparison is not None:
        yield from by_classifier(Method(name=f"{name}: ", similarity=own), comparison)


def by_classifier(method: Method, comparison: SequenceConfig) -> Iterator[Method]:
    """What names the clips, the same comparison given; the default last."""
    rules: dict[str, Callable[[int], Classifier]] = {
        "majority vote": lambda n: Vote(n=n),
        "vote weighted by similarity": lambda n: Vote(n=n, temperature=comparison.temperature),
        "prototypes": lambda n: Prototypes(),
    }
    for name, rule in rules.items():
        yield replace(method, name=method.name + name, classifier=rule)
    yield replace(
        method,
        name=f"**{method.name}as `stars classify`**",
        classifier=lambda n: Ridge(width=comparison.kernel_width),
        mirror=AUTO,
        width=comparison.kernel_width,
    )


def _similarity_by(
    vectors_of_bodies: Callable[[Tensor], Tensor], measured: MeasuredEncoder
) -> Callable[[EvaluationSet], Similarity]:
    """Similarity by what is made of bodies as the run's model would see them once exported."""
    views = replace(measured.views, frames=measured.shape.frames)
    how = views.preprocessing(crop=CROP)

    @torch.no_grad()
    def similarity(data: EvaluationSet) -> Similarity:
        vectors = []
        for clip in data.clips:
            bodies = prepare(clip, how)
            if views.absent_bodies == "zeros" and len(bodies) == 1:
                bodies = np.concatenate((bodies, np.zeros_like(bodies)))
            vectors.append(vectors_of_bodies(torch.from_numpy(bodies)).mean(dim=0))
        return cosine_of(torch.stack(vectors).numpy())

    return similarity


def _teacher_of(measured: MeasuredEncoder) -> Taught | None:
    """The method of a run of `similarity`, with its landmarks; None of other runs."""
    config, checkpoint = measured.config, measured.checkpoint
    if config is None or checkpoint is None or config.method != Taught.name:
        return None
    method = Taught(config.encoder, config.settings)
    load_weights(method, checkpoint.weights, source=measured.run)
    return method
