"""Views of training clips, made for a whole batch on its device: crop, resize, augment.

All randomness of a step is drawn at once from the seed and the step's number, so that a resumed
run, and one spread over several processes, sees what an uninterrupted single one would.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.train.datasets.pack import Pack
from stars_infer.train.views.augment import axis_masks, mirror, rotations, shears, shifted_in_time
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.corruption import Corruption
from stars_infer.train.views.mixing import Mixing, lenders_of
from stars_infer.train.views.normalize import frames_to_normalize, normalized

_MOST_OF_THE_GPU = 0.5
"""Share of a GPU's free memory up to which a pack lives there."""
_ORDER = 1 << 31
"""Stands for the order of a pass where other random numbers have the number of a view."""
_CORRUPTION, _MIXING = 1, 2
"""Follow the number of a view where its disturbance is drawn, and what is mixed into it."""


class Views:
    """Random batches from a pack that lives on a device.

    Args:
        pack: Clips; copied to a GPU if they fit well, else read from disk as they are needed.
        config: What views are like.
        batch: Clips of a step.
        seed: Decides, with the step's number, everything random.
        tokens: Noise values a body, for masking; 0 for none.
        device: Where batches are made.
        num_views: Views of each clip in a step.
        num_local_views: Further views of each clip, of local crops.
        mixing: How one more view is made: the first one, with parts of other clips of the batch.
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
        self._order: tuple[int, Tensor] | None = None

    def clips_of_step(self, step: int) -> Tensor:
        """Which clips a step sees: consecutive pieces of one shuffled pass after the other."""
        places = torch.arange(step * self.batch, (step + 1) * self.batch)
        passes = places // self.clips
        return torch.cat(
            [
                self._shuffled(int(number))[places[passes == number] % self.clips]
                for number in range(int(passes[0]), int(passes[-1]) + 1)
            ]
        )

    def draw(self, step: int, part: slice = slice(None)) -> tuple[Batch, ...]:
        """Make all views of a step's clips, or of a part of them.

        Args:
            step: Number of the step, from 0.
            part: Which clips of the batch; the randomness of a clip does not depend on it.

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
        random = torch.Generator().manual_seed(_mixed(self.seed, step, 0, _MIXING))
        mix = mixing.draw(random, batch=self.batch, frames=self.config.frames)
        # The lender of a clip may be in the part of another process, so it is made once more.
        lender = (torch.arange(self.batch)[part] + mix.shift) % self.batch
        lending = self._view(clips, step, 0, lender)
        bodies = lending.bodies[lenders_of(first.clip, lending.clip, first.clips)]
        return replace(first, bodies=mix.apply(first.bodies, bodies))

    def _view(
        self, clips: Tensor, step: int, number: int, part: slice | Tensor, *, local: bool = False
    ) -> Batch:
        """One view of a step's clips, or of those in a slice or at places."""
        config = self.config
        random = torch.Generator().manual_seed(_mixed(self.seed, step, number))
        share, place = torch.rand(2, self.batch, generator=random)[:, part]
        matrices, mirrored = (x[part] for x in self._transformations(random))
        noise = torch.rand(self.batch, 2, self.tokens, generator=random)[part]
        moments = self._moments(random)
        shift = torch.rand(self.batch, generator=random)[part] if config.padding else None

        bodies_of_step = int(self._bodies[clips].sum())
        clips = clips[part]
        start, length = self._crop(clips, share, place, local=local)
        track, clip, slot = self._tracks(clips)
        corruption = None
        if config.corrupts:
            seed = _mixed(self.seed, step, number, _CORRUPTION)
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
        places = clip.to(self.device), slot.to(self.device)
        bodies = normalized(bodies, *places, clips=len(clips), config=config)
        if shift is not None:
            bodies = shifted_in_time(bodies, shift[clip].to(self.device), padding=config.padding)
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
        """Of every clip of the batch: a matrix (B, 3, 3), and whether it is mirrored (B,)."""
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

    def _moments(self, random: torch.Generator) -> Tensor | None:
        """Where in its own part of the crop each frame is taken, (B, T), if not in the middle."""
        if not self.config.uniform_sampling:
            return None
        uniform = torch.rand(self.batch, self.config.frames, generator=random)
        return torch.arange(self.config.frames) + uniform.double()

    def _shuffled(self, number: int) -> Tensor:
        """Order of the clips in a pass over the data."""
        if self._order is None or self._order[0] != number:
            random = torch.Generator().manual_seed(_mixed(self.seed, number, _ORDER))
            self._order = number, torch.randperm(self.clips, generator=random)
        return self._order[1]

    def _crop(
        self, clips: Tensor, share: Tensor, place: Tensor, *, local: bool
    ) -> tuple[Tensor, Tensor]:
        """First row and frames (B,) of a random crop of each clip's first track."""
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
        """Row offset, clip and body slot (N,) of every actor of the clips."""
        bodies = self._bodies[clips]
        clip = torch.repeat_interleave(torch.arange(len(clips)), bodies)
        slot = torch.arange(len(clip)) - (bodies.cumsum(0) - bodies)[clip]
        return slot * self._frames[clips][clip], clip, slot


def resident(pack: Pack, device: torch.device) -> Tensor:
    """Joints of a pack (rows, V, 3): on the GPU if they fit well, else mapped from disk."""
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
    """Resample runs of rows, as `stars_infer.preprocessing.resample.resize` does for one clip.

    Args:
        joints: (rows, V, 3).
        start: First row of each run, (N,).
        length: Rows of each run, (N,).
        frames: T.
        keep: Share of the rows that is looked at, (N,), as if recorded at a lower rate; all if
            not given.
        moments: When frames are taken, (N, T') or (T',), double, in frames of the result; in the
            middle of each if not given.

    Returns:
        (N, T, V, 3), or as many frames as there are moments.
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
    """Give every clip two bodies: where one is missing, zeros or a copy of the other."""
    full = bodies.new_zeros(clips, 2, *bodies.shape[1:])
    if copied:
        full[:] = bodies[(slot == 0).to(bodies.device)][:, None]
    full[clip.to(bodies.device), slot.to(bodies.device)] = bodies
    places = torch.arange(clips * 2)
    return full.flatten(0, 1), places // 2, places % 2


def _mixed(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    state = np.random.SeedSequence(numbers).generate_state(2)
    return int(state[0]) << 31 | int(state[1]) >> 1
