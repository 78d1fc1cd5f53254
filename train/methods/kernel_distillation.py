"""Kernel distillation, stage 3: the encoder learns the vectors that a pool holds.

They reproduce the similarity by which `stars_infer.similarity` names clips (see
`stars_infer.train.pools.nystrom`), of the motion as it was. The encoder sees that motion as an
imperfect sensor does and learns the vector by its cosine (distillation; Hinton, Vinyals and Dean
2015). This needs no labels.

A pool has landmarks of its own, so the head of an encoder that learned from another pool, or from
none, knows nothing of its vectors, and a step would first undo what the blocks have learned. Its
head is therefore fitted to the pool first, by least squares (Kumar et al. 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.method import TUNE, Method, StepOutput
from stars_infer.train.networks.encoder_config import DSTA, STGCN, TRANSFORMER, EncoderConfig
from stars_infer.train.views.batch import Batch

_CLIPS = 2048
"""Clips of a pool by one half of which the head is fitted, and by the other judged."""
_RIDGE = 0.2
"""Weight of the squares of the head's weights, relative to the number of clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDistillationConfig:
    """Constants of the tuning; there are none."""


class KernelDistillation(Method):
    """The whole encoder learns to give each body its vector."""

    name: ClassVar[str] = "kernel-distillation"
    title: ClassVar[str] = "kernel distillation"
    stage: ClassVar[str] = TUNE
    config_class: ClassVar[type[Any]] = KernelDistillationConfig
    networks: ClassVar[tuple[str, ...]] = (TRANSFORMER, STGCN, DSTA)
    pooled: ClassVar[bool] = True

    def __init__(self, encoder: EncoderConfig, config: KernelDistillationConfig) -> None:
        super().__init__(encoder)
        self.config = config
        self.encoder.requires_grad_(True)

    def forward(self, *views: Batch) -> StepOutput:
        """Mean of 1 - cosine between the vectors of bodies and those they are to have."""
        (batch,) = views
        if batch.vectors is None:
            raise UsageError(f"{self.name} learns from a pool: make one with `stars train pool`")
        vectors = self.encoder.pool(batch.bodies).float()
        gap = 1 - F.cosine_similarity(vectors, batch.vectors, dim=1)
        return StepOutput(gap.mean() * batch.share_of_bodies)

    @torch.no_grad()
    def meet(self, draw: Callable[[int], tuple[Batch, ...]]) -> None:
        """Fit the head to the first clips of the run, unless it is better as it is."""
        head = self.encoder.head
        if head is None:
            return
        features, vectors = self._features(draw)
        seen, others = slice(len(features) // 2), slice(len(features) // 2, None)
        weight, bias = fit_linear(features[seen], vectors[seen])
        before, after = (
            F.cosine_similarity(made, vectors[others], dim=1).mean()
            for made in (head(features[others]), F.linear(features[others], weight, bias))
        )
        if after > before:
            head.weight.copy_(weight)
            head.bias.copy_(bias)

    def _features(self, draw: Callable[[int], tuple[Batch, ...]]) -> tuple[Tensor, Tensor]:
        """What the head sees (N, D) of the first `_CLIPS` clips, and what it is to make of it."""
        features: list[Tensor] = []
        vectors: list[Tensor] = []
        training = self.encoder.training
        self.encoder.eval()
        while sum(map(len, features)) < _CLIPS:
            (batch,) = draw(len(features))
            assert batch.vectors is not None
            features.append(self.encoder.features(batch.bodies).float())
            vectors.append(batch.vectors)
        self.encoder.train(training)
        return torch.cat(features), torch.cat(vectors)


def fit_linear(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (D', D) and bias (D',) that map features (N, D) to targets (N, D'), by ridge."""
    center, middle = features.mean(dim=0), targets.mean(dim=0)
    spread = features.std(dim=0).clamp(min=1e-6)
    x = (features - center) / spread
    ridge = _RIDGE * len(x) * torch.eye(x.shape[1], device=x.device)
    weight = torch.linalg.solve(x.T @ x + ridge, x.T @ (targets - middle)).T / spread
    return weight, middle - weight @ center
