"""A recurrent layer as one operation of compiled graphs.

`torch.compile` stops at recurrent layers, or takes them apart frame by frame. This operation hides
the layer from it. Its backward pass runs the layer once more, since an operation keeps its inputs
and not what the layer remembers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def know_gru() -> None:
    """Let `torch.compile` see recurrent layers, of which it then takes the weights only."""
    from torch._dynamo import config

    config.allow_rnn = True


def gru_layer(x: Tensor, gru: nn.Module) -> Tensor:
    """Outputs (N, T, D) of a layer in both directions, as autocast would have it."""
    half = torch.is_autocast_enabled(x.device.type)
    kind = torch.bfloat16 if half else torch.float32
    names = [f"{name}{way}" for way in ("", "_reverse") for name in _NAMES]
    weights = [getattr(gru, name).to(kind) for name in names]
    outputs: Tensor = torch.ops.stars_infer.gru(x.to(kind), weights)
    return outputs


_AUTOGRAD: Any = torch._C.DispatchKey.AutogradFunctionality
_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def _run(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        start = x.new_zeros(2, len(x), weights[1].shape[1])
        outputs: Tensor = torch.gru(
            x, start, list(weights), True, 1, 0.0, True, bidirectional=True, batch_first=True
        )[0]
    return outputs


@torch.library.custom_op("stars_infer::gru", mutates_args=())
def _gru(x: Tensor, weights: list[Tensor]) -> Tensor:
    return _run(x, weights).contiguous()


@_gru.register_fake
def _(x: Tensor, weights: list[Tensor]) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], 2 * weights[1].shape[1])


@torch.library.custom_op("stars_infer::gru_backward", mutates_args=())
def _gru_backward(gradient: Tensor, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
    given = [each.detach().requires_grad_() for each in (x, *weights)]
    # An operation runs below autograd, which is needed here.
    with torch._C._SetExcludeDispatchKeyGuard(_AUTOGRAD, False), torch.enable_grad():
        outputs = _run(given[0], given[1:])
        found = torch.autograd.grad(outputs, given, gradient)
    return [each.contiguous() for each in found]


@_gru_backward.register_fake
def _(gradient: Tensor, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
    return [torch.empty_like(each).contiguous() for each in (x, *weights)]


def _remember(ctx: Any, inputs: Any, output: Any) -> None:
    x, weights = inputs
    ctx.save_for_backward(x, *weights)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, list[Tensor]]:
    x, *weights = ctx.saved_tensors
    first, *others = torch.ops.stars_infer.gru_backward(gradient.contiguous(), x, weights)
    return first, others


_gru.register_autograd(_backward, setup_context=_remember)
