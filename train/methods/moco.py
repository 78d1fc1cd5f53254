"""MoCo tuning: two random views of a clip attract, all other clips repel (STARS Table 6, 13).

Needs augmentations (mirror and rotation in the paper): they make the positives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.queue import VectorQueue
from stars_infer.train.methods.tuning import Teacher, Tuning
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MocoConfig:
    """Constants of the tuning; the head's shape is MoCo v2's, the paper does not say.

    Attributes:
        queue: Past keys that serve as negatives.
        temperature: Softmax temperature of the contrast.
        momentum: How much of the key encoder stays each step.
        hidden: Hidden width of the projection head.
        projection: Width of what is compared.
        tuned_blocks: Last encoder blocks that learn; half of them if not given.
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


class Moco(Tuning):
    """Momentum contrast on the second half of a pretrained encoder."""

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
        """A query and a key of every clip."""
        return 2

    def before_first_step(self) -> None:
        """The key encoder starts as the query encoder."""
        self.teacher.follow(self, self.head, 0.0)

    def forward(self, *views: Batch) -> StepOutput:
        """InfoNCE of queries against their keys and the queue."""
        query, key = views
        q = F.normalize(self.head(self.features(query)).float(), dim=1)
        with torch.no_grad():
            k = F.normalize(self.teacher(key, self.embedded(key)).float(), dim=1)
        positive = (q * k).sum(dim=1, keepdim=True)
        logits = torch.cat((positive, q @ self.queue.vectors.T), dim=1) / self.config.temperature
        first = torch.zeros(len(q), dtype=torch.long, device=q.device)
        return StepOutput(F.cross_entropy(logits, first) * query.share_of_clips, k)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Remember the keys; the key encoder follows."""
        if keys is not None:
            self.queue.push(keys)
        self.teacher.follow(self, self.head, self.config.momentum)
