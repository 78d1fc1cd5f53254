"""Communication between the processes of a run, through which gradients flow.

In a run of one process, every function returns its argument. The losses of the processes add up to
the loss of the step (see `Batch`), so the gradient of a value that several processes use is the
sum of the gradients that they send back.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed.nn.functional
from torch import Tensor
from torch import distributed as dist

_with_gradient: Any = torch.distributed.nn.functional


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
    if not x.requires_grad:
        parts = [torch.empty_like(x) for _ in range(world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)
    return torch.cat(_with_gradient.all_gather(x.contiguous()))


def all_reduce(x: Tensor) -> Tensor:
    """Sum a tensor over all processes."""
    if world_size() == 1:
        return x
    if not x.requires_grad:
        total = x.clone()
        dist.all_reduce(total)
        return total
    sum_with_gradient: Tensor = _with_gradient.all_reduce(x)
    return sum_with_gradient


def own_rows(count: int, device: torch.device) -> Tensor:
    """Positions of this process's `count` rows in what `all_gather` returns."""
    return rank() * count + torch.arange(count, device=device)
