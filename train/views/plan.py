"""What the host draws for a step: where the rows of each body lie, and its random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from stars_infer.train.views.mixing import mix_parts
from stars_infer.train.views.upload import Sent, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPlan:
    """A view of several clips; a track is the rows of one body that is present.

    Attributes:
        seed: Seed of the corruption.
        clips: Number of clips.
        share_of_bodies: Share of the bodies of the whole step.
        start: First row of each track, (N,).
        length: Number of its rows, (N,).
        rows: Rows that are sent because they are not on the device, (R, V, 3); else None.
        position: Position in the batch of the clip of each track, (N,), if it is corrupted.
        body: Number of the track within its clip, (N,), if it is corrupted.
        moments: Sampling times of each track, (N, T); None for the middles.
        source: Track of each body, (M,), where clips have two bodies in any case; else each track
            is a body.
        present: Whether each of these is present, (M,); an absent one is zeros. None where it is a
            copy.
        clip: Clip of each body, (M,).
        slot: Number of the body within its clip, (M,).
        mirrored: Whether it is mirrored, (M,).
        matrices: By which it is transformed, (M, 3, 3).
        shift: By which it is shifted in time, (M,), from 0 to 1.
        noise: Noise for masking, (M, tokens).
        labels: Class number of each clip, (B,).
    """

    seed: int
    clips: int
    share_of_bodies: float
    start: Tensor
    length: Tensor
    rows: Tensor | None
    position: Tensor | None
    body: Tensor | None
    moments: Tensor | None
    source: Tensor | None
    present: Tensor | None
    clip: Tensor
    slot: Tensor
    mirrored: Tensor | None
    matrices: Tensor | None
    shift: Tensor | None
    noise: Tensor
    labels: Tensor

    def with_second_bodies(self, bodies: Tensor) -> Tensor:
        """The bodies (M, T, V, 3) of the tracks (N, T, V, 3)."""
        if self.source is None:
            return bodies
        full = bodies.index_select(0, self.source)
        if self.present is None:
            return full
        return full.masked_fill(~self.present[:, None, None, None], 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPlan:
    """Which parts of other clips a view borrows.

    Attributes:
        lending: View of the clips that lend.
        lenders: Body of `lending` from which each body borrows, (M,).
        borrowed: Whether a joint is borrowed, (V,).
        window: Frames in which it is.
    """

    lending: ViewPlan
    lenders: Tensor
    borrowed: Tensor
    window: slice

    def apply(self, bodies: Tensor, lending: Tensor) -> Tensor:
        """Put the borrowed joints of the lenders (M', T, V, 3) into bodies (M, T, V, 3)."""
        return mix_parts(bodies, lending[self.lenders], self.borrowed, self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """All views of a step.

    Attributes:
        views: The global and the local ones.
        mix: How the first one is mixed, if it is.
        sent: The tensors of these, in the order of `_tensors`, on their way to the device.
    """

    views: Sequence[ViewPlan]
    mix: MixPlan | None = None
    sent: Sent | None = None

    def receive(self) -> StepPlan:
        """The same with tensors of the device."""
        if self.sent is None:
            return self
        there = iter(self.sent.receive())

        def received(plan: ViewPlan) -> ViewPlan:
            tensors: dict[str, Any] = {name: next(there) for name in _names(plan)}
            return replace(plan, **tensors)

        views, mix = [received(plan) for plan in self.views], None
        if self.mix is not None:
            lending = received(self.mix.lending)
            mix = replace(self.mix, lending=lending, lenders=next(there), borrowed=next(there))
        return StepPlan(views=views, mix=mix)


def send_plan(plan: StepPlan, upload: Upload) -> StepPlan:
    """Begin to send the tensors of a plan."""
    views = [*plan.views, *([] if plan.mix is None else [plan.mix.lending])]
    tensors = [getattr(view, name) for view in views for name in _names(view)]
    if plan.mix is not None:
        tensors += [plan.mix.lenders, plan.mix.borrowed]
    return replace(plan, sent=upload.send(tensors))


def tracks_of(bodies: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row offset, clip and slot (N,) of each actor; clips have so many bodies and frames, (B,)."""
    clip = torch.repeat_interleave(torch.arange(len(bodies)), bodies)
    slot = torch.arange(len(clip)) - (bodies.cumsum(0) - bodies)[clip]
    return slot * frames[clip], clip, slot


def pair_up(clip: Tensor, slot: Tensor, clips: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give every clip two bodies.

    Args:
        clip: Clip of each track, (N,).
        slot: Number of each track within its clip, (N,).
        clips: Number of clips, B.

    Returns:
        For each of the 2B bodies its track, which is that of the first body where the second is
        absent, whether it is present, its clip and its slot.
    """
    source = torch.full((clips, 2), -1)
    source[clip, slot] = torch.arange(len(clip))
    present = source >= 0
    source = torch.where(present, source, source[:, :1]).flatten()
    positions = torch.arange(clips * 2)
    return source, present.flatten(), positions // 2, positions % 2


def _names(plan: ViewPlan) -> list[str]:
    """Names of the fields that hold tensors."""
    return [each.name for each in fields(plan) if isinstance(getattr(plan, each.name), Tensor)]
