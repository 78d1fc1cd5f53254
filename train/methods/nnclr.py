"""NNCLR: the positive of a clip is its nearest neighbor among past clips.

STARS, section 3.3 and Algorithm 1 of appendix C. `NeighborContrast` is the loss with its heads;
`Nnclr` trains a whole encoder with it from scratch (STARS, Table 12); `stars.py` tunes a
pretrained encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.distributed import all_gather, own_rows
from stars_infer.train.methods.float32 import in_float32
from stars_infer.train.methods.method import Method, StepOutput
from stars_infer.train.methods.queue import VectorQueue
from stars_infer.train.methods.tuning import pool
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.networks.encoder_config import NETWORKS
from stars_infer.train.networks.norm import SharedBatchNorm
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class NnclrConfig:
    """Constants of nearest-neighbor contrast.

    Attributes:
        queue: Number of past projections among which the nearest neighbor is searched.
        temperature: Softmax temperature of the contrast.
        hidden: Hidden width of the predictor.
        predictor_norm: Whether a batch norm follows the predictor's first layer, as in NNCLR;
            STARS (section 3.3) names none.
    """

    queue: int = 8192
    temperature: float = 0.07
    hidden: int = 4096
    predictor_norm: bool = True

    def __post_init__(self) -> None:
        if min(self.queue, self.hidden) < 1:
            raise UsageError(f"queue ({self.queue}) and hidden ({self.hidden}) must be at least 1")
        if not self.temperature > 0:
            raise UsageError(f"temperature must be above 0, not {self.temperature:g}")


class NeighborContrast(nn.Module):
    """Projector g, predictor h, queue Q and loss of NNCLR."""

    def __init__(self, width: int, config: NnclrConfig) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.projector = SharedBatchNorm(width)
        self.predictor = nn.Sequential(
            nn.Linear(width, config.hidden),
            SharedBatchNorm(config.hidden) if config.predictor_norm else nn.Identity(),
            nn.ReLU(),
            nn.Linear(config.hidden, width),
        )
        self.queue = VectorQueue(config.queue, width)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of pooled features y (B, D), and their projections z (B, D).

        z = normalize(g(y)), p = normalize(h(g(y))). Each nearest neighbor of z in the queue has p
        of its own clip as the positive and p of all other clips, of all processes, as negatives
        (STARS, equations 5 and 6).

        Returns:
            The mean loss over this process's clips, and their z.
        """
        projected = self.projector(features)
        z = F.normalize(projected.float(), dim=1).detach()
        # The predictor takes the projection before it is normalized.
        p = all_gather(F.normalize(self.predictor(projected).float(), dim=1))
        return neighbor_loss(self.queue.nearest(z), p, self.temperature), z


@in_float32
def neighbor_loss(neighbors: Tensor, predictions: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of the cosines of neighbors and predictions (equation 6).

    Args:
        neighbors: Nearest neighbors of this process's clips, unit vectors (B, D).
        predictions: Unit vectors p of the clips of all processes, (B', D).
        temperature: Softmax temperature.
    """
    logits = neighbors @ predictions.T / temperature
    return F.cross_entropy(logits, own_rows(len(neighbors), neighbors.device))


class Nnclr(Method):
    """NNCLR from scratch: the whole encoder learns, from fresh weights (STARS, Table 12)."""

    name: ClassVar[str] = "nnclr"
    title: ClassVar[str] = "NNCLR from scratch"
    config_class: ClassVar[type[Any]] = NnclrConfig
    networks: ClassVar[tuple[str, ...]] = NETWORKS

    def __init__(self, encoder: EncoderConfig, config: NnclrConfig) -> None:
        super().__init__(encoder)
        self.config = config
        self.contrast = NeighborContrast(encoder.width, config)

    def forward(self, *views: Batch) -> StepOutput:
        """Contrastive loss of a batch."""
        (batch,) = views
        loss, z = self.contrast(pool(batch, self.encoder(batch.bodies)))
        return StepOutput(loss * batch.share_of_clips, z)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Put the projections of the step into the queue."""
        if keys is not None:
            self.contrast.queue.push(keys)
