"""Masking: which tokens the encoder sees.

Motion-aware masking of single tokens (MAMP, section 3.2; STARS, section 3.2, equations 2 and 3) and
motion-aware multi-tube masking of joints (Skeleton2vec, section 3.4).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.train.networks.encoder import segment_tokens

ROUNDINGS = DOWN, NEAREST = "down", "nearest"
"""How a share of the tokens becomes a number of them."""
INTENSITIES = RELATIVE, ABSOLUTE = "relative", "absolute"
"""What the temperature of motion-aware masking divides."""


def visible_count(tokens: int, ratio: float, rounding: str = DOWN) -> int:
    """Number of tokens that stay visible.

    Args:
        tokens: Number of all tokens.
        ratio: Share that is masked.
        rounding: `down` as in the public codes, in floating point, so that 750 tokens at a ratio of
            0.9 leave 74, and 25 joints at 0.8 leave 4; or `nearest`: 75 and 5.
    """
    exact = tokens * (1 - ratio)
    return round(exact) if rounding == NEAREST else int(exact)


def motion_intensity(segments: Tensor, kind: str = RELATIVE) -> Tensor:
    """Absolute change of each token from the segment before (STARS, equation 2).

    Args:
        segments: (N, Te, V, l*C).
        kind: `relative` for the mean over the values of a token, as in MAMP's code; `absolute` for
            their sum, as in equation 2.

    Returns:
        (N, Te*V); the first segment has the values of the second.
    """
    change = (segments[:, 1:] - segments[:, :-1]).abs()
    of_tokens = change.sum(dim=3) if kind == ABSOLUTE else change.mean(dim=3)
    return torch.cat((of_tokens[:, :1], of_tokens), dim=1).flatten(1)


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise from uniform noise in [0, 1] (STARS, equation 3)."""
    return -torch.log(-torch.log(uniform + 1e-10) + 1e-10)


def motion_aware_order(
    bodies: Tensor, uniform: Tensor, *, tau: float, segment: int, kind: str = RELATIVE
) -> Tensor:
    """Order tokens by a random score; those that move more tend to come last and to be masked.

    STARS, equations 2 and 3.

    Args:
        bodies: (N, T, V, 3).
        uniform: Noise in [0, 1], (N, Te*V).
        tau: Temperature; the larger, the more uniform.
        segment: Frames per token.
        kind: What the temperature divides: the intensity in shares of the largest of the body
            (`relative`, as in MAMP's code), or as it is (`absolute`, as in equation 2).

    Returns:
        Positions of all tokens by rising score, (N, Te*V): the first `visible_count` stay visible,
        the others are masked.
    """
    n, frames, joints, _ = bodies.shape
    segments = segment_tokens(bodies, segment).view(n, frames // segment, joints, -1)
    intensity = motion_intensity(segments, kind)
    if kind == ABSOLUTE:
        weighed = intensity / tau
    else:
        weighed = intensity / (intensity.amax(dim=1, keepdim=True) * tau + 1e-10)
    scores = torch.log_softmax(weighed, dim=1) + gumbel(uniform)
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
