"""Transformer blocks and position embeddings of encoder and decoder (MAMP, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBEDDING_STD = 0.02


class Attention(nn.Module):
    """Multi-head self-attention with a fused qkv projection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each sequence of (N, L, D)."""
        n, length, width = x.shape
        qkv = self.qkv(x).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v)
        projected: Tensor = self.proj(attended.transpose(1, 2).reshape(n, length, width))
        return projected


class Block(nn.Module):
    """Pre-norm transformer block: attention, then an MLP of four times the width.

    Attributes:
        drop_path: Probability that a sequence skips a branch during training (stochastic depth);
            the other sequences are scaled up, so that the expectation stays the same.
    """

    drop_path = 0.0

    def __init__(self, width: int, heads: int, mlp_ratio: int = 4) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-5)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, L, D) to (N, L, D)."""
        attended, mixed = self.halves(x)
        return attended + mixed

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the attention half, and what the MLP adds to it, both (N, L, D)."""
        attended = x + self._drop_path(self.attention(self.norm1(x)))
        return attended, self._drop_path(self.mlp(self.norm2(attended)))

    def _drop_path(self, branch: Tensor) -> Tensor:
        """Set a branch (N, L, D) to zero for the sequences that skip it."""
        if not (self.training and self.drop_path):
            return branch
        share = 1 - self.drop_path
        kept = torch.rand(len(branch), 1, 1, device=branch.device) < share
        return branch * (kept / share).to(branch.dtype)


class PositionEmbedding(nn.Module):
    """Learned embedding of a token's time plus a learned embedding of its joint."""

    def __init__(self, segments: int, joints: int, width: int) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.empty(1, segments, 1, width))
        self.joint = nn.Parameter(torch.empty(1, 1, joints, width))
        for parameter in (self.time, self.joint):
            nn.init.trunc_normal_(parameter, std=EMBEDDING_STD)

    def forward(self) -> Tensor:
        """Embeddings (1, Te*V, D), time-major."""
        return (self.time + self.joint).flatten(1, 2)


def init_linear(module: nn.Module) -> None:
    """Give a linear layer Xavier-uniform weights and zero bias; for `Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
