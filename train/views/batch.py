"""What a method sees of a step's clips."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Bodies of several clips as sequences of their own.

    Attributes:
        bodies: (N, T, V, 3), meters.
        clip: To which clip of the batch each body belongs, (N,), 0 to clips-1.
        clips: B.
        noise: Uniform noise per token, (N, Te*V).
        labels: Class number of each clip, (B,), if the method learns from labels.
        share_of_bodies: Share of the whole step's bodies that this batch, a part of it, holds. A
            method scales its mean by the share, so that the losses of the parts (gradient steps,
            processes) add up to the loss of the whole.
        share_of_clips: The same for clips.
    """

    bodies: Tensor
    clip: Tensor
    clips: int
    noise: Tensor
    labels: Tensor | None = None
    share_of_bodies: float = 1.0
    share_of_clips: float = 1.0

    def mean_over_bodies(self, features: Tensor) -> Tensor:
        """Average body features (N, D) to clip features (B, D)."""
        sums = features.new_zeros(self.clips, features.shape[1]).index_add(0, self.clip, features)
        counts = torch.zeros(self.clips, device=features.device).index_add(
            0, self.clip, torch.ones(len(self.clip), device=features.device)
        )
        return sums / counts[:, None]
