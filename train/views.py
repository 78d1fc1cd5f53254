"""Views of training clips, made for a whole batch on its device: crop, resize, rotate.

All randomness of a step is drawn at once from the seed and the step's number, so that a resumed
run, and one spread over several processes, sees what an uninterrupted single one would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.train.batch import Batch
from stars_infer.train.datasets.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """Random views of training clips (REFERENCE 2 and 3).

    Attributes:
        frames: T.
        shortest_crop: Smallest share of a clip kept; the share is uniform up to 1.
        shortest_frames: A crop keeps at least so many frames, or the whole clip if shorter.
        rotation: Largest angle per axis, radians; 0.3 in stage 1, none in stage 2.
        absent_bodies: `present` leaves them out; `zeros` gives every clip two bodies, the missing
            one all zeros, as the MAMP reference does for NTU-60 and PKU.
    """

    frames: int = 120
    shortest_crop: float = 0.5
    shortest_frames: int = 64
    rotation: float = 0.0
    absent_bodies: str = "present"

    def __post_init__(self) -> None:
        if not 0 < self.shortest_crop <= 1:
            raise UsageError(f"shortest_crop is a share up to 1, not {self.shortest_crop:g}")
        if self.absent_bodies not in ("present", "zeros"):
            raise UsageError(f"absent_bodies is 'present' or 'zeros', not {self.absent_bodies!r}")


class Views:
    """Random batches from a pack that lives on a device."""

    def __init__(
        self, pack: Pack, config: ViewConfig, *, batch: int, seed: int, tokens: int, device: str
    ) -> None:
        self.config = config
        self.batch = batch
        self.seed = seed
        self.tokens = tokens
        self.device = torch.device(device)
        self.clips = len(pack.clips)
        self._joints = torch.from_numpy(np.array(pack.joints)).to(self.device)
        self._start = torch.tensor([clip.start for clip in pack.clips])
        self._frames = torch.tensor([clip.frames for clip in pack.clips])
        self._bodies = torch.tensor([clip.bodies for clip in pack.clips])
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

    def draw(self, step: int, part: slice = slice(None)) -> Batch:
        """Make a step's batch, or a part of its clips.

        Args:
            step: Number of the step, from 0.
            part: Which clips of the batch; the randomness of a clip does not depend on it.
        """
        clips = self.clips_of_step(step)
        random = torch.Generator().manual_seed(_mixed(self.seed, step))
        share, place = torch.rand(2, self.batch, generator=random)
        angles = torch.rand(self.batch, 3, generator=random) * 2 - 1
        noise = torch.rand(self.batch, 2, self.tokens, generator=random)

        bodies_of_step = int(self._bodies[clips].sum())
        clips, share, place, angles, noise = (x[part] for x in (clips, share, place, angles, noise))
        start, length = self._crop(clips, share, place)
        track, clip, slot = self._tracks(clips)
        bodies = resize_tracks(
            self._joints,
            (start[clip] + track).to(self.device),
            length[clip].to(self.device),
            self.config.frames,
        )
        if self.config.absent_bodies == "zeros":
            bodies, clip, slot = _with_zero_bodies(bodies, clip, slot, len(clips))
            bodies_of_step = 2 * self.batch
        clip_on_device = clip.to(self.device)
        if self.config.rotation:
            turns = rotations(self.config.rotation * angles).to(self.device)
            bodies = torch.einsum("nij,ntvj->ntvi", turns[clip_on_device], bodies)
        return Batch(
            bodies=bodies,
            clip=clip_on_device,
            clips=len(clips),
            noise=noise[clip, slot].to(self.device),
            share_of_bodies=len(bodies) / bodies_of_step,
            share_of_clips=len(clips) / self.batch,
        )

    def _shuffled(self, number: int) -> Tensor:
        """Order of the clips in a pass over the data."""
        if self._order is None or self._order[0] != number:
            random = torch.Generator().manual_seed(_mixed(self.seed, -1 - number))
            self._order = number, torch.randperm(self.clips, generator=random)
        return self._order[1]

    def _crop(self, clips: Tensor, share: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """First row and frames (B,) of a random crop of each clip's first track."""
        frames = self._frames[clips]
        shortest = self.config.shortest_crop
        kept = (frames * (shortest + (1 - shortest) * share)).floor().long()
        kept = torch.minimum(kept.clamp(min=self.config.shortest_frames), frames)
        bias = (place * (frames - kept + 1)).floor().long()
        return self._start[clips] + bias, kept

    def _tracks(self, clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Row offset, clip and body slot (N,) of every actor of the clips."""
        bodies = self._bodies[clips]
        clip = torch.repeat_interleave(torch.arange(len(clips)), bodies)
        slot = torch.arange(len(clip)) - (bodies.cumsum(0) - bodies)[clip]
        return slot * self._frames[clips][clip], clip, slot


def resize_tracks(joints: Tensor, start: Tensor, length: Tensor, frames: int) -> Tensor:
    """Resample runs of rows, as `stars_infer.preparation.resize` does for one clip.

    Args:
        joints: (rows, V, 3).
        start: First row of each run, (N,).
        length: Rows of each run, (N,).
        frames: T.

    Returns:
        (N, T, V, 3).
    """
    steps = torch.arange(frames, device=joints.device, dtype=torch.float64) + 0.5
    last = (length - 1)[:, None]
    position = steps * (length.double() / frames)[:, None] - 0.5
    position = torch.minimum(position.clamp(min=0), last.double())
    before = position.floor().long()
    after = torch.minimum(before + 1, last)
    weight = (position - before).float()[:, :, None, None]
    first = start[:, None]
    return torch.lerp(joints[first + before], joints[first + after], weight)


def rotations(angles: Tensor) -> Tensor:
    """Matrices R = Rz Ry Rx, (B, 3, 3), of angles about x, y and z, (B, 3), radians."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _with_zero_bodies(
    bodies: Tensor, clip: Tensor, slot: Tensor, clips: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Give every clip two bodies, zeros where one is missing."""
    full = bodies.new_zeros(clips * 2, *bodies.shape[1:])
    full[(clip * 2 + slot).to(bodies.device)] = bodies
    places = torch.arange(clips * 2)
    return full, places // 2, places % 2


def _mixed(seed: int, step: int) -> int:
    """One 63-bit seed from two numbers."""
    state = np.random.SeedSequence([seed, step & 0xFFFFFFFF, int(step < 0)]).generate_state(2)
    return int(state[0]) << 31 | int(state[1]) >> 1
