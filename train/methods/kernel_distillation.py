"""Kernel distillation, stage 3: the encoder learns the vectors that a pool holds.

They reproduce the similarity by which `stars_infer.similarity` names clips (see
`stars_infer.train.pools.nystrom`), of the motion as it was. The encoder sees that motion as an
imperfect sensor does and learns the vector by its cosine (distillation; Hinton, Vinyals and Dean
2015). This needs no labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.method import TUNE, Method, StepOutput
from stars_infer.train.networks.encoder_config import DSTA, STGCN, TRANSFORMER, EncoderConfig
from stars_infer.train.views.batch import Batch


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
