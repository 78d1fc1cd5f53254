"""Stage 1, MAMP: hide 90 % of the tokens, the moving ones first, predict the motion in them.

REFERENCE 2; MAMP section 3, STARS section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.train.methods.masked import MaskedConfig, MaskedPrediction, normalized
from stars_infer.train.methods.masking import motion_aware_order
from stars_infer.train.networks.encoder import segment_tokens
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MampConfig(MaskedConfig):
    """Constants of MAMP.

    Attributes:
        tau: Masking temperature; 0.80 for NTU-60 and PKU, 0.75 for NTU-120.
        motion_stride: Frames m over which motion is predicted.
    """

    tau: float = 0.80
    motion_stride: int = 1

    def __post_init__(self) -> None:
        MaskedConfig.__post_init__(self)
        if not self.tau > 0:
            raise UsageError(f"tau must be above 0, not {self.tau:g}")
        if self.motion_stride < 1:
            raise UsageError(f"motion_stride must be at least 1, not {self.motion_stride}")


def motion_target(bodies: Tensor, *, stride: int, segment: int) -> Tensor:
    """What is predicted: motion per token, normalized to zero mean and unit variance.

    Args:
        bodies: (N, T, V, 3).
        stride: m of x[t+m] - x[t]; the last m frames count as still.
        segment: Frames per token.

    Returns:
        (N, Te*V, l*3).
    """
    motion = torch.zeros_like(bodies)
    motion[:, :-stride] = bodies[:, stride:] - bodies[:, :-stride]
    return normalized(segment_tokens(motion, segment))


class Mamp(MaskedPrediction):
    """Masked motion prediction."""

    name: ClassVar[str] = "mamp"
    title: ClassVar[str] = "MAMP"
    config_class: ClassVar[type[Any]] = MampConfig
    config: MampConfig

    def order(self, batch: Batch) -> Tensor:
        """Tokens that move are hidden more often."""
        segment = self.encoder.config.segment
        return motion_aware_order(batch.bodies, batch.noise, tau=self.config.tau, segment=segment)

    def target(self, bodies: Tensor) -> Tensor:
        """The motion within each token."""
        return motion_target(
            bodies, stride=self.config.motion_stride, segment=self.encoder.config.segment
        )
