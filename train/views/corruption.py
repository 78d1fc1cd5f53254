"""Clips as users have them: bodies of all shapes before a camera that errs, drawn for a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stars_infer.layouts import NTU25_JOINTS
from stars_infer.preprocessing.normalize import CHAIN, PACE_FRAMES
from stars_infer.train.views import sensor
from stars_infer.train.views.augment import MIRRORED_JOINTS, rotations
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.normalize import bones, rebuilt

_JOINTS = len(NTU25_JOINTS)
_UNIFORM = 3 * (_JOINTS + len(sensor.LIMBS)) + 3
"""Uniform numbers a body: of jumps, of limbs, and one each for jitter, rate and layout."""
_NORMAL = _JOINTS * (1 + 3 + 3)
"""Normal numbers a body: of lengths, posture and jumps."""


class Corruption:
    """Everything random that happens to the bodies of a batch.

    All of it is drawn for the whole batch, so that a clip meets the same fate in whatever part.

    Args:
        config: What may happen.
        batch: B.
        seed: Decides it all.
        device: Where it is drawn.
    """

    def __init__(self, config: ViewConfig, batch: int, seed: int, device: torch.device) -> None:
        random = torch.Generator(device).manual_seed(seed)
        self.config = config
        self._uniform = torch.rand(batch, 2, _UNIFORM, generator=random, device=device)
        self._normal = torch.randn(batch, 2, _NORMAL, generator=random, device=device)
        self._jitter = (
            torch.randn(batch, 2, PACE_FRAMES, _JOINTS, 3, generator=random, device=device)
            if config.jitter
            else None
        )

    def of(self, part: slice | Tensor, clip: Tensor, slot: Tensor) -> CorruptedBodies:
        """What happens to some bodies: clip (N,) within a part of the batch, and slot (N,)."""
        device = self._uniform.device
        clip, slot = clip.to(device), slot.to(device)
        return CorruptedBodies(
            config=self.config,
            uniform=self._uniform[part][clip, slot],
            # A camera's rate, noise and joints are those of the clip, not of the body.
            camera=self._uniform[part][clip, 0, -3:],
            normal=self._normal[part][clip, slot],
            jitter=None if self._jitter is None else self._jitter[part][clip, slot],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptedBodies:
    """What happens to N bodies.

    Attributes:
        config: What may happen.
        uniform: (N, U).
        camera: The last three uniform numbers, the same for both bodies of a clip, (N, 3).
        normal: (N, G).
        jitter: Normal (N, K, V, 3), or None.
    """

    config: ViewConfig
    uniform: Tensor
    camera: Tensor
    normal: Tensor
    jitter: Tensor | None

    @property
    def rate(self) -> Tensor:
        """Share of the frames that is recorded, (N,)."""
        slowest = self.config.slowest_rate
        return (slowest + (1 - slowest) * self.camera[:, 1]).double()

    def apply(self, bodies: Tensor, length: Tensor) -> Tensor:
        """Disturb bodies (N, T, V, 3) of so many frames (N,); those without a body stay empty."""
        config = self.config
        present = bodies.flatten(2).any(dim=2)[:, :, None, None]
        count = len(bodies)
        lengths, vectors = self.normal[:, :_JOINTS], self.normal[:, _JOINTS:]
        posture, outliers = vectors.view(count, 2, _JOINTS, 3).unbind(1)
        if config.bone_lengths:
            bodies = lengthened(bodies, lengths, config.bone_lengths)
        if config.posture:
            bodies = posed(bodies, posture, config.posture)
        if config.hidden_limbs:
            limbs = self.uniform[:, 3 * _JOINTS : -3].reshape(count, 3, -1)
            bodies = sensor.hidden(bodies, limbs, config.hidden_limbs)
        if self.jitter is not None:
            bodies = bodies + self._at_the_camera_rate(bodies.shape[1], length)
        if config.outliers:
            joints = self.uniform[:, : 3 * _JOINTS].reshape(count, 3, -1)
            bodies = sensor.jumping(bodies, outliers, joints, config.outliers)
        if config.reduced_layouts:
            kinds = len(sensor.REDUCED)
            drawn = (self.camera[:, 2] / config.reduced_layouts * kinds).long()
            bodies = sensor.with_joints_of(bodies, drawn.where(drawn < kinds, -1))
        return bodies * present

    def _at_the_camera_rate(self, frames: int, length: Tensor) -> Tensor:
        """Trembling of joints, new with every recorded frame and linear between, (N, T, V, 3)."""
        assert self.jitter is not None
        jitter = self.config.jitter * self.camera[:, 0]
        noise = sensor.jitter(self.jitter, jitter)
        recorded = (length.to(jitter) * self.rate)[:, None]
        steps = torch.arange(frames, device=jitter.device) + 0.5
        position = (steps * recorded / frames - 0.5).clamp(min=0)
        before = position.floor().long()
        row = torch.arange(len(noise), device=noise.device)[:, None]
        weight = (position - before).to(noise)[:, :, None, None]
        kept = noise.shape[1]
        return torch.lerp(noise[row, before % kept], noise[row, (before + 1) % kept], weight)


_ONE_OF_A_PAIR = [min(pair) for pair in enumerate(MIRRORED_JOINTS)]
"""For each NTU-25 joint, the one whose random number decides for both sides."""


def lengthened(bodies: Tensor, noise: Tensor, deviation: float) -> Tensor:
    """Stretch the bones of bodies (N, T, 25, 3), left and right ones alike.

    Args:
        bodies: Bodies.
        noise: Normal, (N, 25).
        deviation: Of the logarithm of a bone's length.
    """
    stretch = (deviation * noise[:, _ONE_OF_A_PAIR]).exp()
    return rebuilt(bodies, bones(bodies) * stretch[:, None, :, None])


def posed(bodies: Tensor, noise: Tensor, deviation: float) -> Tensor:
    """Turn the bones of bodies (N, T, 25, 3) by angles that stay the same over the clip.

    What hangs on a bone turns with it; angles are small, so they are added along the chain.

    Args:
        bodies: Bodies.
        noise: Normal, (N, 25, 3).
        deviation: Of each joint's angles about x, y and z, radians.
    """
    chain = torch.from_numpy(CHAIN).to(bodies)
    angles = (chain @ (noise * deviation)).flatten(0, 1)
    turns = rotations(angles).view(len(bodies), len(NTU25_JOINTS), 3, 3)
    return rebuilt(bodies, torch.einsum("nvij,ntvj->ntvi", turns, bones(bodies)))
