"""The errors of a depth camera: jitter, outliers, hidden limbs and reduced layouts.

Motion capture is clean; the recordings of users are not. The amounts are those of Kinect
recordings: joints jitter by one or two centimeters, hands and feet by more; a hand that the camera
loses jumps by some ten centimeters or stays where it was last seen.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stars_infer.layouts import NTU25_JOINTS, Layout, get_layout
from stars_infer.train.constant import Constant

LIMBS = (
    ("left elbow", "left wrist", "left hand", "tip of left hand", "left thumb"),
    ("right elbow", "right wrist", "right hand", "tip of right hand", "right thumb"),
    ("left knee", "left ankle", "left foot"),
    ("right knee", "right ankle", "right foot"),
)
"""Joints that are hidden together."""
_LEG, _FOOT = (0.4, 0.8, 0.85), 0.12
"""How far knee, ankle and foot of a straight leg are below the hip, and the foot before it,
meters."""
_SHAKY = 2.0
"""Jitter of hands and feet, relative to that of other joints."""
_OUTLIER = 0.15
"""Standard deviation of an outlier along each axis, meters."""
_HIDDEN = (0.1, 0.4)
"""Shortest and longest time a limb is hidden, in shares of a clip; outliers last a fifth of it."""


def scale_jitter(noise: Tensor, deviation: Tensor) -> Tensor:
    """Scale normal noise (N, T, 25, 3) to jitter with standard deviations (N,) in meters."""
    return noise * _WEIGHTS.like(noise)[:, None] * deviation[:, None, None, None]


def hide_limbs(bodies: Tensor, uniform: Tensor, rate: float) -> Tensor:
    """Keep limbs of bodies (N, T, 25, 3) where they were last seen, for part of the clip.

    A limb is not hidden if its body is absent in the first of those frames.

    Args:
        bodies: Bodies.
        uniform: Three numbers for each limb, (N, 3, 4): the limb is hidden if the first is below
            `rate`; the second decides when, the third for how long.
        rate: Probability that a limb is hidden.
    """
    chance, start, share = uniform.unbind(1)
    frames = bodies.shape[1]
    for limb in range(len(LIMBS)):
        length = (_HIDDEN[0] + (_HIDDEN[1] - _HIDDEN[0]) * share[:, limb]) * frames
        first = (start[:, limb] * (frames - length)).long()
        row = torch.arange(len(bodies), device=bodies.device)
        chosen = (chance[:, limb] < rate) & bodies[row, first].flatten(1).any(dim=1)
        during = _during(first, first + length.long(), frames) & chosen[:, None]
        joints = _LIMBS[limb].on(bodies.device)
        # The limb keeps its position relative to the body, which moves on.
        then, now = bodies[row, first][:, None], bodies.index_select(2, joints)
        last = then.index_select(2, joints) - then[:, :, :1]
        held = torch.where(during[:, :, None, None], bodies[:, :, :1] + last, now)
        bodies = bodies.index_copy(2, joints, held)
    return bodies


def hide_legs(bodies: Tensor, hidden: Tensor) -> Tensor:
    """Let the legs of bodies (N, T, 25, 3) hang straight down from the hips if they are hidden.

    Args:
        bodies: Bodies.
        hidden: Whether the legs of a body are not seen, (N,).
    """
    straight = bodies.clone()
    for names in LIMBS[2:]:
        joints = _joints(names)
        for joint, length, forward in zip(joints, _LEG, (0.0, 0.0, _FOOT), strict=True):
            straight[:, :, joint] = bodies[:, :, joints[0] - 1]  # the hip
            straight[:, :, joint, 1] -= length
            straight[:, :, joint, 2] -= forward
    return torch.where(hidden[:, None, None, None], straight, bodies)


def scale_depth(bodies: Tensor, scale: Tensor) -> Tensor:
    """Scale the depth (z) of bodies (N, T, 25, 3) about the base of the spine by (N,)."""
    root = bodies[:, :, :1, 2]
    depth = root + (bodies[..., 2] - root) * scale[:, None, None]
    return torch.cat((bodies[..., :2], depth[..., None]), dim=3)


def add_outliers(bodies: Tensor, noise: Tensor, uniform: Tensor, rate: float) -> Tensor:
    """Displace joints of bodies (N, T, 25, 3) for a few frames.

    Args:
        bodies: Bodies.
        noise: Normal numbers (N, 25, 3), which decide the displacement.
        uniform: Three numbers for each joint, (N, 3, 25), as in `hide_limbs`.
        rate: Probability that a joint is displaced.
    """
    chance, start, share = uniform.unbind(1)
    frames = bodies.shape[1]
    length = (_HIDDEN[0] + (_HIDDEN[1] - _HIDDEN[0]) * share) / 5 * frames
    first = (start * (frames - length)).long()
    during = _during(first, first + length.long().clamp(min=1), frames)
    during = during & (chance < rate)[..., None]
    return bodies + during.transpose(1, 2)[..., None] * (noise * _OUTLIER)[:, None]


def reduce_layouts(bodies: Tensor, which: Tensor) -> Tensor:
    """Reduce bodies (N, T, 25, 3) to layouts with fewer joints, and map them back to NTU-25.

    Args:
        bodies: Bodies.
        which: Position in `REDUCED` of the layout of each body, (N,); -1 leaves a body as it is.
    """
    return torch.einsum("nuv,ntvc->ntuc", _REDUCTIONS.like(bodies)[which + 1], bodies)


def reduction(layout: Layout) -> Tensor:
    """Matrix (25, 25) that reduces NTU-25 to a layout and maps it back as at inference."""
    picks = torch.zeros(len(layout.joints), len(NTU25_JOINTS))
    for row, joint in enumerate(layout.joints):
        same = next(name for name in NTU25_JOINTS if layout.ntu25[name] == {joint: 1.0})
        picks[row, NTU25_JOINTS.index(same)] = 1
    return torch.from_numpy(layout.ntu25_matrix()) @ picks


def _joints(names: tuple[str, ...]) -> list[int]:
    return [NTU25_JOINTS.index(name) for name in names]


def _during(first: Tensor, end: Tensor, frames: int) -> Tensor:
    """Whether each of the frames lies in [first, end), (..., T)."""
    times = torch.arange(frames, device=first.device)
    return (times >= first[..., None]) & (times < end[..., None])


def _weights() -> Tensor:
    """Jitter of each joint, relative to that of most, (25,)."""
    weights = torch.ones(len(NTU25_JOINTS))
    weights[_joints(LIMBS[0][2:] + LIMBS[1][2:] + LIMBS[2][1:] + LIMBS[3][1:])] = _SHAKY
    return weights


REDUCED = tuple(map(get_layout, ("kinect20", "h36m17", "openni15")))
"""Layouts with fewer joints than NTU-25; the draws of a run depend on their number and order."""
_WEIGHTS, _LIMBS = Constant(_weights()), [Constant(_joints(names)) for names in LIMBS]
_REDUCTIONS = Constant(
    torch.stack([torch.eye(len(NTU25_JOINTS)), *(reduction(layout) for layout in REDUCED)])
)
