"""The input streams of an encoder: joints, their motion, or bones (SkeAttnCLR, Table 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.layouts import NTU25_PARENTS

STREAMS = JOINT, MOTION, BONE = "joint", "motion", "bone"


def parents() -> Tensor:
    """Number of each joint's parent, (25,)."""
    return torch.tensor(NTU25_PARENTS)


def stream_of(bodies: Tensor, stream: str, parents: Tensor) -> Tensor:
    """Derive a stream (N, T, V, 3) from bodies (N, T, V, 3), meters.

    This is the first step of every encoder, and therefore of its exported graph.

    Args:
        bodies: Joint positions, NTU-25.
        stream: `joint` is the positions; `motion` is x[t+1] - x[t], zero in the last frame; `bone`
            is each joint relative to its parent, zero at the base of the spine.
        parents: From `parents`, on the device of the bodies, so that nothing is sent there.
    """
    if stream == MOTION:
        return F.pad(bodies[:, 1:] - bodies[:, :-1], (0, 0, 0, 0, 0, 1))
    if stream == BONE:
        return bodies - bodies.index_select(2, parents)
    return bodies
