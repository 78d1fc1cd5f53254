"""STARS, stage 2: nearest-neighbor contrast tunes the second half of the encoder (section 3.3).

Each clip has one view, without augmentation beyond the crop. Its positive is its nearest neighbor
among the projections of past batches (equations 5 and 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.nnclr import NeighborContrast, NnclrConfig
from stars_infer.train.methods.tuning import TuningMethod
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsConfig(NnclrConfig):
    """Constants of the tuning.

    Attributes:
        tuned_blocks: Number of the last encoder blocks that learn; by default, half of them.
    """

    tuned_blocks: int | None = None


class Stars(TuningMethod):
    """NNCLR tuning of a pretrained encoder.

    Started from a run of `HeadInit`, it continues with the heads and the queue of that run: this
    is STARS-3stage (section 4.3).
    """

    name: ClassVar[str] = "stars"
    title: ClassVar[str] = "STARS"
    config_class: ClassVar[type[Any]] = StarsConfig
    continues: ClassVar[tuple[str, ...]] = ("contrast.",)

    def __init__(self, encoder: EncoderConfig, config: StarsConfig) -> None:
        super().__init__(encoder, config.tuned_blocks)
        self.config = config
        self.contrast = NeighborContrast(encoder.width, config)

    def forward(self, *views: Batch) -> StepOutput:
        """Contrastive loss of a batch (equation 6)."""
        (batch,) = views
        loss, z = self.contrast(self.features(batch))
        return StepOutput(loss * batch.share_of_clips, z)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Put the projections of the step into the queue."""
        if keys is not None:
            self.contrast.queue.push(keys)


class HeadInit(Stars):
    """Head initialization: only projector and predictor learn (STARS-3stage, section 4.3)."""

    name: ClassVar[str] = "head-init"
    title: ClassVar[str] = "head initialization"
    config_class: ClassVar[type[Any]] = NnclrConfig
    continues: ClassVar[tuple[str, ...]] = ()

    def __init__(self, encoder: EncoderConfig, config: NnclrConfig) -> None:
        super().__init__(
            encoder,
            StarsConfig(
                queue=config.queue,
                temperature=config.temperature,
                hidden=config.hidden,
                predictor_norm=config.predictor_norm,
                tuned_blocks=0,
            ),
        )
        self.encoder.norm.requires_grad_(False)
