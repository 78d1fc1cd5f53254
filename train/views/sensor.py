"""What a depth camera makes of a body: jitter, jumps, hidden limbs, floor noise, fewer joints.

Motion capture is clean; what users have is not. The sizes are those of Kinect recordings: a joint
trembles by one or two centimeters, hands and feet by more; a hand that is lost jumps by some ten
centimeters or stays where it was last seen.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stars_infer.layouts import NTU25_JOINTS, Layout, get_layout

LIMBS = (
    ("left elbow", "left wrist", "left hand", "tip of left hand", "left thumb"),
    ("right elbow", "right wrist", "right hand", "tip of right hand", "right thumb"),
    ("left knee", "left ankle", "left foot"),
    ("right knee", "right ankle", "right foot"),
)
"""What is hidden together."""
_SHAKY = 2.0
"""How much more than other joints hands and feet tremble."""
_JUMP = 0.15
"""Deviation of a jump on each axis, meters."""
_HIDDEN = (0.1, 0.4)
"""Least and most of a clip for which a limb is hidden, as a share; a jump lasts a fifth of that."""


def jitter(noise: Tensor, jitter: Tensor) -> Tensor:
    """Noise (N, T, 25, 3), normal, as the trembling of joints with a deviation (N,) in meters."""
    weight = torch.ones(len(NTU25_JOINTS), device=noise.device)
    weight[_joints(LIMBS[0][2:] + LIMBS[1][2:] + LIMBS[2][1:] + LIMBS[3][1:])] = _SHAKY
    return noise * weight[:, None] * jitter[:, None, None, None]


def hidden(bodies: Tensor, uniform: Tensor, rate: float) -> Tensor:
    """Hold limbs of bodies (N, T, 25, 3) where they were last seen, for a part of the clip.

    A limb is never hidden from a frame on in which its body is not there.

    Args:
        bodies: Bodies.
        uniform: For each limb, (N, 3, 4): it is hidden if the first is below `rate`, the second
            says when, the third for how long.
        rate: Probability.
    """
    chance, start, share = uniform.unbind(1)
    frames = bodies.shape[1]
    for limb, names in enumerate(LIMBS):
        length = (_HIDDEN[0] + (_HIDDEN[1] - _HIDDEN[0]) * share[:, limb]) * frames
        first = (start[:, limb] * (frames - length)).long()
        row = torch.arange(len(bodies), device=bodies.device)
        chosen = (chance[:, limb] < rate) & bodies[row, first].flatten(1).any(dim=1)
        during = _during(first, first + length.long(), frames) & chosen[:, None]
        joints = _joints(names)
        # Held relative to the body, which goes on moving.
        last = bodies[row, first][:, None, joints] - bodies[row, first][:, None, :1]
        held = torch.where(during[:, :, None, None], bodies[:, :, :1] + last, bodies[:, :, joints])
        bodies = bodies.index_copy(2, torch.tensor(joints, device=bodies.device), held)
    return bodies


def jumping(bodies: Tensor, noise: Tensor, uniform: Tensor, rate: float) -> Tensor:
    """Shift joints of bodies (N, T, 25, 3) for a few frames.

    Args:
        bodies: Bodies.
        noise: Normal (N, 25, 3): whereto.
        uniform: For each joint, (N, 3, 25), as in `hidden`.
        rate: Probability.
    """
    chance, start, share = uniform.unbind(1)
    frames = bodies.shape[1]
    length = (_HIDDEN[0] + (_HIDDEN[1] - _HIDDEN[0]) * share) / 5 * frames
    first = (start * (frames - length)).long()
    during = _during(first, first + length.long().clamp(min=1), frames)
    during = during & (chance < rate)[..., None]
    return bodies + during.transpose(1, 2)[..., None] * (noise * _JUMP)[:, None]


def with_joints_of(bodies: Tensor, which: Tensor) -> Tensor:
    """Reduce bodies (N, T, 25, 3) to the joints of poorer layouts, and back to 25.

    Args:
        bodies: Bodies.
        which: Place in `REDUCED` of each body's layout, (N,); -1 for none.
    """
    matrices = torch.stack([torch.eye(len(NTU25_JOINTS)), *map(reduction, REDUCED)]).to(bodies)
    return torch.einsum("nuv,ntvc->ntuc", matrices[which + 1], bodies)


def reduction(layout: Layout) -> Tensor:
    """Matrix (25, 25) that leaves of NTU-25 what a layout keeps, the rest made up as at use."""
    picks = torch.zeros(len(layout.joints), len(NTU25_JOINTS))
    for row, joint in enumerate(layout.joints):
        same = next(name for name in NTU25_JOINTS if layout.ntu25[name] == {joint: 1.0})
        picks[row, NTU25_JOINTS.index(same)] = 1
    return torch.from_numpy(layout.ntu25_matrix()) @ picks


def _joints(names: tuple[str, ...]) -> list[int]:
    return [NTU25_JOINTS.index(name) for name in names]


def _during(first: Tensor, end: Tensor, frames: int) -> Tensor:
    """Whether frames lie in [first, end), (..., T)."""
    times = torch.arange(frames, device=first.device)
    return (times >= first[..., None]) & (times < end[..., None])


REDUCED = tuple(map(get_layout, ("kinect20", "h36m17", "openni15")))
"""Layouts with fewer joints; a run's draws of them depend on which there are, in which order."""
