"""Stands in for a GPU where there is none: tensors made on the host cannot go to other processes.

On a GPU a tensor that is made without a device lies on the host, and NCCL refuses it. On a CPU
both look alike, so what is made without a device is marked here, as is what is computed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only


class HostTensor(Tensor):
    """Made without a device, or from such tensors alone."""

    __torch_function__ = torch._C._disabled_torch_function_impl


class _Marking(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = tree_leaves((args, kwargs or {}))
        on_device = (
            any(isinstance(x, Tensor) and not isinstance(x, HostTensor) for x in given)
            or any(isinstance(x, torch.device) for x in given)
            or isinstance((kwargs or {}).get("device"), str)
        )
        made, other = (Tensor, HostTensor) if on_device else (HostTensor, Tensor)

        def marked(x: Tensor) -> Tensor:
            return x.as_subclass(made) if type(x) is other else x

        return tree_map_only(Tensor, marked, func(*args, **(kwargs or {})))


@contextmanager
def collectives_of_a_gpu() -> Iterator[None]:
    """Let collectives refuse tensors that are made on the host from here on."""
    names = ("all_reduce", "all_gather", "all_gather_into_tensor", "broadcast", "reduce_scatter")
    with ExitStack() as stack:
        for name in names:
            refusing = _refusing(getattr(torch.distributed, name))
            stack.enter_context(patch.object(torch.distributed, name, refusing))
        stack.enter_context(_Marking())
        yield


def _refusing(collective: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, HostTensor) for x in tree_leaves((args, kwargs))):
            raise RuntimeError(f"{collective.__name__}: NCCL serves no tensor of the host")
        return collective(*args, **kwargs)

    return call
