"""What DTW distillation teaches from: sequences of posture and motion, and their time warping.

People perform an action at different speeds and with different amplitudes. Posture and motion are
therefore each divided by their size over the clip; what remains is the direction in which every
joint moves, and when. `stars_infer.similarity` compares clips in another way. This one stays as it
is, because encoders were taught by it, and checkpoints of runs hold such sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.preprocessing.prepare import Preprocessing

_NORMALIZED = Preprocessing(frames=64, crop=1.0, face_camera=True, standard_body=True, pace=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSequenceConfig:
    """How sequences of posture and motion are made.

    Attributes:
        preprocessing: How clips are expected to be prepared. The views of a run do that, except
            that bodies with another number of frames are resampled.
        steps: Number of steps of a sequence, S; the frames are a multiple.
        motion: Weight of the motion, 0 to 1; the rest is the weight of the posture.
        joints: NTU-25 joints that are compared: those that a Kinect v1 sees, too.
        still: Motion of all joints together, meters per step, below which it is a sensor's noise.
            Motion is not scaled up to more than that, lest noise should look like motion.
    """

    preprocessing: Preprocessing = _NORMALIZED
    steps: int = 32
    motion: float = 0.28
    joints: tuple[int, ...] = (0, 1, 20, *range(3, 20))
    still: float = 0.03

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the sequence of a body: S, F."""
        return self.steps, 2 * 3 * len(self.joints)


def motion_sequences(bodies: Tensor, how: MotionSequenceConfig) -> Tensor:
    """Postures and motions of bodies.

    Args:
        bodies: (N, T, 25, 3), meters; they are resampled to the number of frames of `how`.
        how: How sequences are made.

    Returns:
        Sequences (N, S, F). The mean square norm of a step is 1, or less for a body that hardly
        moves.
    """
    count, frames, joints, axes = bodies.shape
    if frames != how.preprocessing.frames:
        rows = bodies.flatten(2).transpose(1, 2)
        rows = F.interpolate(rows, how.preprocessing.frames, mode="linear", align_corners=False)
        bodies = rows.transpose(1, 2).view(count, -1, joints, axes)
    steps = bodies.view(count, how.steps, -1, joints, axes).mean(dim=2)
    moved = steps - steps[:, :, :1]
    # Slices, since an index would be sent to the device in every step.
    posture = torch.cat([moved[:, :, run] for run in _runs(how.joints)], dim=2)
    (motion,) = torch.gradient(posture, dim=1)
    parts = (
        (1 - how.motion) ** 0.5 * _scale(posture, least=1e-6),
        how.motion**0.5 * _scale(motion, least=how.still),
    )
    return torch.cat([part.flatten(2) for part in parts], dim=2)


def similarity(sequences: Tensor, others: Tensor) -> Tensor:
    """Similarity 1 - d / 2S of sequences to others, where d is their DTW distance.

    It is 1 for equal sequences and about 0 for unrelated ones.

    Args:
        sequences: (N, S, F).
        others: (L, S, F).

    Returns:
        (N, L).
    """
    # All pairs of a part advance together; on a CPU the table of a part should fit the cache.
    at_once = 1 if sequences.device.type == "cpu" else len(sequences)
    backwards = others.flip(1).permute(1, 2, 0).contiguous()  # (S, F, L)
    squares = others.flip(1).square().sum(dim=2).T  # (S, L)
    parts = []
    for part in torch.split(sequences, at_once):
        costs = torch.matmul(-2 * part.flatten(0, 1), backwards)
        costs = costs.view(len(costs), *part.shape[:2], -1).transpose(1, 2)  # (S, S, n, L)
        costs = costs + squares[:, None, None] + part.square().sum(dim=2).T[:, :, None]
        parts.append(1 - _warping_distances(costs) / (2 * part.shape[1]))
    return torch.cat(parts)


def _warping_distances(costs: Tensor) -> Tensor:
    """DTW distances of many pairs (Sakoe and Chiba 1978, symmetric, without slope weights).

    Args:
        costs: Cost of matching each step of one sequence, in reverse order, with each step of the
            other, (S, S, ...).

    Returns:
        Cost of the cheapest path from corner to corner, (...).
    """
    steps = len(costs)
    flat = costs.flatten(0, 1)
    # Position column + 1 holds the cost of the path to that column of the diagonal.
    before, last, here = flat.new_full((3, steps + 1, *flat.shape[1:]), torch.inf)
    for diagonal in range(2 * steps - 1):
        first, end = max(0, diagonal - steps + 1), min(diagonal, steps - 1) + 1
        start = (steps - 1 - diagonal + first) * steps + first
        along = flat[start : start + (end - first - 1) * (steps + 1) + 1 : steps + 1]
        here.fill_(torch.inf)
        reached = here[first + 1 : end + 1]
        if diagonal:
            torch.minimum(last[first:end], last[first + 1 : end + 1], out=reached)
            torch.minimum(reached, before[first:end], out=reached)
            reached += along
        else:
            reached.copy_(along)
        before, last, here = last, here, before
    distances: Tensor = last[steps]
    return distances


def _runs(numbers: Sequence[int]) -> list[slice]:
    """The same numbers as slices: 0, 1, 5 gives 0:2 and 5:6."""
    runs: list[slice] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = slice(runs[-1].start, number + 1)
        else:
            runs.append(slice(number, number + 1))
    return runs


def _scale(x: Tensor, *, least: float) -> Tensor:
    """Divide each body of (N, S, V, 3) by its size, the root mean square norm of its steps."""
    size = x.square().sum(dim=(2, 3)).mean(dim=1).sqrt()
    return x / size.clamp(min=least)[:, None, None, None]
