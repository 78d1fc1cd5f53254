"""The order in which clips are seen: shuffled passes, each decided by the seed and its number."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

_ORDER = 1 << 31
"""Takes the place of the number of a view in the seed of the order of a pass."""


def clips_of_step(step: int, *, batch: int, clips: int, seed: int) -> Tensor:
    """Numbers (B,) of the clips of a step: the next ones of shuffled passes over the data.

    Args:
        step: Number of the step, from 0.
        batch: Clips per step, B.
        clips: Number of clips in the data.
        seed: Decides the order.
    """
    positions = torch.arange(step * batch, (step + 1) * batch)
    passes = positions // clips
    return torch.cat(
        [
            _order_of_pass(number, clips, seed)[positions[passes == number] % clips]
            for number in range(int(passes[0]), int(passes[-1]) + 1)
        ]
    )


def derive_seed(*numbers: int) -> int:
    """Derive a 63-bit seed from several numbers."""
    state = np.random.SeedSequence(numbers).generate_state(2)
    return int(state[0]) << 31 | int(state[1]) >> 1


@lru_cache(maxsize=2)
def _order_of_pass(number: int, clips: int, seed: int) -> Tensor:
    """Random order of the clips in a pass over the data."""
    random = torch.Generator().manual_seed(derive_seed(seed, number, _ORDER))
    return torch.randperm(clips, generator=random)
