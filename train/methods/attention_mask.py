"""The multi-head self-attention mask of SkeAttnCLR: which tokens of a body are salient."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stars_infer.train.networks.blocks import Attention


class AttentionMask(nn.Module):
    """Soft mask (N, L, D) in (0, 1) over an encoder's tokens (SkeAttnCLR equations 2 to 4).

    Args:
        width: D.
        heads: Attention heads.
        sharpness: Lambda; the larger, the closer the mask is to 0 and 1.
    """

    def __init__(self, width: int, *, heads: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mask of final tokens (N, L, D)."""
        # The projection that follows the heads is the linear layer of equation 4.
        return torch.sigmoid(self.sharpness * self.attention(self.norm(tokens)).float())


def salient_means(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Means (N, D) of tokens (N, L, D) under a mask and under what it leaves (equations 5 to 7)."""
    return (tokens * mask).mean(dim=1), (tokens * (1 - mask)).mean(dim=1)
