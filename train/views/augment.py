"""Random transformations of training clips, each for a whole batch on its device.

Rotation and mirror keep a body a body; shear and axis mask do not, and cost the paper accuracy
(STARS Table 7).
"""

from __future__ import annotations

import torch
from torch import Tensor

from stars_infer.layouts import NTU25_JOINTS


def _mirrored_joints() -> list[int]:
    """For each NTU-25 joint, its counterpart on the other side of the body."""
    swapped = {"left": "right", "right": "left"}
    names = [" ".join(swapped.get(word, word) for word in joint.split()) for joint in NTU25_JOINTS]
    return [NTU25_JOINTS.index(name) for name in names]


MIRRORED_JOINTS = _mirrored_joints()


def rotations(angles: Tensor) -> Tensor:
    """Matrices R = Rz Ry Rx, (B, 3, 3), of angles about x, y and z, (B, 3), radians."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def shears(amounts: Tensor) -> Tensor:
    """Matrices (B, 3, 3) with 1 on the diagonal and six amounts (B, 6) beside it."""
    matrices = torch.eye(3).expand(len(amounts), 3, 3).clone()
    matrices[:, [0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]] = amounts
    return matrices


def axis_masks(axes: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that zero one axis (B,): 0 to 2, or none at 3."""
    kept = torch.ones(len(axes), 4).scatter_(1, axes[:, None], 0)[:, :3]
    return torch.diag_embed(kept)


def mirror(bodies: Tensor, which: Tensor) -> Tensor:
    """Mirror the bodies (N, T, V, 3) of `which` (N,): x to -x, left joints to right ones."""
    mirrored = bodies[:, :, MIRRORED_JOINTS] * bodies.new_tensor([-1.0, 1.0, 1.0])
    return torch.where(which[:, None, None, None], mirrored, bodies)


def shifted_in_time(bodies: Tensor, places: Tensor, *, padding: float) -> Tensor:
    """A window of T frames of bodies (N, T, V, 3) that go on backwards at both ends.

    Args:
        bodies: Bodies.
        places: Where the window lies in the padded clip, 0 to 1, (N,).
        padding: Frames added at each end, as a share of T (the temporal crop of SkeletonCLR).
    """
    frames = bodies.shape[1]
    padded = int(frames * padding)
    shift = (places * (2 * padded + 1)).floor().long() - padded
    at = torch.arange(frames, device=bodies.device) + shift[:, None]
    # Frame -1 is frame 0 again, frame T is frame T - 1 again.
    at = torch.where(at < 0, -1 - at, at)
    at = torch.where(at >= frames, 2 * frames - 1 - at, at)
    return bodies[torch.arange(len(bodies), device=bodies.device)[:, None], at]
