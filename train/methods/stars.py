"""Stage 2, STARS: tune half the encoder by nearest-neighbor contrast (REFERENCE 3).

One view per clip and no augmentation beyond the crop: the positive of a clip is its nearest
neighbor among the projections of past batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.nnclr import NeighborContrast, NnclrConfig
from stars_infer.train.methods.tuning import Tuning
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsConfig(NnclrConfig):
    """Constants of the tuning.

    Attributes:
        tuned_blocks: Last encoder blocks that learn; half of them if not given.
    """

    tuned_blocks: int | None = None


class Stars(Tuning):
    """NNCLR tuning of a pretrained encoder.

    Started from a run of head initialization, it goes on with its heads and queue: STARS-3stage.
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
        """Contrast of a batch."""
        (batch,) = views
        loss, z = self.contrast(self.features(batch))
        return StepOutput(loss * batch.share_of_clips, z)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Remember the projections of the step."""
        if keys is not None:
            self.contrast.queue.push(keys)


class HeadInit(Stars):
    """NNCLR's projector and predictor on a frozen encoder."""

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
                tuned_blocks=0,
            ),
        )
        self.encoder.norm.requires_grad_(False)
