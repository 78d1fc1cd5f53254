"""Communication between the processes of a run, through which gradients flow.

In a run of one process, every function returns its argument. The losses of the processes add up to
the loss of the step (see `Batch`), so the gradient of a value that several processes use is the
sum of the gradients that they send back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def world_size() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, counted from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def all_gather(x: Tensor) -> Tensor:
    """Concatenate the rows (B, ...) of all processes in the order of their ranks.

    Every process must give the same number of rows.
    """
    if world_size() == 1:
        return x
    apply: Any = _Gather.apply  # untyped
    gathered: Tensor = apply(x)
    return gathered


def all_reduce(x: Tensor) -> Tensor:
    """Sum a tensor over all processes."""
    if world_size() == 1:
        return x
    apply: Any = _Sum.apply  # untyped
    total: Tensor = apply(x)
    return total


def own_rows(count: int, device: torch.device) -> Tensor:
    """Positions of this process's `count` rows in what `all_gather` returns."""
    return rank() * count + torch.arange(count, device=device)


class _Gather(torch.autograd.Function):
    """The rows of all processes; the gradient of a row is the sum of what all send back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        everyone = x.new_empty(world_size(), *x.shape)
        dist.all_gather(list(everyone), x.contiguous())
        ctx.rows = len(x)
        return everyone.flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        start = rank() * ctx.rows
        return total[start : start + ctx.rows]


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sum(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _sum(gradients[0])


def _sum(x: Tensor) -> Tensor:
    total = x.contiguous().clone()
    dist.all_reduce(total)
    return total
