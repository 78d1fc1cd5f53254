"""Center crops of all clips of a pack, as at inference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from stars_infer.train.datasets.pack import Pack
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.normalize import frames_to_normalize, moments_on, normalize
from stars_infer.train.views.plan import tracks_of
from stars_infer.train.views.rows import Rows, resize_tracks
from stars_infer.train.views.upload import Sent, Upload, draw_ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterDraw:
    """Tracks of some clips, on their way to the device.

    Attributes:
        clips: Number of clips.
        sent: First row, number of rows, clip and slot of each track, and perhaps rows.
    """

    clips: int
    sent: Sent


class CenterCrops:
    """Center crops, `size` clips a step, in order.

    Args:
        pack: The clips.
        views: Frames and normalization of the encoder's views.
        crop: Share of the clip that is kept.
        samplings: Number of uniform samplings of each clip.
        device: Device on which the batches are made.
        size: Number of clips of a batch; the last one may have fewer.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        views: ViewConfig,
        crop: float,
        samplings: int,
        device: torch.device,
        size: int,
    ) -> None:
        self.device = device
        self._views, self._samplings, self._size = views, samplings, size
        self._rows, self._upload = Rows.of(pack, device), Upload(device)
        self._bodies = torch.tensor([clip.bodies for clip in pack.clips])
        self._length = torch.tensor([clip.frames for clip in pack.clips])
        self._bias = torch.tensor([int((1 - crop) * clip.frames / 2) for clip in pack.clips])
        self._start = torch.tensor([clip.start for clip in pack.clips])

    def prepare(self, step: int, part: slice = slice(None)) -> CenterDraw:
        """Find the rows of a batch and begin to send what the device needs."""
        these = slice(step * self._size, (step + 1) * self._size)
        length, bias = self._length[these][part], self._bias[these][part]
        bodies, start = self._bodies[these][part], self._start[these][part]
        offset, clip, slot = tracks_of(bodies, length)
        kept = (length - 2 * bias)[clip]
        first, rows = self._rows.to_send(start[clip] + offset + bias[clip], kept)
        given = (first, kept, clip, slot, *([] if rows is None else [rows]))
        return CenterDraw(clips=len(bodies), sent=self._upload.send(given))

    def finish(self, drawn: CenterDraw) -> tuple[Batch, ...]:
        """Crop, resize and normalize on the device."""
        first, kept, clip, slot, *rows = drawn.sent.receive()
        views, frames = self._views, frames_to_normalize(self._views)
        made = resize_tracks(
            rows[0] if rows else self._rows.joints,
            first,
            kept,
            frames,
            moments=moments_on(self.device, frames, 1 if views.pace else self._samplings),
        )
        bodies = normalize(
            made, clip, slot, clips=drawn.clips, config=views, samplings=self._samplings
        )
        noise = torch.empty(len(clip), 0, device=self.device)
        return (Batch(bodies=bodies, clip=clip, clips=drawn.clips, noise=noise),)

    def __iter__(self) -> Iterator[Batch]:
        """All batches, of which the next ones are prepared while the device computes."""
        steps = -(-len(self._start) // self._size)
        for (batch,) in draw_ahead(self, ((step, slice(None)) for step in range(steps))):
            yield batch
