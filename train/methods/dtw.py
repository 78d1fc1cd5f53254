"""The sequences and the time warping of `stars_infer.similarity`, for batches on a device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.similarity.sequence import JOINTS, STILL, SequenceConfig


def motion_sequences(bodies: Tensor, how: SequenceConfig) -> Tensor:
    """Postures and motions of bodies, as in `stars_infer.similarity.sequence.motion_sequence`.

    Args:
        bodies: (N, T, 25, 3), meters; they are resampled to the number of frames of `how`.
        how: Number of steps S, and the weight of the motion.

    Returns:
        Sequences (N, S, F).
    """
    count, frames, joints, axes = bodies.shape
    if frames != how.preprocessing.frames:
        rows = bodies.flatten(2).transpose(1, 2)
        rows = F.interpolate(rows, how.preprocessing.frames, mode="linear", align_corners=False)
        bodies = rows.transpose(1, 2).view(count, -1, joints, axes)
    steps = bodies.view(count, how.steps, -1, joints, axes).mean(dim=2)
    posture = (steps - steps[:, :, :1])[:, :, JOINTS]
    (motion,) = torch.gradient(posture, dim=1)
    parts = (
        (1 - how.motion) ** 0.5 * _scale(posture, least=1e-6),
        how.motion**0.5 * _scale(motion, least=STILL),
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


def _scale(x: Tensor, *, least: float) -> Tensor:
    """Divide each body of (N, S, V, 3) by its size, the root mean square norm of its steps."""
    size = x.square().sum(dim=(2, 3)).mean(dim=1).sqrt()
    return x / size.clamp(min=least)[:, None, None, None]
