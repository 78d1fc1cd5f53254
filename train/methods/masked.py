"""Masked prediction: what MAMP, MAE and Skeleton2vec share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from stars_infer.errors import UsageError
from stars_infer.train.methods.masking import DOWN, ROUNDINGS, visible_count
from stars_infer.train.methods.method import Method, StepOutput
from stars_infer.train.networks.decoder import MaskedDecoder
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder, gather_tokens
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedConfig:
    """Constants of masked prediction.

    Attributes:
        decoder_depth: Number of decoder blocks; 5 in MAMP, 3 in some public configurations.
        mask_ratio: Share of the tokens that are masked.
        rounding: How the number of visible tokens is rounded: down, as in the public codes (of 750
            tokens at 0.9, 74 stay visible; of 25 joints at 0.8, 4), or nearest (75, and 5).
        decode_every: Decode and predict only every n-th masked token, in the order of masking. 1
            is the papers' value; 4 cuts the cost of a step to a third (CrossMAE).
    """

    decoder_depth: int = 5
    mask_ratio: float = 0.9
    rounding: str = DOWN
    decode_every: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.mask_ratio < 1:
            raise UsageError(f"mask_ratio is a share between 0 and 1, not {self.mask_ratio:g}")
        if self.rounding not in ROUNDINGS:
            raise UsageError(f"rounding is {' or '.join(ROUNDINGS)}, not {self.rounding!r}")
        for name in ("decoder_depth", "decode_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")


def normalize_tokens(tokens: Tensor) -> Tensor:
    """Scale each token of (N, L, l*C) to zero mean and unit (unbiased) variance."""
    mean, variance = tokens.mean(2, keepdim=True), tokens.var(2, keepdim=True)
    return (tokens - mean) / (variance + 1e-6).sqrt()


def masked_error(
    tokens: Tensor,
    *,
    order: Tensor,
    seen: int,
    every: int,
    target: Tensor,
    encode: Callable[[Tensor], Tensor],
    decoder: nn.Module,
) -> Tensor:
    """Mean squared error of the prediction of masked tokens.

    Args:
        tokens: Embedded tokens, (N, L, D).
        order: Positions of the tokens, visible ones first, (N, L).
        seen: Number of visible tokens.
        every: Predict only every n-th masked token.
        target: Prediction target of every token, (N, L, F).
        encode: Runs the encoder's blocks over the visible tokens.
        decoder: Predicts the masked tokens from the encoded visible ones.
    """
    kept, hidden = order[:, :seen], order[:, seen::every]
    prediction: Tensor = decoder(encode(gather_tokens(tokens, kept)), kept, hidden)
    return (prediction.float() - gather_tokens(target, hidden)).square().mean()


class MaskedPrediction(Method):
    """The encoder sees the visible tokens; the decoder predicts the masked ones."""

    continues: ClassVar[tuple[str, ...]] = ("decoder.",)

    masks: ClassVar[bool] = True
    encoder: SkeletonEncoder

    def __init__(self, encoder: EncoderConfig, config: MaskedConfig) -> None:
        super().__init__(encoder)
        self.config = config
        self.decoder = MaskedDecoder(encoder, config.decoder_depth)

    @abstractmethod
    def order(self, batch: Batch) -> Tensor:
        """Positions of all tokens (N, Te*V), the visible ones first."""

    @abstractmethod
    def target(self, bodies: Tensor) -> Tensor:
        """Prediction target (N, Te*V, l*3) for every token of bodies (N, T, V, 3)."""

    def forward(self, *views: Batch) -> StepOutput:
        """Mean squared error over the masked tokens of all bodies (STARS, equation 4)."""
        (batch,) = views
        error = masked_error(
            self.encoder.tokens(batch.bodies),
            order=self.order(batch),
            seen=visible_count(
                self.encoder.config.tokens, self.config.mask_ratio, self.config.rounding
            ),
            every=self.config.decode_every,
            target=self.target(batch.bodies),
            encode=self.encoder.encode,
            decoder=self.decoder,
        )
        return StepOutput(error * batch.share_of_bodies)
