"""ST-GCN: convolution over the graph of the skeleton, then over time.

Yan et al., AAAI 2018, in the form that SkeletonCLR and SkeAttnCLR (section 4.2) train: spatial
partition, learned edge weights, a kernel of nine frames, and channels that grow from a quarter of
the width to the whole width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.networks.norm import SharedBatchNorm, SharedBatchNorm2d
from stars_infer.train.networks.skeleton_graph import spatial_partition

KERNEL = 9
"""Frames of the convolution over time."""


class GraphBlock(nn.Module):
    """Convolution over each joint's neighbors, then over the frames: (N, C, T, V).

    Args:
        channels_in: Input channels, C.
        channels: Output channels, C'.
        stride: Input frames per output frame.
        dropout: Share of the values that are dropped during training.
        residual: Whether the input is added to the output.
    """

    def __init__(
        self, channels_in: int, channels: int, *, stride: int, dropout: float, residual: bool
    ) -> None:
        super().__init__()
        graph = torch.from_numpy(spatial_partition())
        self.register_buffer("graph", graph, persistent=False)
        self.graph: Tensor
        self.edges = nn.Parameter(torch.ones_like(graph))
        self.space = nn.Conv2d(channels_in, len(graph) * channels, 1)
        self.time = nn.Sequential(
            SharedBatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, (KERNEL, 1), (stride, 1), (KERNEL // 2, 0)),
            SharedBatchNorm2d(channels),
            nn.Dropout(dropout),
        )
        self.residual: nn.Module | None = None
        if residual and (channels_in != channels or stride > 1):
            self.residual = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, (stride, 1)), SharedBatchNorm2d(channels)
            )
        elif residual:
            self.residual = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, V) to (N, C', T / stride, V)."""
        mixed: Tensor = self.time(self.aggregate(x))
        return F.relu(mixed if self.residual is None else mixed + self.residual(x))

    def aggregate(self, x: Tensor) -> Tensor:
        """Aggregate the neighbors of each joint: sum over k of (W_k x + b_k) A_k.

        The sums over neighbors come first and the weights W_k second, as two large products.
        """
        n, channels, frames, joints = x.shape
        graph, parts = self.graph * self.edges, len(self.graph)
        sums = (x.reshape(n, 1, channels * frames, joints) @ graph).reshape(
            n, parts * channels, frames, joints
        )
        assert self.space.bias is not None
        weight = self.space.weight.view(parts, -1, channels).transpose(0, 1)
        bias = self.space.bias.view(parts, -1).T @ graph.sum(dim=1)
        return F.conv2d(sums, weight.reshape(-1, parts * channels, 1, 1)) + bias[:, None]


class StGcn(Backbone):
    """Graph convolutions over one body, ten blocks in three stages (4, 3, 3)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        third = config.depth // 3
        self.embed = SharedBatchNorm(3 * config.joints)
        self.blocks = nn.ModuleList(
            GraphBlock(
                before,
                after,
                stride=stride,
                dropout=config.dropout if number else 0.0,
                residual=number > 0,
            )
            for number, (before, after, stride) in enumerate(
                config.stages((config.depth - 2 * third, third))
            )
        )

    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, T/4 * V, D) of bodies (N, T, V, 3)."""
        n, frames, joints, _ = bodies.shape
        seen = self.seen(bodies).flatten(2).transpose(1, 2)
        x = self.embed(seen).view(n, joints, 3, frames).permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        tokens: Tensor = x.flatten(2).transpose(1, 2)
        return tokens
