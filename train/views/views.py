"""Random views of training clips: crop, resize and augment a whole batch on its device.

All random numbers of a step follow from the seed and the number of the step. A resumed run, and a
run of several processes, therefore see the same views as an uninterrupted run of one process.
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
from stars_infer.train.views.times import warped_times

_MOST_OF_THE_GPU = 0.5
"""Largest share of a GPU's free memory that a pack may take."""
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
        self._joints = resident(pack, self.device)
        self._start = torch.tensor([clip.start for clip in pack.clips])
        self._frames = torch.tensor([clip.frames for clip in pack.clips])
        self._bodies = torch.tensor([clip.bodies for clip in pack.clips])
        number = {label: place for place, label in enumerate(self.classes)}
        self._labels = torch.tensor([number[clip.label] for clip in pack.clips])

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
        clips = self.clips_of_step(step)
        views = [self._view(clips, step, number, part) for number in range(self.num_views)]
        views += [
            self._view(clips, step, self.num_views + number, part, local=True)
            for number in range(self.num_local_views)
        ]
        if self.mixing is not None:
            views.append(self._mixed_view(clips, step, part, views[0], self.mixing))
        return tuple(views)

    def _mixed_view(
        self, clips: Tensor, step: int, part: slice, first: Batch, mixing: Mixing
    ) -> Batch:
        """The first view of a step's clips with parts of the first view of others."""
        random = torch.Generator().manual_seed(derive_seed(self.seed, step, 0, _MIXING))
        mix = mixing.draw(random, batch=self.batch, frames=self.config.frames)
        # The lender of a clip may belong to another process, so its view is made once more here.
        lender = (torch.arange(self.batch)[part] + mix.shift) % self.batch
        lending = self._view(clips, step, 0, lender)
        bodies = lending.bodies[lenders_of(first.clip, lending.clip, first.clips)]
        return replace(first, bodies=mix.apply(first.bodies, bodies))

    def _view(
        self, clips: Tensor, step: int, number: int, part: slice | Tensor, *, local: bool = False
    ) -> Batch:
        """One view of a step's clips, or of those that a slice or positions select."""
        config = self.config
        random = torch.Generator().manual_seed(derive_seed(self.seed, step, number))
        share, place = torch.rand(2, self.batch, generator=random)[:, part]
        matrices, mirrored = (x[part] for x in self._transformations(random))
        noise = torch.rand(self.batch, 2, self.tokens, generator=random)[part]
        moments = self._moments(random, step, number)
        shift = torch.rand(self.batch, generator=random)[part] if config.padding else None

        bodies_of_step = int(self._bodies[clips].sum())
        clips = clips[part]
        start, length = self._crop(clips, share, place, local=local)
        track, clip, slot = self._tracks(clips)
        corruption = None
        if config.corrupts:
            seed = derive_seed(self.seed, step, number, _CORRUPTION)
            corruption = Corruption(config, self.batch, seed, self.device).of(part, clip, slot)
        joints = self._joints.device
        bodies = resize_tracks(
            self._joints,
            (start[clip] + track).to(joints),
            length[clip].to(joints),
            frames_to_normalize(config),
            keep=None if corruption is None else corruption.rate.to(joints),
            moments=None if moments is None else moments[part][clip].to(joints),
        ).to(self.device)
        if corruption is not None:
            bodies = corruption.apply(bodies, length[clip])
        if config.absent_bodies != "present":
            bodies, clip, slot = _with_second_bodies(
                bodies, clip, slot, len(clips), copied=config.absent_bodies == "copy"
            )
            bodies_of_step = 2 * self.batch
        if config.mirror:
            bodies = mirror(bodies, mirrored[clip].to(self.device))
        if config.rotation or config.shear or config.axis_mask or config.yaw:
            bodies = torch.einsum("nij,ntvj->ntvi", matrices[clip].to(self.device), bodies)
        owner = clip.to(self.device), slot.to(self.device)
        bodies = normalize(bodies, *owner, clips=len(clips), config=config)
        if shift is not None:
            bodies = shift_in_time(bodies, shift[clip].to(self.device), padding=config.padding)
        return Batch(
            bodies=bodies,
            clip=clip.to(self.device),
            clips=len(clips),
            noise=noise[clip, slot].to(self.device),
            labels=self._labels[clips].to(self.device),
            share_of_bodies=len(bodies) / bodies_of_step,
            share_of_clips=len(clips) / self.batch,
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

    def _tracks(self, clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Row offset, clip and slot (N,) of each actor of the clips."""
        bodies = self._bodies[clips]
        clip = torch.repeat_interleave(torch.arange(len(clips)), bodies)
        slot = torch.arange(len(clip)) - (bodies.cumsum(0) - bodies)[clip]
        return slot * self._frames[clips][clip], clip, slot


def resident(pack: Pack, device: torch.device) -> Tensor:
    """Joints of a pack (rows, V, 3): on the GPU if they fit well, else memory-mapped."""
    joints = torch.from_numpy(pack.joints)
    if device.type != "cuda":
        return joints
    free, _ = torch.cuda.mem_get_info(device)
    return joints.to(device) if pack.joints.nbytes < _MOST_OF_THE_GPU * free else joints


def resize_tracks(
    joints: Tensor,
    start: Tensor,
    length: Tensor,
    frames: int,
    *,
    keep: Tensor | None = None,
    moments: Tensor | None = None,
) -> Tensor:
    """Resample tracks, as `stars_infer.preprocessing.resample.resize` does for one clip.

    Args:
        joints: (rows, V, 3).
        start: First row of each track, (N,).
        length: Number of rows of each track, (N,).
        frames: Frames of the result, T.
        keep: Share of the rows that are used, (N,), as if recorded at a lower frame rate; by
            default all.
        moments: Sampling times, (N, T') or (T',), float64, in frames of the result; by default
            the middle of each frame.

    Returns:
        (N, T, V, 3), or (N, T', V, 3) if there are moments.
    """
    steps = moments
    if steps is None:
        steps = torch.arange(frames, device=joints.device, dtype=torch.float64) + 0.5
    last = (length - 1)[:, None]
    position = steps * (length.double() / frames)[:, None] - 0.5
    position = torch.minimum(position.clamp(min=0), last.double())
    if keep is None:
        before = position.floor().long()
        after = torch.minimum(before + 1, last)
        weight = (position - before).float()[:, :, None, None]
    else:
        seen = position * keep[:, None]
        before = torch.minimum((seen.floor() / keep[:, None]).round().long(), last)
        after = torch.minimum(((seen.floor() + 1) / keep[:, None]).round().long(), last)
        weight = (seen - seen.floor()).float()[:, :, None, None]
    first = start[:, None]
    return torch.lerp(joints[first + before], joints[first + after], weight)


def _with_second_bodies(
    bodies: Tensor, clip: Tensor, slot: Tensor, clips: int, *, copied: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Give every clip two bodies; a missing one is zeros or a copy of the other."""
    full = bodies.new_zeros(clips, 2, *bodies.shape[1:])
    if copied:
        full[:] = bodies[(slot == 0).to(bodies.device)][:, None]
    full[clip.to(bodies.device), slot.to(bodies.device)] = bodies
    positions = torch.arange(clips * 2)
    return full.flatten(0, 1), positions // 2, positions % 2
