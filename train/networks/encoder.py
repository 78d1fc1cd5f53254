"""The skeleton transformer of MAMP and STARS: (N, 120, 25, 3) to tokens (N, 750, 256)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.blocks import Block, PositionEmbedding, init_linear
from stars_infer.train.networks.encoder_config import EncoderConfig as EncoderConfig


def segment_tokens(x: Tensor, segment: int) -> Tensor:
    """Cut (N, T, V, C) into tokens (N, Te*V, l*C), time-major; a token is ordered by frame."""
    n, frames, joints, coordinates = x.shape
    x = x.view(n, frames // segment, segment, joints, coordinates)
    return x.transpose(2, 3).reshape(n, -1, segment * coordinates)


def as_posture(bodies: Tensor) -> Tensor:
    """All joints of bodies (N, T, V, C) as one, (N, T, 1, V*C)."""
    return bodies.flatten(2)[:, :, None]


class SkeletonEncoder(Backbone):
    """Pre-norm transformer over the joint-segment tokens of one body (STARS, section 3.2)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.embed = nn.Linear(config.values_per_token, config.width)
        self.position = PositionEmbedding(config.segments, config.tokens_per_step, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-5)
        self.apply(init_linear)

    def tokens(self, bodies: Tensor) -> Tensor:
        """Embedded tokens (N, Te*V, D) of bodies (N, T, V, 3), with position embeddings."""
        seen = self.seen(bodies)
        if self.config.posture_tokens:
            hips = seen[:, :, :1]
            seen = torch.cat((hips, seen[:, :, 1:] - hips), dim=2)
        embedded: Tensor = self.embed(self.cut(seen))
        positioned: Tensor = embedded + self.position()
        return positioned

    def cut(self, bodies: Tensor) -> Tensor:
        """Cut bodies (N, T, V, C) into tokens (N, Te*V', l*C)."""
        return segment_tokens(self.by_token(bodies), self.config.segment)

    def by_token(self, bodies: Tensor) -> Tensor:
        """Bodies (N, T, V, C) with the joints of a token as one: as they are, or as postures."""
        return as_posture(bodies) if self.config.posture_tokens else bodies

    def encode(self, tokens: Tensor) -> Tensor:
        """Run the blocks and the final norm over all or some tokens (N, L, D)."""
        for block in self.blocks:
            tokens = block(tokens)
        normed: Tensor = self.norm(tokens)
        return normed

    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, Te*V, D) of bodies (N, T, V, 3)."""
        return self.encode(self.tokens(bodies))


def gather_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Select tokens (N, L', D) from (N, L, D) by their positions (N, L')."""
    return torch.gather(tokens, 1, index[:, :, None].expand(-1, -1, tokens.shape[2]))
