"""Which tokens the encoder may see (MAMP section 3.2, STARS equations 2 and 3)."""

from __future__ import annotations

import torch
from torch import Tensor

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
