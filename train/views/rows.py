"""The rows of a pack: on the GPU if they fit well, else those of a step are sent with its draws."""

from __future__ import annotations

import os
from collections.abc import Hashable
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from stars_infer.arrays import FloatArray
from stars_infer.train.datasets.pack import Pack

_MOST_OF_THE_GPU = 0.5
"""Largest share of a GPU's free memory that a pack may take."""


class Rows:
    """The joints of a pack, for a device.

    Those who share a pack, such as training and validation, share its rows; `Rows.of` sees to it.

    Attributes:
        joints: (rows, V, 3), on the device if `resident`, else on the host, perhaps on the disk.
        resident: Whether no rows have to be sent.
    """

    def __init__(self, joints: FloatArray, device: torch.device) -> None:
        self._array = joints  # as long as it lives, no other array has its identity
        on_host = torch.from_numpy(joints)
        self.resident = device.type == "cpu" or fits(joints.nbytes, device)
        self.joints = on_host.to(device) if self.resident else on_host

    @classmethod
    def of(cls, pack: Pack, device: torch.device) -> Rows:
        """The rows of a pack; a second call, also for a part of the pack, copies nothing."""
        key = (_identity(pack.joints), str(device))
        rows = _SHARED.get(key)
        if rows is None:
            _SHARED[key] = rows = cls(pack.joints, device)
        return rows

    def to_send(self, start: Tensor, length: Tensor) -> tuple[Tensor, Tensor | None]:
        """Where tracks are to be found on the device, and the rows that must be sent there.

        Args:
            start: First row of each track in the pack, (N,).
            length: Number of its rows, (N,).

        Returns:
            First row of each track in what is on the device, (N,), and None or (R, V, 3).
        """
        if self.resident:
            return start, None
        first = length.cumsum(0) - length
        places = torch.repeat_interleave(start - first, length) + torch.arange(int(length.sum()))
        return first, self.joints[places]


_SHARED: WeakValueDictionary[Hashable, Rows] = WeakValueDictionary()


def fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes may stay in the memory of a GPU."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return size < _MOST_OF_THE_GPU * free


def _identity(joints: FloatArray) -> Hashable:
    """Tells arrays apart; two that map the same file are the same."""
    file = getattr(joints, "filename", None)
    if file is None or not os.path.exists(file):
        return id(joints)
    facts = os.stat(file)
    return str(file), facts.st_ino, facts.st_size, facts.st_mtime_ns


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
