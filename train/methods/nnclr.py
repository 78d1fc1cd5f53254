"""NNCLR: a clip's positive is its nearest neighbor among past clips (STARS 3.2, Algorithm 1).

One view per clip. `NeighborContrast` is the loss with its heads; `Nnclr` trains a whole encoder
with it from scratch (STARS Table 12); `stars.py` tunes a pretrained one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.distributed import gathered, own_rows
from stars_infer.train.methods.method import Method, StepOutput
from stars_infer.train.methods.queue import VectorQueue
from stars_infer.train.methods.tuning import pooled
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.networks.encoder_config import NETWORKS
from stars_infer.train.networks.norm import SharedBatchNorm
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class NnclrConfig:
    """Constants of nearest-neighbor contrast.

    Attributes:
        queue: Past projections kept as candidates for the nearest neighbor.
        temperature: Softmax temperature of the contrast.
        hidden: Hidden width of the predictor.
    """

    queue: int = 8192
    temperature: float = 0.07
    hidden: int = 4096

    def __post_init__(self) -> None:
        if min(self.queue, self.hidden) < 1:
            raise UsageError(f"queue ({self.queue}) and hidden ({self.hidden}) must be at least 1")
        if not self.temperature > 0:
            raise UsageError(f"temperature must be above 0, not {self.temperature:g}")


class NeighborContrast(nn.Module):
    """Projector, predictor, queue and loss of NNCLR."""

    def __init__(self, width: int, config: NnclrConfig) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.projector = SharedBatchNorm(width)
        self.predictor = nn.Sequential(
            nn.Linear(width, config.hidden),
            SharedBatchNorm(config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, width),
        )
        self.queue = VectorQueue(config.queue, width)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss over this process's clips (STARS equation 6), and their z (B, D).

        The clips of all processes are the negatives.
        """
        projected = self.projector(features)
        z = F.normalize(projected.float(), dim=1).detach()
        # The predictor takes the projection as it is, not normalized.
        p = gathered(F.normalize(self.predictor(projected).float(), dim=1))
        logits = self.queue.nearest(z) @ p.T / self.temperature
        return F.cross_entropy(logits, own_rows(len(z), z.device)), z


class Nnclr(Method):
    """NNCLR from scratch: the whole encoder learns, without a pretraining."""

    name: ClassVar[str] = "nnclr"
    title: ClassVar[str] = "NNCLR from scratch"
    config_class: ClassVar[type[Any]] = NnclrConfig
    networks: ClassVar[tuple[str, ...]] = NETWORKS

    def __init__(self, encoder: EncoderConfig, config: NnclrConfig) -> None:
        super().__init__(encoder)
        self.config = config
        self.contrast = NeighborContrast(encoder.width, config)

    def forward(self, *views: Batch) -> StepOutput:
        """Contrast of a batch."""
        (batch,) = views
        loss, z = self.contrast(pooled(batch, self.encoder(batch.bodies)))
        return StepOutput(loss * batch.share_of_clips, z)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Remember the projections of the step."""
        if keys is not None:
            self.contrast.queue.push(keys)
