"""MAMP + NNCLR: stage 2 keeps the loss of stage 1 beside its own (STARS, Table 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from stars_infer.errors import UsageError
from stars_infer.train.methods.mamp import NEXT, MampConfig, motion_target
from stars_infer.train.methods.masked import masked_error
from stars_infer.train.methods.masking import DOWN, RELATIVE, motion_aware_order, visible_count
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.stars import Stars, StarsConfig
from stars_infer.train.networks.decoder import MaskedDecoder
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MampNnclrConfig(StarsConfig):
    """Constants of both losses.

    Attributes:
        mamp_weight: Weight of MAMP's loss.
        decoder_depth: Number of decoder blocks, as in stage 1.
        mask_ratio: Share of the tokens that are masked.
        rounding: How the number of visible tokens is rounded, as in stage 1.
        decode_every: Decode and predict only every n-th masked token.
        tau: Masking temperature.
        motion_stride: Frames m between the two positions whose difference is predicted.
        motion_target: next or previous, as in stage 1.
        motion_intensity: relative or absolute, as in stage 1.
    """

    mamp_weight: float = 1.0
    decoder_depth: int = 5
    mask_ratio: float = 0.9
    rounding: str = DOWN
    decode_every: int = 1
    tau: float = 0.80
    motion_stride: int = 1
    motion_target: str = NEXT
    motion_intensity: str = RELATIVE

    def __post_init__(self) -> None:
        StarsConfig.__post_init__(self)
        if not self.mamp_weight > 0:
            raise UsageError(f"mamp_weight must be above 0, not {self.mamp_weight:g}")
        self.mamp()

    def mamp(self) -> MampConfig:
        """The constants of MAMP's loss."""
        return MampConfig(
            decoder_depth=self.decoder_depth,
            mask_ratio=self.mask_ratio,
            rounding=self.rounding,
            decode_every=self.decode_every,
            tau=self.tau,
            motion_stride=self.motion_stride,
            motion_target=self.motion_target,
            motion_intensity=self.motion_intensity,
        )


class MampNnclr(Stars):
    """STARS whose encoder also continues to predict masked motion, with the decoder of stage 1."""

    name: ClassVar[str] = "mamp-nnclr"
    title: ClassVar[str] = "MAMP + NNCLR"
    config_class: ClassVar[type[Any]] = MampNnclrConfig
    continues: ClassVar[tuple[str, ...]] = ("contrast.", "decoder.")
    masks: ClassVar[bool] = True
    config: MampNnclrConfig

    def __init__(self, encoder: EncoderConfig, config: MampNnclrConfig) -> None:
        super().__init__(encoder, config)
        self.decoder = MaskedDecoder(encoder, config.decoder_depth)

    def forward(self, *views: Batch) -> StepOutput:
        """Contrastive loss plus the loss of masked motion prediction."""
        (batch,) = views
        contrast, z = super().forward(batch)
        segment, mamp = self.encoder.config.segment, self.config.mamp()
        error = masked_error(
            self.encoder.tokens(batch.bodies),
            order=motion_aware_order(
                batch.bodies,
                batch.noise,
                tau=mamp.tau,
                segment=segment,
                kind=mamp.motion_intensity,
            ),
            seen=visible_count(self.encoder.config.tokens, mamp.mask_ratio, mamp.rounding),
            every=mamp.decode_every,
            target=motion_target(
                batch.bodies,
                stride=mamp.motion_stride,
                segment=segment,
                toward=mamp.motion_target,
            ),
            encode=lambda tokens: self.tail(self.trunk(tokens)),
            decoder=self.decoder,
        )
        return StepOutput(contrast + self.config.mamp_weight * batch.share_of_bodies * error, z)
