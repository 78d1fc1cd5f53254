"""Stage 2, STARS: tune half the encoder by nearest-neighbour contrast (REFERENCE 3).

One view per clip and no augmentation beyond the crop: the positive of a clip is its nearest
neighbour among the projections of past batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.batch import Batch
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsConfig:
    """Constants of the tuning.

    Attributes:
        queue: Past projections kept as candidates for the nearest neighbour.
        temperature: Softmax temperature of the contrast.
        hidden: Hidden width of the predictor.
        tuned_blocks: Last encoder blocks that learn; half of them if not given.
    """

    queue: int = 8192
    temperature: float = 0.07
    hidden: int = 4096
    tuned_blocks: int | None = None

    def __post_init__(self) -> None:
        if min(self.queue, self.hidden) < 1:
            raise UsageError(f"queue ({self.queue}) and hidden ({self.hidden}) must be at least 1")
        if not self.temperature > 0:
            raise UsageError(f"temperature must be above 0, not {self.temperature:g}")


class Stars(nn.Module):
    """NNCLR tuning of a pretrained encoder."""

    name = "stars"
    queue: Tensor
    queue_place: Tensor

    def __init__(self, encoder: EncoderConfig, config: StarsConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SkeletonEncoder(encoder)
        width = encoder.width
        self.projector = nn.BatchNorm1d(width)
        self.predictor = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, width),
        )
        # Unit vectors in random directions until projections have taken their place.
        self.register_buffer("queue", F.normalize(torch.randn(config.queue, width), dim=1))
        self.register_buffer("queue_place", torch.zeros((), dtype=torch.long))
        tuned = encoder.depth // 2 if config.tuned_blocks is None else config.tuned_blocks
        if not 0 <= tuned <= encoder.depth:
            raise UsageError(f"tuned_blocks ({tuned}) is more than the {encoder.depth} there are")
        self.frozen_blocks = encoder.depth - tuned
        self.encoder.requires_grad_(False)
        self.encoder.blocks[self.frozen_blocks :].requires_grad_(True)
        self.encoder.norm.requires_grad_(True)

    def features(self, batch: Batch) -> Tensor:
        """Pooled clip features y (B, D): mean over bodies, time and joints."""
        with torch.no_grad():
            tokens = self.encoder.tokens(batch.bodies)
            for block in self.encoder.blocks[: self.frozen_blocks]:
                tokens = block(tokens)
        for block in self.encoder.blocks[self.frozen_blocks :]:
            tokens = block(tokens)
        return batch.mean_over_bodies(self.encoder.norm(tokens).mean(dim=1).float())

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of a batch, and its projections z (B, D), which go to `after_step`."""
        projected = self.projector(self.features(batch))
        z = F.normalize(projected.float(), dim=1).detach()
        # The predictor takes the projection as it is, not normalised.
        p = F.normalize(self.predictor(projected).float(), dim=1)
        neighbours = self.queue[(z @ self.queue.T).argmax(dim=1)]
        logits = neighbours @ p.T / self.config.temperature
        loss = F.cross_entropy(logits, torch.arange(len(z), device=z.device))
        return loss * batch.share_of_clips, z

    @torch.no_grad()
    def after_step(self, z: Tensor) -> None:
        """Put the projections of a step (B, D) into the queue, over the oldest ones."""
        size = len(self.queue)
        places = (self.queue_place + torch.arange(len(z), device=z.device)) % size
        self.queue[places[-size:]] = z[-size:]
        self.queue_place.copy_((self.queue_place + len(z)) % size)
