"""What of a skeleton an encoder sees: its joints, their motion, or its bones (REFERENCE 8)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from stars_infer.layouts import NTU25_PARENTS

STREAMS = JOINT, MOTION, BONE = "joint", "motion", "bone"


def stream_of(bodies: Tensor, stream: str) -> Tensor:
    """A stream (N, T, V, 3) of bodies (N, T, V, 3), meters.

    It is the first step of an encoder, and so of its exported graph.

    Args:
        bodies: Joint positions, NTU-25.
        stream: `joint` is the positions; `motion` is x[t+1] - x[t], zero in the last frame; `bone`
            is each joint seen from its parent, zero at the base of the spine.
    """
    if stream == MOTION:
        return F.pad(bodies[:, 1:] - bodies[:, :-1], (0, 0, 0, 0, 0, 1))
    if stream == BONE:
        return bodies - bodies[:, :, NTU25_PARENTS]
    return bodies
