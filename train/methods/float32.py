"""Comparisons in float32, also where autocast runs the network in bf16.

Under autocast a product of float32 tensors is computed in bf16 all the same, so that `.float()`
before it changes nothing. Cosines of clips that resemble each other differ by less than bf16 can
tell: of clustered vectors, up to half would get another nearest neighbor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")


def in_float32(compare: Callable[_Given, _Made]) -> Callable[_Given, _Made]:
    """Let a function of tensors run without autocast, on tensors of float32."""

    @wraps(compare)
    def exact(*args: _Given.args, **kwargs: _Given.kwargs) -> _Made:
        given: list[Any] = [_as_float32(each) for each in args]
        named: dict[str, Any] = {name: _as_float32(each) for name, each in kwargs.items()}
        device = next(x.device for x in (*given, *named.values()) if isinstance(x, Tensor))
        with torch.autocast(device.type, enabled=False):
            return compare(*given, **named)

    return exact


def _as_float32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
