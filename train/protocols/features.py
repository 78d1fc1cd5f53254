"""Clip features of a frozen network: of the center crop, as at inference, or of random crops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.center import CenterCrops
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.views import Views

CROP = 0.9
"""Share of a clip that the center crop keeps (STARS, section 4.2); 0.95 in MAMP's code."""
CPU_BATCH, BATCH = 8, 256
"""Number of clips that run at once, on a CPU and on a GPU."""

Encode = Callable[[Tensor], Tensor]
"""Maps bodies (N, T, V, 3) to their features (N, F)."""
Finish = Callable[[Tensor], Tensor]
"""Maps the features (B, S, F) of the samplings of clips to what is kept of the clips (B, ...)."""


class Track(Protocol):
    """Shows the progress of a loop, as `Output.progress` does."""

    def __call__(self, items: Iterable[Batch], what: str, total: int) -> Iterable[Batch]:
        """Pass the items on."""


def untracked(items: Iterable[Batch], what: str, total: int) -> Iterable[Batch]:
    """Pass the items on without showing progress."""
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
    finish: Finish | None = None,
    track: Track = untracked,
    what: str = "encoding",
) -> Tensor:
    """Features of the center crop of every clip of a pack, (clips, F), on the device.

    Args:
        pack: The clips.
        encode: The network, on the device of `fabric` and in evaluation mode.
        views: Frames, normalization and `absent_bodies` of the encoder's views. With `present`,
            the features of a clip are the mean over the bodies that are present; with `zeros`, a
            missing second body counts as one of zeros, which runs once; `copy`, a missing body
            that repeats the first, gives the same mean as `present`.
        fabric: From `open_fabric`; decides device and precision.
        crop: Share of the clip that is kept.
        samplings: Number of uniform samplings of the clip, S.
        finish: Runs after the mean over bodies, on the features of each sampling, (B, S, F); by
            default, they are averaged.
        track: Shows progress.
        what: Title of the progress.

    Raises:
        UsageError: If `crop` is not above 0 and at most 1.
    """
    if not 0 < crop <= 1:
        raise UsageError(f"--crop is a share up to 1, not {crop:g}")
    size = max(1, batch_size(fabric) // samplings)
    batches = CenterCrops(
        pack, views=views, crop=crop, samplings=samplings, device=fabric.device, size=size
    )
    encode = _autocast(encode, fabric)
    finish = _autocast(finish or _mean_over_samplings, fabric)
    zero = zero_body(encode, pack, views=views, device=fabric.device)
    if zero is not None:
        zero = zero.repeat(samplings)
    parts = []
    for batch in track(batches, what, -(-len(pack.clips) // size)):
        runs = batch.bodies.reshape(-1, views.frames, *batch.bodies.shape[2:])
        features = encode(runs).view(len(batch.bodies), -1)
        means = means_over_bodies(batch, features, zero)
        parts.append(finish(means.view(len(means), samplings, -1)))
    return torch.cat(parts)


def _mean_over_samplings(features: Tensor) -> Tensor:
    return features.mean(dim=1)


def pooled_features(
    measured: MeasuredEncoder,
    pack: Pack,
    *,
    fabric: Fabric,
    crop: float = CROP,
    finish: Finish | None = None,
    track: Track = untracked,
    what: str = "encoding",
) -> Tensor:
    """Frozen features (clips, D) of the clips of a pack: means over bodies, time and joints.

    `finish` makes something else of the features of each sampling, as in `clip_features`.
    """
    return clip_features(
        pack,
        measured.encoder.to(fabric.device).pool,
        views=replace(measured.views, frames=measured.shape.frames),
        fabric=fabric,
        crop=crop,
        samplings=measured.samplings,
        finish=finish,
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
) -> Iterator[Tensor]:
    """Features (clips, F) of one random view of every clip after another, on the device.

    A view is made when it is asked for, so that a hundred of them take the memory of one.

    Args:
        pack: The clips.
        encode: As in `clip_features`.
        config: Distribution of the views, and treatment of absent bodies.
        crops: Number of views of each clip.
        fabric: From `open_fabric`.
        seed: Seed of the views.
        track: Shows progress.
    """
    if crops < 1:
        raise UsageError(f"crops must be at least 1, not {crops}")
    size, clips = batch_size(fabric), len(pack.clips)
    present = replace(config, absent_bodies="present")
    views = Views(pack, present, batch=size, seed=seed, tokens=0, device=str(fabric.device))
    steps = -(-crops * clips // size)
    encode = _autocast(encode, fabric)
    zero = zero_body(encode, pack, views=config, device=fabric.device)
    batches = (views.draw(step)[0] for step in range(steps))
    found: dict[int, Tensor] = {}
    for step, batch in enumerate(track(batches, f"encoding {crops} crops", steps)):
        means = means_over_bodies(batch, encode(batch.bodies), zero)
        # One pass over the clips, in whatever order, is one crop of each; a batch may end one crop
        # and begin the next.
        crop = torch.arange(step * size, (step + 1) * size) // clips
        numbers = views.clips_of_step(step)
        for number in range(int(crop[0]), int(crop[-1]) + 1):
            if number not in found:
                found[number] = means.new_empty(clips, means.shape[1])
            mine = crop == number
            found[number][numbers[mine].to(means.device)] = means[mine.to(means.device)]
            if number < crops and (step + 1) * size >= (number + 1) * clips:
                yield found.pop(number)


def _autocast(network: Encode, fabric: Fabric) -> Encode:
    """Run a network in the precision of `fabric`, with float32 inputs and outputs.

    The preparation of clips stays in float32: in bf16, joints would be off by millimeters.
    """

    def run(x: Tensor) -> Tensor:
        with fabric.autocast():
            return network(x).float()

    return run


def zero_body(
    encode: Encode, pack: Pack, *, views: ViewConfig, device: torch.device
) -> Tensor | None:
    """Features (F,) of a body of zeros, if missing second bodies count as such; else None."""
    if views.absent_bodies != "zeros":
        return None
    return encode(torch.zeros(1, views.frames, *pack.joints.shape[1:], device=device))[0].float()


def means_over_bodies(batch: Batch, features: Tensor, zero: Tensor | None) -> Tensor:
    """Average body features (N, F) by clip to (B, F); `zero` stands for missing second bodies."""
    means = batch.mean_over_bodies(features)
    if zero is None:
        return means
    alone = batch.count_bodies() == 1
    return torch.where(alone[:, None], (means + zero) / 2, means)


def batch_size(fabric: Fabric) -> int:
    """Number of clips to run at once on the device."""
    return CPU_BATCH if fabric.device.type == "cpu" else BATCH
