"""Augmentations of training clips, each for a whole batch on its device (STARS, Table 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from stars_infer.layouts import get_layout
from stars_infer.train.constant import Constant

COUNTERPARTS = list(get_layout("ntu25").counterparts)
"""For each NTU-25 joint, the one on the other side of the body."""
_COUNTERPARTS, _X_NEGATED = Constant(COUNTERPARTS), Constant([-1.0, 1.0, 1.0])


def rotations(angles: Tensor) -> Tensor:
    """Rotation matrices R = Rz Ry Rx, (B, 3, 3), from angles (B, 3) about x, y and z, radians."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def shears(amounts: Tensor) -> Tensor:
    """Shear matrices (B, 3, 3): 1 on the diagonal, the amounts (B, 6) off the diagonal."""
    matrices = torch.eye(3).expand(len(amounts), 3, 3).clone()
    matrices[:, [0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]] = amounts
    return matrices


def axis_masks(axes: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that zero the axis (B,) 0, 1 or 2 of each clip; 3 zeros none."""
    kept = torch.ones(len(axes), 4).scatter_(1, axes[:, None], 0)[:, :3]
    return torch.diag_embed(kept)


def mirror(bodies: Tensor, which: Tensor) -> Tensor:
    """Mirror bodies (N, T, V, 3) where `which` (N,) is true: negate x, swap left and right."""
    swapped = bodies.index_select(2, _COUNTERPARTS.on(bodies.device))
    mirrored = swapped * _X_NEGATED.like(bodies)
    return torch.where(which[:, None, None, None], mirrored, bodies)


def shift_in_time(bodies: Tensor, offset: Tensor, *, padding: float) -> Tensor:
    """Cut a window of T frames from bodies (N, T, V, 3) that are reflected at both ends.

    This is the temporal crop of SkeletonCLR, which SkeAttnCLR uses (section 3.1).

    Args:
        bodies: Bodies.
        offset: Position of the window in the padded clip, from 0 to 1, (N,).
        padding: Frames that are added at each end, as a share of T.
    """
    frames = bodies.shape[1]
    padded = int(frames * padding)
    shift = (offset * (2 * padded + 1)).floor().long() - padded
    at = torch.arange(frames, device=bodies.device) + shift[:, None]
    # Frame -1 is frame 0 again, frame T is frame T - 1 again.
    at = torch.where(at < 0, -1 - at, at)
    at = torch.where(at >= frames, 2 * frames - 1 - at, at)
    return bodies[torch.arange(len(bodies), device=bodies.device)[:, None], at]
