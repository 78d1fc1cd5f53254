"""When the frames of a view are taken: backward, twice, or with a pause before and after."""

from __future__ import annotations

import torch
from torch import Tensor

from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.normalize import frames_to_normalize

_LONGEST_PAUSE = 1 / 3
"""Longest pause before or after what a crop shows, in shares of the view."""


def warped_times(config: ViewConfig, batch: int, random: torch.Generator) -> Tensor:
    """Draw sampling times, in frames of the view, at which a crop is seen.

    Args:
        config: How often clips have pauses, are repeated, or run backward.
        batch: Number of clips, B.
        random: Draws the same number of values, whatever the configuration.

    Returns:
        (B, T), float64, from 0 to T. During a pause they stay at an end of the crop.
    """
    frames = frames_to_normalize(config)
    chance = torch.rand(batch, 3, generator=random, dtype=torch.float64)
    pauses = torch.rand(batch, 2, generator=random, dtype=torch.float64) * _LONGEST_PAUSE
    still, twice, backward = (
        chance < torch.tensor([config.stillness, config.repeats, config.reverse])
    )[:, :, None].unbind(1)
    times = ((torch.arange(frames, dtype=torch.float64) + 0.5) / frames).expand(batch, -1)
    before, after = (pauses * still)[:, :, None].unbind(1)
    times = ((times - before) / (1 - before - after)).clamp(0, 1)
    times = torch.where(twice & (times < 1), (2 * times) % 1, times)
    return torch.where(backward, 1 - times, times) * frames
