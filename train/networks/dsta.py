"""DSTA: attention over the joints, then attention over time.

Shi et al., "Decoupled spatial-temporal attention network", ACCV 2020, as in SkeAttnCLR, Table 2.
All frames share the attention map over joints, and all joints share the one over time. The maps use
tanh instead of softmax; over the joints, a learned map that is the same for every clip is added.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.networks.norm import SharedBatchNorm2d

SLOPE = 0.1
"""Slope of the leaky ReLU below zero."""
KERNEL = 7
"""Frames of the convolution that halves the frame rate."""


class DecoupledAttention(nn.Module):
    """Attention along the last axis of (N, C, K, L), then a linear layer at each position.

    Args:
        channels_in: C before.
        channels: C after.
        length: L.
        heads: Number of attention maps.
        fixed_map: Add a learned map that is the same for every clip.
    """

    def __init__(
        self, channels_in: int, channels: int, *, length: int, heads: int, fixed_map: bool
    ) -> None:
        super().__init__()
        self.heads, self.inner = heads, max(channels // 4, 1)
        self.register_buffer("place", sinusoids(length, channels_in), persistent=False)
        self.place: Tensor
        self.compare = nn.Conv2d(channels_in, 2 * heads * self.inner, 1)
        self.strength = nn.Parameter(torch.ones(heads, 1, 1))
        self.fixed = (
            nn.Parameter(torch.full((heads, length, length), 1 / length)) if fixed_map else None
        )
        self.out = _with_norm(nn.Conv2d(heads * channels_in, channels, 1))
        self.feed = _with_norm(nn.Conv2d(channels, channels, 1))
        self.skips = nn.ModuleList(
            _with_norm(nn.Conv2d(channels_in, channels, 1)) if channels_in != channels else
            nn.Identity() for _ in range(2)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, K, L) to (N, C', K, L)."""
        n, channels, others, length = x.shape
        compared = self.compare(x + self.place)
        q, k = compared.reshape(n, 2, self.heads, self.inner * others, length).unbind(1)
        maps = torch.tanh(q.transpose(2, 3) @ k / (self.inner * others)) * self.strength
        if self.fixed is not None:
            maps = maps + self.fixed
        rows = x.reshape(n, 1, channels * others, length)
        attended = (rows @ maps).view(n, self.heads * channels, others, length)
        first, second = self.skips
        y = F.leaky_relu(first(x) + self.out(attended), SLOPE)
        fed: Tensor = F.leaky_relu(second(x) + self.feed(y), SLOPE)
        return fed


class DecoupledBlock(nn.Module):
    """Attention over joints, then over time, then a convolution if the stride is 2."""

    def __init__(
        self, channels_in: int, channels: int, *, frames: int, joints: int, heads: int, stride: int
    ) -> None:
        super().__init__()
        self.space = DecoupledAttention(
            channels_in, channels, length=joints, heads=heads, fixed_map=True
        )
        self.time = DecoupledAttention(
            channels, channels, length=frames, heads=heads, fixed_map=False
        )
        self.halve: nn.Module = nn.Identity()
        if stride > 1:
            self.halve = nn.Sequential(
                _with_norm(
                    nn.Conv2d(channels, channels, (KERNEL, 1), (stride, 1), (KERNEL // 2, 0))
                ),
                nn.LeakyReLU(SLOPE),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, V) to (N, C', T / stride, V)."""
        x = self.space(x)
        x = self.time(x.transpose(2, 3)).transpose(2, 3)
        halved: Tensor = self.halve(x)
        return halved


class Dsta(Backbone):
    """Decoupled attention over one body, eight blocks in three stages (2, 2, 4)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        quarter = max(config.depth // 4, 1)
        stages = config.stages((quarter, quarter))
        base = stages[0][1]
        self.embed = nn.Sequential(_with_norm(nn.Conv2d(3, base, 1)), nn.LeakyReLU(SLOPE))
        blocks, frames = [], config.frames
        for number, (before, after, stride) in enumerate(stages):
            blocks.append(
                DecoupledBlock(
                    before if number else base,
                    after,
                    frames=frames,
                    joints=config.joints,
                    heads=config.heads,
                    stride=stride,
                )
            )
            frames = -(-frames // stride)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, T/4 * V, D) of bodies (N, T, V, 3)."""
        x = self.embed(self.seen(bodies).permute(0, 3, 1, 2))
        for block in self.blocks:
            x = block(x)
        tokens: Tensor = x.flatten(2).transpose(1, 2)
        return tokens


def sinusoids(length: int, channels: int) -> Tensor:
    """Sinusoidal position embeddings (C, 1, L), as in "Attention is all you need"."""
    place = torch.arange(length, dtype=torch.float32)
    halves = torch.arange(0, channels, 2, dtype=torch.float32)
    angle = place * torch.exp(-math.log(10_000.0) / channels * halves)[:, None]
    return torch.stack((angle.sin(), angle.cos()), dim=1).flatten(0, 1)[:channels, None]


def _with_norm(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, SharedBatchNorm2d(convolution.out_channels))
