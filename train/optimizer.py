"""AdamW and SGD as in the papers: rates by layer, warm-up, then a cosine, milestone or plateau."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import nn

from stars_infer.train.run import SGD, LoopConfig

BETAS = (0.9, 0.95)
DROP = 0.1
"""Factor of the rate after the milestone."""
_BLOCK = re.compile(r"^(?:encoder|student)\.blocks\.(\d+)\.")
_EMBEDDING = ("encoder.embed.", "encoder.position.", "student.embed.", "student.position.")


def make_optimizer(
    module: nn.Module,
    config: LoopConfig,
    *,
    depth: int,
    betas: tuple[float, float] = BETAS,
) -> torch.optim.Optimizer:
    """Make the optimizer of the parameters that learn.

    Args:
        module: A method. The token embedding of its encoder is layer 0; block i, from 1 to N, is
            layer i.
        config: Learning rate and decays.
        depth: Number of the layer that learns at the full rate: N in STARS (equation 7); N + 1 in
            fine-tuning, where only the final norm and the head do.
        betas: Betas of AdamW.

    Returns:
        An optimizer whose groups have an `lr_scale`, which `set_learning_rate` applies.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        exempt = parameter.ndim < 2 and config.optimizer != SGD
        decay = 0.0 if exempt else config.weight_decay
        scale = _layer_scale(name, config.layer_decay, depth)
        group = groups.setdefault(
            (scale, decay), {"params": [], "weight_decay": decay, "lr_scale": scale}
        )
        group["params"].append(parameter)
    if config.optimizer == SGD:
        return torch.optim.SGD(list(groups.values()), lr=config.lr, momentum=config.sgd_momentum)
    return torch.optim.AdamW(list(groups.values()), lr=config.lr, betas=betas, fused=True)


def set_learning_rate(
    optimizer: torch.optim.Optimizer,
    config: LoopConfig,
    step: int,
    *,
    steps: int,
    warmup: int,
    factor: float = 1.0,
) -> float:
    """Set the learning rates of a step and return the unscaled rate.

    Args:
        optimizer: From `make_optimizer`.
        config: Peak rate, final rate and milestone.
        step: Number of the step, counted from 0.
        steps: Number of steps of the schedule.
        warmup: Number of warm-up steps.
        factor: What the peak rate is multiplied by after the warm-up, with `plateau`.
    """
    if step < warmup:
        rate = config.lr * (step + 1) / warmup
    elif config.plateau is not None:
        rate = config.lr * factor
    elif config.milestone is not None:
        drops = drops_before(step, steps, config.milestone, config.second_milestone)
        rate = config.lr * DROP**drops
    else:
        done = (step - warmup) / max(1, steps - warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        rate = config.final_lr + (config.lr - config.final_lr) * cosine
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
    return rate


def drops_before(step: int, steps: int, *milestones: float | None) -> int:
    """Number of milestones, shares of the steps, that are behind a step."""
    return sum(step >= round(share * steps) for share in milestones if share is not None)


def _layer_scale(name: str, decay: float | None, depth: int) -> float:
    """decay^(depth-i) for layer i; 1 for the final norm and the heads (STARS, equation 7)."""
    block = _BLOCK.match(name)
    if decay is None or not (block or name.startswith(_EMBEDDING)):
        return 1.0
    layer = int(block[1]) + 1 if block else 0
    return float(decay ** (depth - layer))
