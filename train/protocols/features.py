"""Clip features of a frozen network: the center crop as at use, or random crops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.preprocessing.resample import moments
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.normalize import frames_to_normalize, normalize
from stars_infer.train.views.views import Views, resident, resize_tracks

CROP = 0.9
"""Share kept by the center crop (STARS 4.2); MAMP's public configurations have 0.95."""
CPU_BATCH, BATCH = 8, 256
"""Clips that run at once."""

Encode = Callable[[Tensor], Tensor]
"""From bodies (N, T, V, 3) to their features (N, F)."""


class Track(Protocol):
    """Follows the progress of a loop; as `Output.progress`."""

    def __call__(self, items: Iterable[Batch], what: str, total: int) -> Iterable[Batch]:
        """Hand the items on."""


def untracked(items: Iterable[Batch], what: str, total: int) -> Iterable[Batch]:
    """Show nothing."""
    return items


@torch.no_grad()
def clip_features(
    pack: Pack,
    encode: Encode,
    *,
    views: ViewConfig,
    fabric: Fabric,
    crop: float = CROP,
    samplings: int = 1,
    finish: Encode | None = None,
    track: Track = untracked,
    what: str = "encoding",
) -> Tensor:
    """Features of every clip of a pack, its center crop resized, (clips, F) on the device.

    Args:
        pack: The clips.
        encode: The network, on the device of `fabric` and in evaluation mode.
        views: How the encoder wants clips: frames, normalization, and `absent_bodies`. There,
            `present` is the mean over the bodies that are there; `zeros` lets a missing second
            body count as one of all zeros, which is run once; `copy`, a missing body that repeats
            the first, changes no mean and is `present`.
        fabric: From `open_fabric`; decides device and precision.
        crop: Share of the clip kept.
        samplings: Uniform samplings of the clip whose features are averaged, as at use.
        finish: What follows the mean over bodies, from (B, F) to (B, F').
        track: Shows progress.
        what: What it shows.

    Raises:
        UsageError: If `crop` is no share.
    """
    if not 0 < crop <= 1:
        raise UsageError(f"--crop is a share up to 1, not {crop:g}")
    size = max(1, batch_size(fabric) // samplings)
    batches = center_batches(
        pack, views=views, crop=crop, samplings=samplings, device=fabric.device, size=size
    )
    encode = _autocast(encode, fabric)
    finish = finish and _autocast(finish, fabric)
    zero = zero_body(encode, pack, views=views, device=fabric.device)
    parts = []
    for batch in track(batches, what, -(-len(pack.clips) // size)):
        runs = batch.bodies.reshape(-1, views.frames, *batch.bodies.shape[2:])
        features = encode(runs).view(len(batch.bodies), samplings, -1).mean(dim=1)
        means = means_over_bodies(batch, features, zero)
        parts.append(finish(means) if finish else means)
    return torch.cat(parts)


def pooled_features(
    measured: MeasuredEncoder,
    pack: Pack,
    *,
    fabric: Fabric,
    crop: float = CROP,
    track: Track = untracked,
    what: str = "encoding",
) -> Tensor:
    """Frozen features (clips, D) of a pack's clips: mean over bodies, time and joints."""
    return clip_features(
        pack,
        measured.encoder.to(fabric.device).pool,
        views=replace(measured.views, frames=measured.shape.frames),
        fabric=fabric,
        crop=crop,
        samplings=measured.samplings,
        track=track,
        what=what,
    )


@torch.no_grad()
def random_crop_features(
    pack: Pack,
    encode: Encode,
    config: ViewConfig,
    *,
    crops: int,
    fabric: Fabric,
    seed: int = 0,
    track: Track = untracked,
) -> Tensor:
    """Features of several random views of every clip, (crops, clips, F) on the CPU.

    Args:
        pack: The clips.
        encode: As in `clip_features`.
        config: What views are like, and the rule for absent bodies.
        crops: Views of each clip.
        fabric: From `open_fabric`.
        seed: Decides the views.
        track: Shows progress.
    """
    size, clips = batch_size(fabric), len(pack.clips)
    present = replace(config, absent_bodies="present")
    views = Views(pack, present, batch=size, seed=seed, tokens=0, device=str(fabric.device))
    steps = -(-crops * clips // size)
    found: Tensor | None = None
    encode = _autocast(encode, fabric)
    zero = zero_body(encode, pack, views=config, device=fabric.device)
    batches = (views.draw(step)[0] for step in range(steps))
    for step, batch in enumerate(track(batches, f"encoding {crops} crops", steps)):
        means = means_over_bodies(batch, encode(batch.bodies), zero).cpu()
        if found is None:
            found = torch.empty(crops, clips, means.shape[1])
        # A pass over the clips, in whatever order, is one crop of each.
        places = torch.arange(step * size, (step + 1) * size)
        kept = places < crops * clips
        found[places[kept] // clips, views.clips_of_step(step)[kept]] = means[kept]
    if found is None:
        raise UsageError(f"crops must be at least 1, not {crops}")
    return found


def _autocast(network: Encode, fabric: Fabric) -> Encode:
    """A network in the precision of `fabric`, float32 in and out.

    What prepares its clips is not: turned in bf16, joints would be off by millimeters.
    """

    def run(x: Tensor) -> Tensor:
        with fabric.autocast():
            return network(x).float()

    return run


def center_batches(
    pack: Pack,
    *,
    views: ViewConfig,
    crop: float,
    samplings: int,
    device: torch.device,
    size: int,
) -> Iterator[Batch]:
    """Center crops of all clips in order, so many clips at a time, as `prepare` makes them."""
    joints = resident(pack, device)
    bodies = torch.tensor([clip.bodies for clip in pack.clips])
    length = torch.tensor([clip.frames for clip in pack.clips])
    bias = torch.tensor([int((1 - crop) * clip.frames / 2) for clip in pack.clips])
    start = torch.tensor([clip.start for clip in pack.clips])
    for at in range(0, len(pack.clips), size):
        these = slice(at, at + size)
        count = bodies[these]
        clip = torch.repeat_interleave(torch.arange(len(count)), count)
        slot = torch.arange(len(clip)) - (count.cumsum(0) - count)[clip]
        first = start[these][clip] + slot * length[these][clip] + bias[these][clip]
        kept = (length - 2 * bias)[these][clip]
        frames = frames_to_normalize(views)
        taken = torch.from_numpy(moments(frames, 1 if views.pace else samplings))
        places = first.to(joints.device), kept.to(joints.device)
        made = resize_tracks(joints, *places, frames, moments=taken.to(joints.device))
        clip, slot = clip.to(device), slot.to(device)
        yield Batch(
            bodies=normalize(
                made.to(device), clip, slot, clips=len(count), config=views, samplings=samplings
            ),
            clip=clip,
            clips=len(count),
            noise=torch.empty(len(clip), 0),
        )


def zero_body(
    encode: Encode, pack: Pack, *, views: ViewConfig, device: torch.device
) -> Tensor | None:
    """The features (F,) that stand for a missing second body, if the rule wants any."""
    if views.absent_bodies != "zeros":
        return None
    return encode(torch.zeros(1, views.frames, *pack.joints.shape[1:], device=device))[0].float()


def means_over_bodies(batch: Batch, features: Tensor, zero: Tensor | None) -> Tensor:
    """Clip features (B, F) of body features (N, F), with what stands for a missing body."""
    means = batch.mean_over_bodies(features)
    if zero is None:
        return means
    alone = torch.bincount(batch.clip, minlength=batch.clips) == 1
    return torch.where(alone[:, None], (means + zero) / 2, means)


def batch_size(fabric: Fabric) -> int:
    """Clips to run at once on the device."""
    return CPU_BATCH if fabric.device.type == "cpu" else BATCH
