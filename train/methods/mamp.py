"""Stage 1, MAMP: hide 90 % of the tokens, predict the motion in them (REFERENCE 2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stars_infer.errors import UsageError
from stars_infer.train.batch import Batch
from stars_infer.train.masking import motion_aware_order, visible_count
from stars_infer.train.networks.decoder import MaskedDecoder
from stars_infer.train.networks.encoder import (
    EncoderConfig,
    SkeletonEncoder,
    gather_tokens,
    segment_tokens,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MampConfig:
    """What MAMP adds to the encoder.

    Attributes:
        decoder_depth: Decoder blocks; 5 in the papers, 3 in some public configurations.
        mask_ratio: Share of tokens hidden.
        tau: Masking temperature; 0.80 for NTU-60 and PKU, 0.75 for NTU-120.
        motion_stride: Frames m over which motion is predicted.
        decode_every: Decode and predict every n-th hidden token, in the order of masking. 1 is
            MAMP; 3 halves the cost of a step where compute is short (as in CrossMAE).
    """

    decoder_depth: int = 5
    mask_ratio: float = 0.9
    tau: float = 0.80
    motion_stride: int = 1
    decode_every: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.mask_ratio < 1:
            raise UsageError(f"mask_ratio is a share between 0 and 1, not {self.mask_ratio:g}")
        if not self.tau > 0:
            raise UsageError(f"tau must be above 0, not {self.tau:g}")
        for name in ("decoder_depth", "motion_stride", "decode_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")


def motion_target(bodies: Tensor, *, stride: int, segment: int) -> Tensor:
    """What is predicted: motion per token, normalised to zero mean and unit variance.

    Args:
        bodies: (N, T, V, 3).
        stride: m of x[t+m] - x[t]; the last m frames count as still.
        segment: Frames per token.

    Returns:
        (N, Te*V, l*3).
    """
    motion = torch.zeros_like(bodies)
    motion[:, :-stride] = bodies[:, stride:] - bodies[:, :-stride]
    tokens = segment_tokens(motion, segment)
    mean, variance = tokens.mean(2, keepdim=True), tokens.var(2, keepdim=True)
    return (tokens - mean) / (variance + 1e-6).sqrt()


class Mamp(nn.Module):
    """Masked motion prediction."""

    name = "mamp"

    def __init__(self, encoder: EncoderConfig, config: MampConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SkeletonEncoder(encoder)
        self.decoder = MaskedDecoder(encoder, config.decoder_depth)

    def split(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Places of the visible (N, L) and of all hidden tokens (N, L') of a batch."""
        shape = self.encoder.config
        tokens = segment_tokens(batch.bodies, shape.segment)
        segments = tokens.view(len(tokens), shape.segments, shape.joints, -1)
        order = motion_aware_order(segments, batch.noise, tau=self.config.tau)
        visible = visible_count(shape.tokens, self.config.mask_ratio)
        return order[:, :visible], order[:, visible:]

    def forward(self, batch: Batch) -> Tensor:
        """Mean squared error over the hidden tokens of all bodies (STARS equation 4)."""
        kept, hidden = self.split(batch)
        hidden = hidden[:, :: self.config.decode_every]
        visible = self.encoder.encode(gather_tokens(self.encoder.tokens(batch.bodies), kept))
        prediction: Tensor = self.decoder(visible, kept, hidden)
        target = motion_target(
            batch.bodies, stride=self.config.motion_stride, segment=self.encoder.config.segment
        )
        error = (prediction.float() - gather_tokens(target, hidden)).square().mean()
        return error * batch.share_of_bodies
