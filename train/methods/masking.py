"""Masking: which tokens the encoder sees.

Motion-aware masking of single tokens (MAMP, section 3.2; STARS, section 3.2, equations 2 and 3) and
motion-aware multi-tube masking of joints (Skeleton2vec, section 3.4).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.train.networks.encoder import segment_tokens


def visible_count(tokens: int, ratio: float) -> int:
    """Number of tokens that stay visible.

    Evaluated in floating point as in MAMP's code, so that 750 tokens at a ratio of 0.9 leave 74.
    """
    return int(tokens * (1 - ratio))


def motion_intensity(segments: Tensor) -> Tensor:
    """Mean absolute change of each token from the segment before (STARS, equation 2).

    Args:
        segments: (N, Te, V, l*C).

    Returns:
        (N, Te*V); the first segment has the values of the second.
    """
    change = (segments[:, 1:] - segments[:, :-1]).abs().mean(dim=3)
    return torch.cat((change[:, :1], change), dim=1).flatten(1)


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise from uniform noise in [0, 1] (STARS, equation 3)."""
    return -torch.log(-torch.log(uniform + 1e-10) + 1e-10)


def motion_aware_order(bodies: Tensor, uniform: Tensor, *, tau: float, segment: int) -> Tensor:
    """Order tokens by a random score; those that move more tend to come last and to be masked.

    STARS, equations 2 and 3.

    Args:
        bodies: (N, T, V, 3).
        uniform: Noise in [0, 1], (N, Te*V).
        tau: Temperature; the larger, the more uniform.
        segment: Frames per token.

    Returns:
        Positions of all tokens by rising score, (N, Te*V): the first `visible_count` stay visible,
        the others are masked.
    """
    n, frames, joints, _ = bodies.shape
    segments = segment_tokens(bodies, segment).view(n, frames // segment, joints, -1)
    intensity = motion_intensity(segments)
    scale = intensity.amax(dim=1, keepdim=True) * tau + 1e-10
    scores = torch.log_softmax(intensity / scale, dim=1) + gumbel(uniform)
    return torch.argsort(scores, dim=1)


def tube_intensity(bodies: Tensor, *, tube: int, segment: int) -> Tensor:
    """Motion intensity of each joint within each tube (Skeleton2vec, equations 8 to 10).

    Args:
        bodies: (N, T, V, 3); the motion of the last frame is 0.
        tube: Segments per tube; the last tube may be shorter.
        segment: Frames per segment.

    Returns:
        Sums of absolute changes, (N, tubes, V), divided by the largest of their tube; 0 where
        nothing moves.
    """
    n, frames, joints, _ = bodies.shape
    change = (bodies[:, 1:] - bodies[:, :-1]).abs().sum(dim=3)
    length = tube * segment
    filled = F.pad(change, (0, 0, 0, 1 + -frames % length))
    sums = filled.view(n, -1, length, joints).sum(dim=2)
    return sums / sums.amax(dim=2, keepdim=True).clamp(min=1e-10)


def tube_order(
    bodies: Tensor, uniform: Tensor, *, seen: int, tube: int, beta: float, segment: int
) -> Tensor:
    """Order tokens so that a joint is visible, or masked, through a whole tube of segments.

    Tubes of one segment give each segment its own mask (random masking); a tube as long as the
    clip gives one mask (single-tube masking). Skeleton2vec, equation 11.

    Args:
        bodies: (N, T, V, 3).
        uniform: Noise in [0, 1], (N, Te*V); a tube takes that of its first segment.
        seen: Number of visible joints in each tube.
        tube: Segments per tube, alpha; the last tube may be shorter.
        beta: Weight of the motion intensity, by which moving joints are masked more often.
        segment: Frames per segment.

    Returns:
        Positions of all tokens, (N, Te*V): the first Te*seen stay visible, the others are masked,
        both segment by segment.
    """
    n, frames, joints, _ = bodies.shape
    segments = frames // segment
    noise = uniform.view(n, segments, joints)[:, ::tube]
    score = noise + beta * tube_intensity(bodies, tube=tube, segment=segment)
    ranked = score.argsort(dim=2).repeat_interleave(tube, dim=1)[:, :segments]
    positions = ranked + joints * torch.arange(segments, device=bodies.device)[:, None]
    return torch.cat((positions[..., :seen].flatten(1), positions[..., seen:].flatten(1)), dim=1)
