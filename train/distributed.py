"""What the processes of a run tell each other, with gradients; alone, nothing happens.

Losses of the processes add up to the loss of the step (see `Batch`), so the gradient of a value
that several processes use is the sum of what each of them sends back.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed.nn.functional
from torch import Tensor
from torch import distributed as dist

_with_gradient: Any = torch.distributed.nn.functional


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if processes() > 1 else 0


def gathered(x: Tensor) -> Tensor:
    """Rows of all processes, (B, ...), in the order of the processes; all give as many."""
    if processes() == 1:
        return x
    if not x.requires_grad:
        parts = [torch.empty_like(x) for _ in range(processes())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)
    return torch.cat(_with_gradient.all_gather(x.contiguous()))


def summed(x: Tensor) -> Tensor:
    """Sum over all processes."""
    if processes() == 1:
        return x
    if not x.requires_grad:
        total = x.clone()
        dist.all_reduce(total)
        return total
    sum_with_gradient: Tensor = _with_gradient.all_reduce(x)
    return sum_with_gradient


def own_rows(count: int, device: torch.device) -> Tensor:
    """Places of this process's `count` rows among the gathered ones."""
    return process() * count + torch.arange(count, device=device)
