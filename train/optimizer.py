"""AdamW and SGD as the papers set them up: groups, layer-wise rates, warm-up, cosine or a drop."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import nn

from stars_infer.train.run import SGD, LoopConfig

BETAS = (0.9, 0.95)
DROP = 0.1
"""What is left of the rate after the drop."""
_BLOCK = re.compile(r"^(?:encoder|student)\.blocks\.(\d+)\.")
_EMBEDDING = ("encoder.embed.", "encoder.position.", "student.embed.", "student.position.")


def make_optimizer(
    module: nn.Module,
    config: LoopConfig,
    *,
    depth: int,
    betas: tuple[float, float] = BETAS,
) -> torch.optim.Optimizer:
    """The run's optimizer over the parameters that learn.

    Args:
        module: A method; its token embedding is layer 0, block i of 1 to N of the encoder that
            learns is layer i.
        config: Rates and decay.
        depth: Number of the layer whose rate is not scaled: N in STARS, whose last block learns
            at the full rate; N + 1 in fine-tuning, where only final norm and head do.
        betas: Of AdamW.

    Returns:
        An optimizer whose groups carry `lr_scale`, which `set_learning_rate` obeys.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        spared = parameter.ndim < 2 and config.optimizer != SGD
        decay = 0.0 if spared else config.weight_decay
        scale = _layer_scale(name, config.layer_decay, depth)
        group = groups.setdefault(
            (scale, decay), {"params": [], "weight_decay": decay, "lr_scale": scale}
        )
        group["params"].append(parameter)
    if config.optimizer == SGD:
        return torch.optim.SGD(list(groups.values()), lr=config.lr, momentum=config.sgd_momentum)
    return torch.optim.AdamW(list(groups.values()), lr=config.lr, betas=betas, fused=True)


def set_learning_rate(
    optimizer: torch.optim.Optimizer, config: LoopConfig, step: int, *, steps: int, warmup: int
) -> float:
    """Set the rates of a step and return the unscaled one: warm-up, then a cosine or a drop.

    Args:
        optimizer: From `make_optimizer`.
        config: Peak and final rate.
        step: Number of the step, from 0.
        steps: Of the whole schedule.
        warmup: Steps of warm-up.
    """
    if step < warmup:
        rate = config.lr * (step + 1) / warmup
    elif config.milestone is not None:
        rate = config.lr * (DROP if step >= round(config.milestone * steps) else 1.0)
    else:
        done = (step - warmup) / max(1, steps - warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        rate = config.final_lr + (config.lr - config.final_lr) * cosine
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
    return rate


def _layer_scale(name: str, decay: float | None, depth: int) -> float:
    """decay^(depth-i) for layer i, 1 for the final norm and the heads (STARS eq. 7)."""
    block = _BLOCK.match(name)
    if decay is None or not (block or name.startswith(_EMBEDDING)):
        return 1.0
    layer = int(block[1]) + 1 if block else 0
    return float(decay ** (depth - layer))
