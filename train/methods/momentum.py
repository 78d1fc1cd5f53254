"""A network that follows another slowly, and how slowly (MoCo, BYOL; REFERENCE 8)."""

from __future__ import annotations

import math

import torch
from torch import nn


def rising_momentum(start: float, progress: float) -> float:
    """M = 1 - (1 - M0) (cos(pi * progress) + 1) / 2: from M0 to 1 (SkeAttnCLR section 3.1).

    Args:
        start: M0.
        progress: Share of the steps that are done.
    """
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2


@torch.no_grad()
def follow(follower: nn.Module, leader: nn.Module, momentum: float) -> None:
    """Move the weights of a follower; so much of them stays. Statistics of norms are copied."""
    for mine, its in zip(follower.parameters(), leader.parameters(), strict=True):
        mine.lerp_(its, 1 - momentum)
    for statistic, current in zip(follower.buffers(), leader.buffers(), strict=True):
        statistic.copy_(current)
