"""Head initialisation, the middle of STARS-3stage: the encoder stays, the heads learn.

STARS appendix A, after MAE-CT. A `stars` run that starts from this one goes on with its heads.
"""

from __future__ import annotations

from typing import Any, ClassVar

from stars_infer.train.methods.nnclr import NnclrConfig
from stars_infer.train.methods.stars import Stars, StarsConfig
from stars_infer.train.networks.encoder import EncoderConfig


class Heads(Stars):
    """NNCLR's projector and predictor on a frozen encoder."""

    name: ClassVar[str] = "heads"
    title: ClassVar[str] = "head initialisation"
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
