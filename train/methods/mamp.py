"""MAMP, stage 1: mask 90 % of the tokens, moving ones more often, and predict their motion.

MAMP, section 3; STARS, section 3.2, equations 1 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.train.methods.masked import MaskedConfig, MaskedPrediction, normalize_tokens
from stars_infer.train.methods.masking import motion_aware_order
from stars_infer.train.networks.encoder import segment_tokens
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MampConfig(MaskedConfig):
    """Constants of MAMP.

    Attributes:
        tau: Masking temperature; 0.80 for NTU-60 and PKU, 0.75 for NTU-120.
        motion_stride: Frames m between the two positions whose difference is predicted; 1 in
            MAMP's code, while STARS (section 3.2) says m = l.
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
    """Prediction target: the motion in each token, with zero mean and unit variance.

    STARS, equation 1. The target of frame t is x[t+m] - x[t], as in MAMP's code.

    Args:
        bodies: (N, T, V, 3).
        stride: m, frames; the motion of the last m frames is 0.
        segment: Frames per token, l.

    Returns:
        (N, Te*V, l*3).
    """
    motion = torch.zeros_like(bodies)
    motion[:, :-stride] = bodies[:, stride:] - bodies[:, :-stride]
    return normalize_tokens(segment_tokens(motion, segment))


class Mamp(MaskedPrediction):
    """Masked motion prediction."""

    name: ClassVar[str] = "mamp"
    title: ClassVar[str] = "MAMP"
    config_class: ClassVar[type[Any]] = MampConfig
    config: MampConfig

    def order(self, batch: Batch) -> Tensor:
        """Order the tokens at random; those that move are masked more often."""
        segment = self.encoder.config.segment
        bodies = self.encoder.by_token(batch.bodies)
        return motion_aware_order(bodies, batch.noise, tau=self.config.tau, segment=segment)

    def target(self, bodies: Tensor) -> Tensor:
        """Motion within each token, (N, Te*V, l*3)."""
        return motion_target(
            self.encoder.by_token(bodies),
            stride=self.config.motion_stride,
            segment=self.encoder.config.segment,
        )
