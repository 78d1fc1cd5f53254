"""Corruption: training clips as users record them, of other bodies and by imperfect sensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stars_infer.layouts import NTU25_JOINTS
from stars_infer.preprocessing.normalize import PACE_FRAMES
from stars_infer.train.constant import Constant
from stars_infer.train.views import sensor
from stars_infer.train.views.augment import COUNTERPARTS, rotations
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.normalize import PARTS_OF_CHAIN, bones, rebuild

_JOINTS = len(NTU25_JOINTS)
_UNIFORM = 3 * (_JOINTS + len(sensor.LIMBS)) + 3
"""Uniform numbers per body: for outliers, for limbs, and one each for jitter, rate and layout."""
_NORMAL = _JOINTS * (1 + 3 + 3)
"""Normal numbers per body: for bone lengths, posture and outliers."""


class Corruption:
    """The random numbers that corrupt the bodies of a batch.

    They are drawn for the whole batch, so that the corruption of a clip does not depend on the part
    of the batch that a process sees.

    Args:
        config: Kinds and amounts of corruption.
        batch: Number of clips, B.
        seed: Seed of the random numbers.
        device: Device on which they are drawn.
    """

    def __init__(self, config: ViewConfig, batch: int, seed: int, device: torch.device) -> None:
        random = torch.Generator(device).manual_seed(seed)
        self.config = config
        # Later kinds of corruption have a generator of their own: the draws of others stay.
        others = torch.Generator(device).manual_seed(seed + 1)
        self._scale = torch.randn(batch, generator=others, device=device)
        self._legs = torch.rand(batch, generator=others, device=device)
        self._uniform = torch.rand(batch, 2, _UNIFORM, generator=random, device=device)
        self._normal = torch.randn(batch, 2, _NORMAL, generator=random, device=device)
        self._jitter = (
            torch.randn(batch, 2, PACE_FRAMES, _JOINTS, 3, generator=random, device=device)
            if config.jitter
            else None
        )

    def of(self, position: Tensor, slot: Tensor) -> BodyCorruption:
        """Corruption of bodies, given by their clips' positions in the batch (N,), and slots."""
        return BodyCorruption(
            config=self.config,
            uniform=self._uniform[position, slot],
            # Frame rate, noise level and layout belong to the camera, so both bodies share them.
            camera=self._uniform[:, 0, -3:][position],
            depth=self._scale[position],
            legs=self._legs[position],
            normal=self._normal[position, slot],
            jitter=None if self._jitter is None else self._jitter[position, slot],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyCorruption:
    """The corruption of N bodies.

    Attributes:
        config: Kinds and amounts of corruption.
        uniform: Uniform numbers of each body, (N, U).
        camera: The last three uniform numbers, the same for both bodies of a clip, (N, 3).
        depth: A normal number for the scale of depth, the same for both bodies of a clip, (N,).
        legs: A uniform number for the legs, likewise, (N,).
        normal: Normal numbers of each body, (N, G).
        jitter: Normal numbers (N, K, V, 3), or None without jitter.
    """

    config: ViewConfig
    uniform: Tensor
    camera: Tensor
    depth: Tensor
    legs: Tensor
    normal: Tensor
    jitter: Tensor | None

    @property
    def rate(self) -> Tensor:
        """Share of the frames that the camera records, (N,)."""
        slowest = self.config.slowest_rate
        return (slowest + (1 - slowest) * self.camera[:, 1]).double()

    def apply(self, bodies: Tensor, length: Tensor) -> Tensor:
        """Corrupt bodies (N, T, V, 3); frames without a body stay empty.

        Args:
            bodies: Bodies, resized to T frames.
            length: Number of frames (N,) that each body had before.
        """
        config = self.config
        present = bodies.flatten(2).any(dim=2)[:, :, None, None]
        count = len(bodies)
        lengths, vectors = self.normal[:, :_JOINTS], self.normal[:, _JOINTS:]
        posture, outliers = vectors.view(count, 2, _JOINTS, 3).unbind(1)
        if config.bone_lengths:
            bodies = stretch_bones(bodies, lengths, config.bone_lengths)
        if config.posture:
            bodies = turn_bones(bodies, posture, config.posture)
        if config.hidden_limbs:
            limbs = self.uniform[:, 3 * _JOINTS : -3].reshape(count, 3, -1)
            bodies = sensor.hide_limbs(bodies, limbs, config.hidden_limbs)
        if config.hidden_legs:
            bodies = sensor.hide_legs(bodies, self.legs < config.hidden_legs)
        if config.depth:
            bodies = sensor.scale_depth(bodies, (config.depth * self.depth).exp())
        if self.jitter is not None:
            bodies = bodies + self._jitter_at_camera_rate(bodies.shape[1], length)
        if config.outliers:
            joints = self.uniform[:, : 3 * _JOINTS].reshape(count, 3, -1)
            bodies = sensor.add_outliers(bodies, outliers, joints, config.outliers)
        if config.reduced_layouts:
            kinds = len(sensor.REDUCED)
            drawn = (self.camera[:, 2] / config.reduced_layouts * kinds).long()
            bodies = sensor.reduce_layouts(bodies, drawn.masked_fill(drawn >= kinds, -1))
        return bodies * present

    def _jitter_at_camera_rate(self, frames: int, length: Tensor) -> Tensor:
        """Jitter (N, T, V, 3), drawn anew for each recorded frame and interpolated linearly."""
        assert self.jitter is not None
        jitter = self.config.jitter * self.camera[:, 0]
        noise = sensor.scale_jitter(self.jitter, jitter)
        recorded = (length.to(jitter) * self.rate)[:, None]
        steps = torch.arange(frames, device=jitter.device) + 0.5
        position = (steps * recorded / frames - 0.5).clamp(min=0)
        before = position.floor().long()
        row = torch.arange(len(noise), device=noise.device)[:, None]
        weight = (position - before).to(noise)[:, :, None, None]
        kept = noise.shape[1]
        return torch.lerp(noise[row, before % kept], noise[row, (before + 1) % kept], weight)


_ONE_OF_A_PAIR = Constant([min(pair) for pair in enumerate(COUNTERPARTS)])
"""For each NTU-25 joint, the one of its pair whose random number both sides use."""


def stretch_bones(bodies: Tensor, noise: Tensor, deviation: float) -> Tensor:
    """Stretch the bones of bodies (N, T, 25, 3), left and right ones equally.

    Args:
        bodies: Bodies.
        noise: Normal numbers, (N, 25).
        deviation: Standard deviation of the logarithm of a bone's length.
    """
    stretch = (deviation * noise[:, _ONE_OF_A_PAIR.on(noise.device)]).exp()
    return rebuild(bodies, bones(bodies) * stretch[:, None, :, None])


def turn_bones(bodies: Tensor, noise: Tensor, deviation: float) -> Tensor:
    """Turn the bones of bodies (N, T, 25, 3) by angles that are constant over the clip.

    A bone turns with the bones it hangs on; the angles are small, so they add up along the chain.

    Args:
        bodies: Bodies.
        noise: Normal numbers, (N, 25, 3).
        deviation: Standard deviation of the angles about x, y and z, radians.
    """
    chain = PARTS_OF_CHAIN.like(bodies)
    angles = (chain @ (noise * deviation)).flatten(0, 1)
    turns = rotations(angles).view(len(bodies), len(NTU25_JOINTS), 3, 3)
    return rebuild(bodies, torch.einsum("nvij,ntvj->ntvi", turns, bones(bodies)))
