"""The skeleton transformer of MAMP and STARS: (N, 120, 25, 3) to tokens (N, 750, 256)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stars_infer.errors import UsageError
from stars_infer.train.networks.blocks import Block, PositionEmbedding, init_linear


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Shape of the encoder; the defaults are the papers'.

    Attributes:
        width: D.
        depth: Transformer blocks.
        heads: Attention heads.
        frames: T.
        joints: V.
        segment: Frames per token, l.
    """

    width: int = 256
    depth: int = 8
    heads: int = 8
    frames: int = 120
    joints: int = 25
    segment: int = 4

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.heads, self.frames, self.segment) < 1:
            raise UsageError(f"every size of the network must be at least 1: {self}")
        if self.frames % self.segment:
            raise UsageError(
                f"frames ({self.frames}) must be a multiple of segment ({self.segment})"
            )
        if self.width % self.heads:
            raise UsageError(f"width ({self.width}) must be a multiple of heads ({self.heads})")

    @property
    def segments(self) -> int:
        """Te."""
        return self.frames // self.segment

    @property
    def tokens(self) -> int:
        """Te * V."""
        return self.segments * self.joints


def segment_tokens(x: Tensor, segment: int) -> Tensor:
    """Cut (N, T, V, C) into tokens (N, Te*V, l*C): time-major, in a token frame by frame."""
    n, frames, joints, coordinates = x.shape
    x = x.view(n, frames // segment, segment, joints, coordinates)
    return x.transpose(2, 3).reshape(n, -1, segment * coordinates)


class SkeletonEncoder(nn.Module):
    """Pre-norm transformer over joint-segment tokens of one body (REFERENCE 1)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.segment * 3, config.width)
        self.position = PositionEmbedding(config.segments, config.joints, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-5)
        self.apply(init_linear)

    def tokens(self, bodies: Tensor) -> Tensor:
        """Embedded tokens (N, Te*V, D) of bodies (N, T, V, 3), positions added."""
        embedded: Tensor = self.embed(segment_tokens(bodies, self.config.segment))
        positioned: Tensor = embedded + self.position()
        return positioned

    def encode(self, tokens: Tensor) -> Tensor:
        """Run the blocks over all or some tokens (N, L, D)."""
        for block in self.blocks:
            tokens = block(tokens)
        normed: Tensor = self.norm(tokens)
        return normed

    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, Te*V, D) of bodies (N, T, V, 3)."""
        return self.encode(self.tokens(bodies))

    def pooled(self, bodies: Tensor) -> Tensor:
        """Mean of the final tokens, (N, D)."""
        return self.forward(bodies).mean(dim=1)


def gather_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Pick tokens (N, L', D) at index (N, L') from (N, L, D)."""
    return torch.gather(tokens, 1, index[:, :, None].expand(-1, -1, tokens.shape[2]))
