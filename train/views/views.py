"""Random views of training clips: crop, resize and augment a whole batch on its device.

All random numbers of a step follow from the seed and the number of the step. A resumed run, and a
run of several processes, therefore see the same views as an uninterrupted run of one process. The
host draws them (`plan.py`), one copy sends them (`upload.py`), and the device makes the views.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.train.datasets.pack import Pack
from stars_infer.train.views.augment import axis_masks, mirror, rotations, shears, shift_in_time
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.corruption import Corruption
from stars_infer.train.views.mixing import Mixing, lenders_of
from stars_infer.train.views.normalize import frames_to_normalize, normalize
from stars_infer.train.views.order import clips_of_step, derive_seed
from stars_infer.train.views.plan import MixPlan, StepPlan, ViewPlan, pair_up, send_plan, tracks_of
from stars_infer.train.views.rows import Rows, resize_tracks
from stars_infer.train.views.times import warped_times
from stars_infer.train.views.upload import Upload

_CORRUPTION, _MIXING, _TIMES = 1, 2, 3
"""Follow the number of a view in the seeds of its corruption, of its mixing and of its times."""


class Views:
    """Random batches of views of the clips of a pack.

    Args:
        pack: The clips; copied to a GPU if they fit well, else read from disk when needed.
        config: Distribution of the views.
        batch: Clips per step, B.
        seed: Decides all random numbers, together with the number of the step.
        tokens: Noise values per body, for masking; 0 for none.
        device: Device on which the batches are made.
        num_views: Number of views of each clip in a step.
        num_local_views: Number of further views of each clip, made of short crops.
        mixing: Adds one more view: the first one with body parts of other clips of the batch.
    """

    def __init__(
        self,
        pack: Pack,
        config: ViewConfig,
        *,
        batch: int,
        seed: int,
        tokens: int,
        device: str,
        num_views: int = 1,
        num_local_views: int = 0,
        mixing: Mixing | None = None,
    ) -> None:
        self.config = config
        self.batch = batch
        self.seed = seed
        self.tokens = tokens
        self.device = torch.device(device)
        self.num_views, self.num_local_views = num_views, num_local_views
        self.mixing = mixing
        self.clips = len(pack.clips)
        self.classes = tuple(sorted({clip.label for clip in pack.clips}))
        self._rows, self._upload = Rows.of(pack, self.device), Upload(self.device)
        self._start = torch.tensor([clip.start for clip in pack.clips])
        self._frames = torch.tensor([clip.frames for clip in pack.clips])
        self._bodies = torch.tensor([clip.bodies for clip in pack.clips])
        number = {label: place for place, label in enumerate(self.classes)}
        self._labels = torch.tensor([number[clip.label] for clip in pack.clips])
        self._sources = [clip.source for clip in pack.clips]

    def source(self, number: int) -> str:
        """Where a clip comes from."""
        return self._sources[number]

    def clips_of_step(self, step: int) -> Tensor:
        """Numbers (B,) of the clips of a step: the next ones of shuffled passes over the data."""
        return clips_of_step(step, batch=self.batch, clips=self.clips, seed=self.seed)

    def draw(self, step: int, part: slice = slice(None)) -> tuple[Batch, ...]:
        """Make all views of a step's clips, or of a part of them.

        Args:
            step: Number of the step, from 0.
            part: Which clips of the batch; the random numbers of a clip do not depend on it.

        Returns:
            The global views, then the local ones, then the mixed one.
        """
        return self.finish(self.prepare(step, part))

    def prepare(self, step: int, part: slice = slice(None)) -> StepPlan:
        """Draw the random numbers of a step, or of a part of it, and begin to send them.

        Nothing here waits for the device, and another thread may do it.
        """
        clips = self.clips_of_step(step)
        positions = torch.arange(self.batch)[part]
        views = [self._plan(clips, step, number, positions) for number in range(self.num_views)]
        views += [
            self._plan(clips, step, self.num_views + number, positions, local=True)
            for number in range(self.num_local_views)
        ]
        mix = self._plan_mix(clips, step, positions, views[0]) if self.mixing is not None else None
        return send_plan(StepPlan(views=views, mix=mix), self._upload)

    def finish(self, drawn: StepPlan) -> tuple[Batch, ...]:
        """Make the views of a step on the device, from what `prepare` sent."""
        plan = drawn.receive()
        views = [self._view(each) for each in plan.views]
        if plan.mix is not None:
            first, lending = views[0], self._view(plan.mix.lending)
            bodies = plan.mix.apply(first.bodies, lending.bodies)
            views.append(replace(first, bodies=bodies))
        return tuple(views)

    def _plan_mix(self, clips: Tensor, step: int, positions: Tensor, first: ViewPlan) -> MixPlan:
        """Which parts of the first view of other clips the first view of each clip borrows."""
        assert self.mixing is not None
        random = torch.Generator().manual_seed(derive_seed(self.seed, step, 0, _MIXING))
        mix = self.mixing.draw(random, batch=self.batch, frames=self.config.frames)
        # The lender of a clip may belong to another process, so its view is made once more here.
        lending = self._plan(clips, step, 0, (positions + mix.shift) % self.batch)
        lenders = lenders_of(first.clip, lending.clip, first.clips)
        return MixPlan(lending=lending, lenders=lenders, borrowed=mix.mask, window=mix.frames)

    def _plan(
        self, clips: Tensor, step: int, number: int, positions: Tensor, *, local: bool = False
    ) -> ViewPlan:
        """Draw one view of those of a step's clips that are at some positions of the batch."""
        config = self.config
        random = torch.Generator().manual_seed(derive_seed(self.seed, step, number))
        share, place = torch.rand(2, self.batch, generator=random)[:, positions]
        matrices, mirrored = (x[positions] for x in self._transformations(random))
        noise = torch.rand(self.batch, 2, self.tokens, generator=random)[positions]
        moments = self._moments(random, step, number)
        shift = torch.rand(self.batch, generator=random)[positions] if config.padding else None

        bodies_of_step = int(self._bodies[clips].sum())
        clips = clips[positions]
        start, length = self._crop(clips, share, place, local=local)
        offset, clip, slot = tracks_of(self._bodies[clips], self._frames[clips])
        length = length[clip]
        start, rows = self._rows.to_send(start[clip] + offset, length)
        track, body, here = positions[clip], slot, None
        if config.absent_bodies != "present":
            here, there, clip, slot = pair_up(clip, slot, len(clips))
            bodies_of_step = 2 * self.batch
        else:
            there = None
        turns = config.rotation or config.shear or config.axis_mask or config.yaw
        return ViewPlan(
            seed=derive_seed(self.seed, step, number, _CORRUPTION),
            clips=len(clips),
            share_of_bodies=len(clip) / bodies_of_step,
            start=start,
            length=length,
            rows=rows,
            position=track if config.corrupts else None,
            body=body if config.corrupts else None,
            moments=None if moments is None else moments[track],
            source=here,
            present=None if config.absent_bodies == "copy" else there,
            clip=clip,
            slot=slot,
            mirrored=mirrored[clip] if config.mirror else None,
            matrices=matrices[clip] if turns else None,
            shift=None if shift is None else shift[clip],
            noise=noise[clip, slot],
            labels=self._labels[clips],
        )

    def _view(self, plan: ViewPlan) -> Batch:
        """Make a view on the device."""
        config = self.config
        corruption = None
        if plan.position is not None and plan.body is not None:
            drawn = Corruption(config, self.batch, plan.seed, self.device)
            corruption = drawn.of(plan.position, plan.body)
        bodies = resize_tracks(
            self._rows.joints if plan.rows is None else plan.rows,
            plan.start,
            plan.length,
            frames_to_normalize(config),
            keep=None if corruption is None else corruption.rate,
            moments=plan.moments,
        )
        if corruption is not None:
            bodies = corruption.apply(bodies, plan.length)
        bodies = plan.with_second_bodies(bodies)
        if plan.mirrored is not None:
            bodies = mirror(bodies, plan.mirrored)
        if plan.matrices is not None:
            bodies = torch.einsum("nij,ntvj->ntvi", plan.matrices, bodies)
        bodies = normalize(bodies, plan.clip, plan.slot, clips=plan.clips, config=config)
        if plan.shift is not None:
            bodies = shift_in_time(bodies, plan.shift, padding=config.padding)
        return Batch(
            bodies=bodies,
            clip=plan.clip,
            clips=plan.clips,
            noise=plan.noise,
            labels=plan.labels,
            share_of_bodies=plan.share_of_bodies,
            share_of_clips=plan.clips / self.batch,
        )

    def _transformations(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """For each clip of the batch, a matrix (B, 3, 3) and whether it is mirrored (B,)."""
        config = self.config
        angles = torch.rand(self.batch, 3, generator=random) * 2 - 1
        amounts = torch.rand(self.batch, 6, generator=random) * 2 - 1
        axes = torch.randint(3, (self.batch,), generator=random)
        mirrored, masked = torch.rand(2, self.batch, generator=random) < torch.tensor(
            [[config.mirror], [config.axis_mask]]
        )
        turned = rotations(config.rotation * angles) @ shears(config.shear * amounts)
        if config.yaw:
            yaw = config.yaw * (torch.rand(self.batch, generator=random) * 2 - 1)
            turned = turned @ rotations(F.pad(yaw[:, None], (1, 1)))
        return axis_masks(axes.where(masked, torch.full_like(axes, 3))) @ turned, mirrored

    def _moments(self, random: torch.Generator, step: int, number: int) -> Tensor | None:
        """Random sampling times (B, T) within the crop; None for the middles of its T-ths."""
        if self.config.warps:
            times = torch.Generator().manual_seed(derive_seed(self.seed, step, number, _TIMES))
            return warped_times(self.config, self.batch, times)
        if not self.config.uniform_sampling:
            return None
        uniform = torch.rand(self.batch, self.config.frames, generator=random)
        return torch.arange(self.config.frames) + uniform.double()

    def _crop(
        self, clips: Tensor, share: Tensor, place: Tensor, *, local: bool
    ) -> tuple[Tensor, Tensor]:
        """First row and number of frames (B,) of a random crop of each clip's first track."""
        frames = self._frames[clips]
        config = self.config
        least, most, shortest = (
            (config.local_shortest, config.local_longest, 2)
            if local
            else (config.shortest_crop, 1.0, config.shortest_frames)
        )
        kept = (frames * (least + (most - least) * share)).floor().long()
        kept = torch.minimum(kept.clamp(min=shortest), frames)
        bias = (place * (frames - kept + 1)).floor().long()
        return self._start[clips] + bias, kept
