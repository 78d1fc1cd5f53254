"""Batches of a pool: bodies and the vectors they are to have, with little left to compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stars_infer.train.views.augment import rotations
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.order import clips_of_step, derive_seed
from stars_infer.train.views.upload import Sent, Upload

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
        self.device = torch.device(device)
        self._upload = Upload(self.device)

    def draw(self, step: int, part: slice = slice(None)) -> tuple[Batch, ...]:
        """Make the batch of a step, or a part of it.

        Args:
            step: Number of the step, from 0.
            part: Which clips of the batch; the random numbers of a clip do not depend on it.
        """
        return self.finish(self.prepare(step, part))

    def prepare(self, step: int, part: slice = slice(None)) -> PoolDraw:
        """Read the clips of a step and begin to send them; another thread may do it."""
        numbers = self.clips_of_step(step)[part]
        random = torch.Generator().manual_seed(derive_seed(self.seed, step, _NOISE))
        angles = _TURN * (torch.rand(self.batch, 3, generator=random)[part] * 2 - 1)
        size = _JITTER * torch.rand(self.batch, generator=random)[part]
        given = (*self._take(numbers), rotations(angles), size)
        return PoolDraw(step=step, part=part, sent=self._upload.send(given))

    def finish(self, drawn: PoolDraw) -> tuple[Batch, ...]:
        """Turn and shake the bodies on the device."""
        bodies, vectors, turns, size = drawn.sent.receive()
        seed = derive_seed(self.seed, drawn.step, _NOISE + 1)
        noise = torch.Generator(self.device).manual_seed(seed)
        shape = (self.batch, *bodies.shape[1:])
        shaken = torch.randn(shape, generator=noise, device=self.device)[drawn.part]
        turned = torch.einsum("nij,ntvj->ntvi", turns, bodies)
        count = len(bodies)
        return (
            Batch(
                bodies=turned + shaken * size[:, None, None, None],
                clip=torch.arange(count, device=self.device),
                clips=count,
                noise=torch.empty(count, 0, device=self.device),
                vectors=vectors,
                share_of_bodies=count / self.batch,
                share_of_clips=count / self.batch,
            ),
        )

    def source(self, number: int) -> str:
        """A name for a clip."""
        return f"clip {number} of the pool"

    def clips_of_step(self, step: int) -> Tensor:
        """Numbers (B,) of the clips of a step."""
        return clips_of_step(step, batch=self.batch, clips=self.clips, seed=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDraw:
    """What the host gives to a step, or to a part of it: bodies, vectors, rotations and jitter."""

    step: int
    part: slice
    sent: Sent
