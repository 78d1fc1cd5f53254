"""Body-part mixing: for part of its frames, a clip borrows body parts of another clip.

The extra augmentation of SkeAttnCLR (section 3.2), after SkeleMixCLR (Chen et al. 2022). All clips
of a step share the same draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.train.views.normalize import bones, rebuild

UNIT = 4
"""Unit of the length of a window, frames."""
_TRUNK = ("base of spine", "middle of spine", "spine at shoulders", "neck", "head")
_LEG = ("hip", "knee", "ankle", "foot")


def _body_parts() -> Mapping[str, tuple[int, ...]]:
    """Numbers of the NTU-25 joints of trunk, arms and legs."""
    parts: dict[str, list[int]] = {"trunk": []}
    for number, joint in enumerate(NTU25_JOINTS):
        if joint in _TRUNK:
            parts["trunk"].append(number)
            continue
        side = "left" if "left" in joint else "right"
        limb = "leg" if joint.endswith(_LEG) else "arm"
        parts.setdefault(f"{side} {limb}", []).append(number)
    return {name: tuple(joints) for name, joints in parts.items()}


BODY_PARTS = _body_parts()
"""Joints of the five parts, by name."""
_ARMS, _LEGS = ("left arm", "right arm"), ("left leg", "right leg")
_BORROWED = (_ARMS, _LEGS, _ARMS[:1], _ARMS[1:], ("trunk", *_ARMS))
"""Limbs that a clip borrows together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """Distribution of the mixing.

    Attributes:
        fewest_parts: Smallest number of borrowed body parts.
        most_parts: Largest number.
        shortest: Smallest length of the window of borrowed frames, in units of four frames.
        longest: Largest length.
    """

    fewest_parts: int = 3
    most_parts: int = 4
    shortest: int = 4
    longest: int = 7

    def __post_init__(self) -> None:
        if not 1 <= self.fewest_parts <= self.most_parts <= len(BODY_PARTS):
            raise UsageError(
                f"fewest_parts ({self.fewest_parts}) and most_parts ({self.most_parts}) are "
                f"numbers from 1 to {len(BODY_PARTS)}, in that order"
            )
        if not 1 <= self.shortest <= self.longest:
            raise UsageError(
                f"shortest_mix ({self.shortest}) and longest_mix ({self.longest}) are at least 1, "
                "in that order"
            )

    def check(self, frames: int) -> None:
        """Make sure that views of this number of frames can be mixed.

        Raises:
            UsageError: If they are shorter than the longest window.
        """
        if self.longest * UNIT > frames:
            raise UsageError(
                f"a mixed window of {self.longest} x {UNIT} frames does not fit {frames} frames: "
                f"lower longest_mix to {frames // UNIT}, or raise frames"
            )

    def draw(self, random: torch.Generator, *, batch: int, frames: int) -> Mix:
        """Draw a step's mix.

        Raises:
            UsageError: If the views are shorter than the longest window, or there is no other clip.
        """
        self.check(frames)
        if batch < 2:
            raise UsageError("mixing takes parts of another clip: batch must be at least 2")
        parts = _draw_integer(self.fewest_parts, self.most_parts, random)
        length = _draw_integer(self.shortest, self.longest, random)
        start = _draw_integer(0, frames // UNIT - length, random)
        names = list(BODY_PARTS)
        chosen = torch.randperm(len(names), generator=random)[:parts].tolist()
        return Mix(
            shift=_draw_integer(1, batch - 1, random),
            joints=tuple(sorted(joint for n in chosen for joint in BODY_PARTS[names[n]])),
            frames=slice(start * UNIT, (start + length) * UNIT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A draw: which joints and frames are borrowed, and from which clips.

    Attributes:
        shift: Each clip borrows from the one that comes this many positions later in the batch.
        joints: Numbers of the borrowed joints.
        frames: Frames in which they are borrowed.
    """

    shift: int
    joints: tuple[int, ...]
    frames: slice

    @property
    def mask(self) -> Tensor:
        """Whether each joint is borrowed, (25,)."""
        borrowed = torch.zeros(len(NTU25_JOINTS), dtype=torch.bool)
        borrowed[list(self.joints)] = True
        return borrowed

    def apply(self, bodies: Tensor, lenders: Tensor) -> Tensor:
        """Put the borrowed joints of the lenders (N, T, V, 3) into bodies (N, T, V, 3)."""
        return mix_parts(bodies, lenders, self.mask, self.frames)


def mix_parts(bodies: Tensor, lenders: Tensor, borrowed: Tensor, window: slice) -> Tensor:
    """Put joints of lenders (N, T, V, 3) into bodies (N, T, V, 3), in a window of frames.

    Args:
        bodies: Who borrow.
        lenders: Who lend.
        borrowed: Whether each joint is borrowed, (V,).
        window: The frames.
    """
    mixed = bodies.clone()
    mixed[:, window] = torch.where(borrowed[:, None], lenders[:, window], bodies[:, window])
    return mixed


def lenders_of(clip: Tensor, lending: Tensor, clips: int) -> Tensor:
    """Find, for each body, the body in the same slot of its clip's lender, or the lender's last.

    Args:
        clip: Clip of each body (N,), in order.
        lending: Clip of each body (N',) of the lenders; lender b lends to clip b.
        clips: Number of clips, B.

    Returns:
        Numbers of the lenders' bodies, (N,).
    """
    own, theirs = (torch.bincount(x, minlength=clips) for x in (clip, lending))
    place = torch.arange(len(clip), device=clip.device) - (own.cumsum(0) - own)[clip]
    return (theirs.cumsum(0) - theirs)[clip] + torch.minimum(place, theirs[clip] - 1)


def borrow_limbs(views: Tensor, rate: float, random: torch.Generator) -> Tensor:
    """Give some clips limbs of others, with the directions of their bones over time.

    Args:
        views: Views of the same B clips, each turned to the camera, (K, B, T, 25, 3).
        rate: Probability that a clip borrows limbs.
        random: Decides which clips borrow, which of `_BORROWED`, and from whom.
    """
    count = views.shape[1]
    borrows = torch.rand(count, generator=random) < rate
    which = torch.randint(len(_BORROWED), (count,), generator=random)
    lenders = torch.randperm(count, generator=random)
    joints = torch.stack([_of_parts(parts) for parts in _BORROWED])[which] & borrows[:, None]
    mixed = []
    for bodies in views:
        own = bones(bodies)
        mixed.append(rebuild(bodies, torch.where(joints[:, None, :, None], own[lenders], own)))
    return torch.stack(mixed)


def _of_parts(parts: tuple[str, ...]) -> Tensor:
    """Whether each joint belongs to one of some parts, (25,)."""
    chosen = torch.zeros(len(NTU25_JOINTS), dtype=torch.bool)
    chosen[[joint for part in parts for joint in BODY_PARTS[part]]] = True
    return chosen


def _draw_integer(least: int, most: int, random: torch.Generator) -> int:
    """Draw an integer from `least` to `most`, both included."""
    return int(torch.randint(least, most + 1, (), generator=random))
