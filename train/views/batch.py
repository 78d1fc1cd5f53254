"""A batch: what a method sees of the clips of a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The bodies of several clips, each a sequence of its own.

    Attributes:
        bodies: (N, T, V, 3), meters.
        clip: Clip that each body belongs to, (N,), 0 to B-1.
        clips: Number of clips, B.
        noise: Uniform noise in [0, 1) for each token, (N, Te*V).
        labels: Class number of each clip, (B,), for methods that learn from labels.
        vectors: What the vectors of the bodies are to be, (N, D), for methods that are taught them.
        share_of_bodies: Share of the bodies of the whole step that this batch holds. A method
            multiplies its mean loss by the share, so that the losses of the parts of a step
            (gradient steps, processes) add up to the loss of the step.
        share_of_clips: The same share for clips.
    """

    bodies: Tensor
    clip: Tensor
    clips: int
    noise: Tensor
    labels: Tensor | None = None
    vectors: Tensor | None = None
    share_of_bodies: float = 1.0
    share_of_clips: float = 1.0

    def mean_over_bodies(self, features: Tensor) -> Tensor:
        """Average body features (N, D) by clip to clip features (B, D)."""
        sums = features.new_zeros(self.clips, features.shape[1]).index_add(0, self.clip, features)
        return sums / self.count_bodies()[:, None]

    def count_bodies(self) -> Tensor:
        """Number of bodies of each clip, (B,), float32; unlike `bincount`, nobody waits for it."""
        ones = torch.ones(len(self.clip), device=self.clip.device)
        return torch.zeros(self.clips, device=self.clip.device).index_add(0, self.clip, ones)
