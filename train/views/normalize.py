"""`stars_infer.preprocessing.normalize` for batches on a device: facing, proportions and pace."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.layouts import NTU25_PARENTS
from stars_infer.layouts.bones import STANDARD_LENGTHS
from stars_infer.preprocessing.normalize import CHAIN, PACE_FRAMES, SIDES, STRETCH, smoothing_kernel
from stars_infer.preprocessing.prepare import CENTER_JOINT
from stars_infer.preprocessing.resample import moments
from stars_infer.train.views.augment import rotations
from stars_infer.train.views.config import ViewConfig


def frames_to_normalize(config: ViewConfig) -> int:
    """Frames that `normalized` wants."""
    return PACE_FRAMES if config.pace else config.frames


def normalized(
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
        bodies: All bodies of the batch, of `frames_to_normalize` frames.
        clip: Clip of each body, (N,).
        slot: Which body of its clip each is, (N,).
        clips: B.
        config: Which steps.
        samplings: How often bodies are sampled where they are sampled here, for their pace.
    """
    if config.face_camera:
        bodies = face_camera(bodies, clip, slot, clips)
    if config.standard_body:
        bodies = _centered(standard_body(bodies), clip, slot, clips)
    if config.pace:
        bodies = even_pace(bodies, clip, clips, config.frames, config.pace, samplings=samplings)
    return bodies


def face_camera(bodies: Tensor, clip: Tensor, slot: Tensor, clips: int) -> Tensor:
    """Turn the bodies (N, T, 25, 3) of each clip about y until its first one faces -z.

    Args:
        bodies: All bodies of the batch.
        clip: Clip of each body, (N,).
        slot: Which body of its clip each is, (N,).
        clips: B.
    """
    lefts, rights = zip(*SIDES, strict=True)
    across = (bodies[:, :, rights] - bodies[:, :, lefts]).sum(dim=(1, 2))
    angle = torch.atan2(across[:, 2], across[:, 0])
    first = angle.new_zeros(clips).index_add(0, clip, angle * (slot == 0))
    turns = rotations(F.pad(first[clip, None], (1, 1)))
    return torch.einsum("nij,ntvj->ntvi", turns, bodies)


def standard_body(bodies: Tensor) -> Tensor:
    """Give bodies (N, T, 25, 3) the bone lengths of a standard body."""
    lengths = bones(bodies).norm(dim=3)
    present = bodies.flatten(2).any(dim=2)
    median = lengths.masked_fill(~present[:, :, None], torch.nan).nanmedian(dim=1).values
    standard = torch.from_numpy(STANDARD_LENGTHS).to(bodies)
    stretch = (standard / median.nan_to_num(1.0).clamp(min=1e-6)).clamp(*STRETCH)
    return rebuilt(bodies, bones(bodies) * stretch[:, None, :, None])


def even_pace(
    fine: Tensor, clip: Tensor, clips: int, frames: int, share: float, *, samplings: int = 1
) -> Tensor:
    """Resample bodies (N, T, 25, 3) so that a frame stands for as much motion as any other.

    Args:
        fine: Bodies at `stars_infer.preprocessing.normalize.PACE_FRAMES` frames.
        clip: Clip of each body, (N,); those of a clip share their pace.
        clips: B.
        frames: T' of the result.
        share: How much of time follows the motion, 0 to 1.
        samplings: How often, as in `stars_infer.preprocessing.resample.moments`.

    Returns:
        (N, samplings * T', 25, 3).
    """
    steps = _smoothed(fine - fine[:, :, :1]).diff(dim=1).flatten(2).norm(dim=2)
    steps = steps.new_zeros(clips, steps.shape[1]).index_add(0, clip, steps)
    pace = share * steps / steps.mean(dim=1, keepdim=True).clamp(min=1e-9) + (1 - share)
    path = F.pad(pace.double().cumsum(dim=1), (1, 0))
    taken = torch.from_numpy(moments(frames, samplings)).to(fine.device)
    wanted = taken / frames * path[:, -1:]
    after = torch.searchsorted(path, wanted).clamp(1, fine.shape[1] - 1)
    low, high = path.gather(1, after - 1), path.gather(1, after)
    # Where nothing moves and time only follows the motion, there is no way to go.
    weight = ((wanted - low) / (high - low).clamp(min=1e-12)).float()[clip, :, None, None]
    row = torch.arange(len(fine), device=fine.device)[:, None]
    return torch.lerp(fine[row, after[clip] - 1], fine[row, after[clip]], weight)


def bones(bodies: Tensor) -> Tensor:
    """Bones of bodies (N, T, 25, 3), from each joint's parent to it."""
    return bodies - bodies[:, :, NTU25_PARENTS]


def rebuilt(bodies: Tensor, new_bones: Tensor) -> Tensor:
    """Bodies (N, T, 25, 3) with other bones; the base of the spine and absent frames stay."""
    present = bodies.flatten(2).any(dim=2)[:, :, None, None]
    chain = torch.from_numpy(CHAIN).to(bodies)
    return (bodies[:, :, :1] + chain @ new_bones) * present


def _centered(bodies: Tensor, clip: Tensor, slot: Tensor, clips: int) -> Tensor:
    """Put the first center joint of each clip's first body into the origin; absence stays zero."""
    present = bodies.flatten(2).any(dim=2)
    row = torch.arange(len(bodies), device=bodies.device)
    center = bodies[row, present.byte().argmax(dim=1), CENTER_JOINT]  # where it is first seen
    origin = bodies.new_zeros(clips, 3).index_add(0, clip, center * (slot == 0)[:, None])
    return (bodies - origin[clip][:, None, None]) * present[:, :, None, None]


def _smoothed(joints: Tensor) -> Tensor:
    """Smooth (N, T, V, 3) in time; the ends are held."""
    kernel = torch.from_numpy(smoothing_kernel()).to(joints)
    series = joints.flatten(2).transpose(1, 2)
    held = F.pad(series, (len(kernel) // 2,) * 2, mode="replicate")
    smooth = F.conv1d(held.flatten(0, 1)[:, None], kernel[None, None])
    return smooth.view_as(series).transpose(1, 2).view_as(joints)
