"""Which tokens the encoder may see.

Single tokens by their motion: MAMP section 3.2, STARS equations 2 and 3. Joints through tubes of
segments: Skeleton2vec section 3.4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.train.networks.encoder import segment_tokens


def visible_count(tokens: int, ratio: float) -> int:
    """Tokens left visible; evaluated in floating point, so 750 at 0.9 gives 74, as published."""
    return int(tokens * (1 - ratio))


def motion_intensity(segments: Tensor) -> Tensor:
    """Mean absolute change from the segment before, per token.

    Args:
        segments: (N, Te, V, l*C).

    Returns:
        (N, Te*V); the first segment takes the second's.
    """
    change = (segments[:, 1:] - segments[:, :-1]).abs().mean(dim=3)
    return torch.cat((change[:, :1], change), dim=1).flatten(1)


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise from uniform noise in [0, 1]."""
    return -torch.log(-torch.log(uniform + 1e-10) + 1e-10)


def motion_aware_order(bodies: Tensor, uniform: Tensor, *, tau: float, segment: int) -> Tensor:
    """Order tokens by how much they want to be masked: the moving ones more often last.

    Args:
        bodies: (N, T, V, 3).
        uniform: Noise in [0, 1], (N, Te*V).
        tau: Temperature; larger is more uniform.
        segment: Frames per token.

    Returns:
        Places of all tokens by rising score, (N, Te*V): the first `visible_count` are seen, the
        others masked.
    """
    n, frames, joints, _ = bodies.shape
    segments = segment_tokens(bodies, segment).view(n, frames // segment, joints, -1)
    intensity = motion_intensity(segments)
    scale = intensity.amax(dim=1, keepdim=True) * tau + 1e-10
    scores = torch.log_softmax(intensity / scale, dim=1) + gumbel(uniform)
    return torch.argsort(scores, dim=1)


def tube_intensity(bodies: Tensor, *, tube: int, segment: int) -> Tensor:
    """How much each joint moves within each tube (Skeleton2vec equations 8 to 10).

    Args:
        bodies: (N, T, V, 3); the last frame counts as still.
        tube: Segments of a tube; the last tube may be shorter.
        segment: Frames of a segment.

    Returns:
        Sums of absolute changes, (N, tubes, V), divided by the largest of their tube; zero where
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
    """Order tokens so that a joint is seen, or masked, through a whole tube of segments.

    With tubes of one segment each segment has a mask of its own (random masking); with tubes as
    long as the clip there is one mask (single-tube masking).

    Args:
        bodies: (N, T, V, 3).
        uniform: Noise in [0, 1], (N, Te*V); a tube uses that of its first segment.
        seen: Joints left visible in each tube.
        tube: Segments of a tube, alpha; the last tube may be shorter.
        beta: Weight of the motion beside the noise; the moving joints are masked more often.
        segment: Frames of a segment.

    Returns:
        Places of all tokens, (N, Te*V): the first Te*seen are seen, the others masked, both
        segment by segment (equation 11).
    """
    n, frames, joints, _ = bodies.shape
    segments = frames // segment
    noise = uniform.view(n, segments, joints)[:, ::tube]
    score = noise + beta * tube_intensity(bodies, tube=tube, segment=segment)
    ranked = score.argsort(dim=2).repeat_interleave(tube, dim=1)[:, :segments]
    places = ranked + joints * torch.arange(segments, device=bodies.device)[:, None]
    return torch.cat((places[..., :seen].flatten(1), places[..., seen:].flatten(1)), dim=1)
