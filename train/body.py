"""Random bodies: other bone lengths, and other ways to hold oneself, for a whole batch."""

from __future__ import annotations

import torch
from torch import Tensor

from stars_infer.layouts import NTU25_JOINTS
from stars_infer.normalisation import CHAIN
from stars_infer.train.augment import MIRRORED_JOINTS, rotations
from stars_infer.train.normalise import bones, rebuilt

_ONE_OF_A_PAIR = [min(pair) for pair in enumerate(MIRRORED_JOINTS)]
"""For each NTU-25 joint, the one whose random number decides for both sides."""


def lengthened(bodies: Tensor, noise: Tensor, deviation: float) -> Tensor:
    """Stretch the bones of bodies (N, T, 25, 3), left and right ones alike.

    Args:
        bodies: Bodies.
        noise: Normal, (N, 25).
        deviation: Of the logarithm of a bone's length.
    """
    stretch = (deviation * noise[:, _ONE_OF_A_PAIR]).exp()
    return rebuilt(bodies, bones(bodies) * stretch[:, None, :, None])


def posed(bodies: Tensor, noise: Tensor, deviation: float) -> Tensor:
    """Turn the bones of bodies (N, T, 25, 3) by angles that stay the same over the clip.

    What hangs on a bone turns with it; angles are small, so they are added along the chain.

    Args:
        bodies: Bodies.
        noise: Normal, (N, 25, 3).
        deviation: Of each joint's angles about x, y and z, radians.
    """
    chain = torch.from_numpy(CHAIN).to(bodies)
    angles = (chain @ (noise * deviation)).flatten(0, 1)
    turns = rotations(angles).view(len(bodies), len(NTU25_JOINTS), 3, 3)
    return rebuilt(bodies, torch.einsum("nvij,ntvj->ntvi", turns, bones(bodies)))
