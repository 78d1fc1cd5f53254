"""Batches of a pool: bodies and the vectors they are to have, with little left to compute."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stars_infer.train.views.augment import rotations
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.order import clips_of_step, derive_seed

_TURN = 0.08
"""Largest angle about each axis by which a body is turned anew in every pass, radians."""
_JITTER = 0.01
"""Largest standard deviation of the noise that joints get anew in every pass, meters."""
_NOISE = 4
"""Takes the place of the number of a view in the seed of what is drawn anew."""


class PoolBatches:
    """Random batches of a pool.

    Each body is turned and shaken a little, so that passes over the pool differ.

    Args:
        take: Gives bodies (N, T, 25, 3) and vectors (N, D) of some clips.
        clips: Number of clips in the pool.
        batch: Clips per step, B.
        seed: Decides all random numbers, together with the number of the step.
        device: Device on which the batches are made.
    """

    def __init__(
        self,
        take: Callable[[Tensor], tuple[Tensor, Tensor]],
        clips: int,
        *,
        batch: int,
        seed: int,
        device: str,
    ) -> None:
        self._take = take
        self.clips, self.batch, self.seed = clips, batch, seed
        self._device = torch.device(device)

    def draw(self, step: int, part: slice = slice(None)) -> tuple[Batch, ...]:
        """Make the batch of a step, or a part of it.

        Args:
            step: Number of the step, from 0.
            part: Which clips of the batch; the random numbers of a clip do not depend on it.
        """
        numbers = clips_of_step(step, batch=self.batch, clips=self.clips, seed=self.seed)[part]
        bodies, vectors = (some.to(self._device, non_blocking=True) for some in self._take(numbers))
        random = torch.Generator().manual_seed(derive_seed(self.seed, step, _NOISE))
        angles = _TURN * (torch.rand(self.batch, 3, generator=random)[part] * 2 - 1)
        size = _JITTER * torch.rand(self.batch, generator=random)[part].to(self._device)
        noise = torch.Generator(self._device).manual_seed(derive_seed(self.seed, step, _NOISE + 1))
        shape = (self.batch, *bodies.shape[1:])
        shaken = torch.randn(shape, generator=noise, device=self._device)[part]
        turned = torch.einsum("nij,ntvj->ntvi", rotations(angles).to(self._device), bodies)
        count = len(numbers)
        return (
            Batch(
                bodies=turned + shaken * size[:, None, None, None],
                clip=torch.arange(count, device=self._device),
                clips=count,
                noise=torch.empty(count, 0, device=self._device),
                vectors=vectors,
                share_of_bodies=count / self.batch,
                share_of_clips=count / self.batch,
            ),
        )
