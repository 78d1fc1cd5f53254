"""`stars_infer.preprocessing.normalize` for batches on a device: facing, proportions, pace."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.layouts import NTU25_PARENTS
from stars_infer.layouts.bones import STANDARD_LENGTHS
from stars_infer.preprocessing.normalize import CHAIN, PACE_FRAMES, SIDES, STRETCH, smoothing_kernel
from stars_infer.preprocessing.prepare import CENTER_JOINT
from stars_infer.preprocessing.resample import moments
from stars_infer.train.constant import Constant
from stars_infer.train.views.augment import rotations
from stars_infer.train.views.config import ViewConfig

PARTS_OF_CHAIN = Constant(CHAIN)
"""Matrix from bones to the positions of joints relative to the base of the spine."""
_PARENTS, _STANDARD_LENGTHS = Constant(NTU25_PARENTS), Constant(STANDARD_LENGTHS)
_SIDES = tuple(Constant(side) for side in zip(*SIDES, strict=True))
_KERNEL = Constant(smoothing_kernel())


@cache
def _moments(frames: int, samplings: int) -> Constant:
    return Constant(moments(frames, samplings))


def moments_on(device: torch.device, frames: int, samplings: int) -> Tensor:
    """`stars_infer.preprocessing.resample.moments` on a device."""
    return _moments(frames, samplings).on(device)


def frames_to_normalize(config: ViewConfig) -> int:
    """Number of frames that `normalize` expects."""
    return PACE_FRAMES if config.pace else config.frames


def normalize(
    bodies: Tensor,
    clip: Tensor,
    slot: Tensor,
    *,
    clips: int,
    config: ViewConfig,
    samplings: int = 1,
) -> Tensor:
    """Normalize bodies (N, T, 25, 3) as `stars_infer.preprocessing.prepare.prepare` does.

    Args:
        bodies: All bodies of the batch, with `frames_to_normalize` frames, meters.
        clip: Clip of each body, (N,).
        slot: Number of each body within its clip, (N,).
        clips: Number of clips, B.
        config: Which steps are taken.
        samplings: Number of uniform samplings, where the pace makes this function sample.
    """
    if config.face_camera:
        bodies = face_camera(bodies, clip, slot, clips)
    if config.standard_body:
        bodies = _center(standard_body(bodies), clip, slot, clips)
    if config.pace:
        bodies = even_pace(bodies, clip, clips, config.frames, config.pace, samplings=samplings)
    return bodies


def face_camera(bodies: Tensor, clip: Tensor, slot: Tensor, clips: int) -> Tensor:
    """Turn the bodies (N, T, 25, 3) of each clip about y until its first body faces -z.

    Args:
        bodies: All bodies of the batch.
        clip: Clip of each body, (N,).
        slot: Number of each body within its clip, (N,).
        clips: Number of clips, B.
    """
    lefts, rights = (bodies.index_select(2, side.on(bodies.device)) for side in _SIDES)
    across = (rights - lefts).sum(dim=(1, 2))
    angle = torch.atan2(across[:, 2], across[:, 0])
    first = angle.new_zeros(clips).index_add(0, clip, angle * (slot == 0))
    turns = rotations(F.pad(first[clip, None], (1, 1)))
    return torch.einsum("nij,ntvj->ntvi", turns, bodies)


def standard_body(bodies: Tensor) -> Tensor:
    """Give bodies (N, T, 25, 3) the bone lengths of a standard body."""
    lengths = bones(bodies).norm(dim=3)
    present = bodies.flatten(2).any(dim=2)
    median = lengths.masked_fill(~present[:, :, None], torch.nan).nanmedian(dim=1).values
    stretch = (_STANDARD_LENGTHS.like(bodies) / median.nan_to_num(1.0).clamp(min=1e-6)).clamp(
        *STRETCH
    )
    return rebuild(bodies, bones(bodies) * stretch[:, None, :, None])


def even_pace(
    fine: Tensor, clip: Tensor, clips: int, frames: int, share: float, *, samplings: int = 1
) -> Tensor:
    """Resample bodies (N, T, 25, 3) so that every frame covers the same amount of motion.

    Args:
        fine: Bodies at `stars_infer.preprocessing.normalize.PACE_FRAMES` frames.
        clip: Clip of each body, (N,); the bodies of a clip share their pace.
        clips: Number of clips, B.
        frames: Frames of the result, T'.
        share: Degree to which time follows the motion, 0 to 1.
        samplings: Number of samplings, as in `stars_infer.preprocessing.resample.moments`.

    Returns:
        (N, samplings * T', 25, 3).
    """
    steps = _smooth(fine - fine[:, :, :1]).diff(dim=1).flatten(2).norm(dim=2)
    steps = steps.new_zeros(clips, steps.shape[1]).index_add(0, clip, steps)
    pace = share * steps / steps.mean(dim=1, keepdim=True).clamp(min=1e-9) + (1 - share)
    path = F.pad(pace.double().cumsum(dim=1), (1, 0))
    taken = moments_on(fine.device, frames, samplings)
    wanted = taken / frames * path[:, -1:]
    after = torch.searchsorted(path, wanted).clamp(1, fine.shape[1] - 1)
    low, high = path.gather(1, after - 1), path.gather(1, after)
    # Where nothing moves and the share is 1, the path has no length.
    weight = ((wanted - low) / (high - low).clamp(min=1e-12)).float()[clip, :, None, None]
    row = torch.arange(len(fine), device=fine.device)[:, None]
    return torch.lerp(fine[row, after[clip] - 1], fine[row, after[clip]], weight)


def bones(bodies: Tensor) -> Tensor:
    """Bones of bodies (N, T, 25, 3): vectors from each joint's parent to the joint."""
    return bodies - bodies.index_select(2, _PARENTS.on(bodies.device))


def rebuild(bodies: Tensor, new_bones: Tensor) -> Tensor:
    """Build bodies (N, T, 25, 3) of other bones; base of the spine and empty frames stay."""
    present = bodies.flatten(2).any(dim=2)[:, :, None, None]
    return (bodies[:, :, :1] + PARTS_OF_CHAIN.like(bodies) @ new_bones) * present


def _center(bodies: Tensor, clip: Tensor, slot: Tensor, clips: int) -> Tensor:
    """Move the first center joint of each clip's first body to the origin; absence stays zero."""
    present = bodies.flatten(2).any(dim=2)
    row = torch.arange(len(bodies), device=bodies.device)
    center = bodies[row, present.byte().argmax(dim=1), CENTER_JOINT]  # where it is first seen
    origin = bodies.new_zeros(clips, 3).index_add(0, clip, center * (slot == 0)[:, None])
    return (bodies - origin[clip][:, None, None]) * present[:, :, None, None]


def _smooth(joints: Tensor) -> Tensor:
    """Smooth (N, T, V, 3) in time, with the first and the last frame repeated at the ends."""
    kernel = _KERNEL.like(joints)
    series = joints.flatten(2).transpose(1, 2)
    held = F.pad(series, (len(kernel) // 2,) * 2, mode="replicate")
    smooth = F.conv1d(held.flatten(0, 1)[:, None], kernel[None, None])
    return smooth.view_as(series).transpose(1, 2).view_as(joints)
