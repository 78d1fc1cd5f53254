"""MoCo tuning: two views of a clip are the positive pair, past clips the negatives.

An ablation of STARS (section 4.4, Tables 6 and 13). The two views differ by their crops and, in the
paper's stronger form, by mirror and rotation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.float32 import in_float32
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.queue import VectorQueue
from stars_infer.train.methods.tuning import Teacher, TuningMethod
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MocoConfig:
    """Constants of the tuning; STARS does not give the head's shape, which is MoCo v2's here.

    Attributes:
        queue: Number of past keys that serve as negatives.
        temperature: Softmax temperature of the contrast.
        momentum: Share of the key encoder's weights that a step keeps.
        hidden: Hidden width of the projection head.
        projection: Width of the vectors that are compared.
        tuned_blocks: Number of the last encoder blocks that learn; by default, half of them.
    """

    queue: int = 32768
    temperature: float = 0.07
    momentum: float = 0.999
    hidden: int = 2048
    projection: int = 128
    tuned_blocks: int | None = None

    def __post_init__(self) -> None:
        for name in ("queue", "hidden", "projection"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.temperature > 0:
            raise UsageError(f"temperature must be above 0, not {self.temperature:g}")
        if not 0 <= self.momentum <= 1:
            raise UsageError(f"momentum is a share up to 1, not {self.momentum:g}")


@in_float32
def key_loss(query: Tensor, key: Tensor, past: Tensor, temperature: float) -> Tensor:
    """InfoNCE loss of unit vectors (B, P) with their keys (B, P), against past keys (K, P)."""
    positive = (query * key).sum(dim=1, keepdim=True)
    logits = torch.cat((positive, query @ past.T), dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


class Moco(TuningMethod):
    """Momentum contrast that tunes the second half of a pretrained encoder."""

    name: ClassVar[str] = "moco"
    title: ClassVar[str] = "MoCo tuning"
    config_class: ClassVar[type[Any]] = MocoConfig

    def __init__(self, encoder: EncoderConfig, config: MocoConfig) -> None:
        super().__init__(encoder, config.tuned_blocks)
        self.config = config
        self.head = nn.Sequential(
            nn.Linear(encoder.width, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.projection),
        )
        self.teacher = Teacher(self, self.head)
        self.queue = VectorQueue(config.queue, config.projection)

    @property
    def num_views(self) -> int:
        """The query and the key of each clip."""
        return 2

    def before_first_step(self) -> None:
        """Start the key encoder as a copy of the query encoder."""
        self.teacher.follow(self, self.head, 0.0)

    def forward(self, *views: Batch) -> StepOutput:
        """InfoNCE loss of the queries: their keys are positive, the queue is negative."""
        query, key = views
        q = F.normalize(self.head(self.features(query)).float(), dim=1)
        with torch.no_grad():
            k = F.normalize(self.teacher(key, self.trunk_tokens(key)).float(), dim=1)
        loss = key_loss(q, k, self.queue.vectors, self.config.temperature)
        return StepOutput(loss * query.share_of_clips, k)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Put the keys into the queue; update the key encoder."""
        if keys is not None:
            self.queue.push(keys)
        self.teacher.follow(self, self.head, self.config.momentum)
