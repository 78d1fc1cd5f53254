"""Momentum encoders: the weights of one network as a moving average of another's."""

from __future__ import annotations

import math

import torch
from torch import nn


def rising_momentum(start: float, progress: float) -> float:
    """Momentum M = 1 - (1 - M0) (cos(pi * progress) + 1) / 2, which rises from M0 to 1.

    BYOL, as used in SkeAttnCLR, section 3.1.

    Args:
        start: M0.
        progress: Share of the run's steps that are done, 0 to 1.
    """
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2


@torch.no_grad()
def follow(follower: nn.Module, leader: nn.Module, momentum: float) -> None:
    """Set the follower's weights to momentum * follower + (1 - momentum) * leader.

    Buffers, such as the running statistics of norms, are copied.
    """
    for mine, its in zip(follower.parameters(), leader.parameters(), strict=True):
        mine.lerp_(its, 1 - momentum)
    for statistic, current in zip(follower.buffers(), leader.buffers(), strict=True):
        statistic.copy_(current)
