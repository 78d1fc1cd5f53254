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
from stars_infer.train.methods.masking import INTENSITIES, RELATIVE, motion_aware_order
from stars_infer.train.networks.encoder import EncoderConfig, segment_tokens
from stars_infer.train.views.batch import Batch

TARGETS = NEXT, PREVIOUS = "next", "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class MampConfig(MaskedConfig):
    """Constants of MAMP.

    Attributes:
        tau: Masking temperature; 0.80 for NTU-60 and PKU, 0.75 for NTU-120.
        motion_stride: Frames m between the two positions whose difference is predicted; 1 in
            MAMP's code, while STARS (section 3.2) says m = l, 4.
        motion_target: next predicts x[t+m] - x[t], and 0 for the last m frames, as in MAMP's code;
            previous predicts x[t] - x[t-m], repeated for the first m frames, as in equation 1.
        motion_intensity: What tau divides: relative is the mean change of a token in shares of the
            largest of its body, as in MAMP's code; absolute is the sum, as in equation 2.
    """

    tau: float = 0.80
    motion_stride: int = 1
    motion_target: str = NEXT
    motion_intensity: str = RELATIVE

    def __post_init__(self) -> None:
        MaskedConfig.__post_init__(self)
        if not self.tau > 0:
            raise UsageError(f"tau must be above 0, not {self.tau:g}")
        if self.motion_stride < 1:
            raise UsageError(f"motion_stride must be at least 1, not {self.motion_stride}")
        for name, known in (("motion_target", TARGETS), ("motion_intensity", INTENSITIES)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {' or '.join(known)}, not {getattr(self, name)!r}")


def motion_target(bodies: Tensor, *, stride: int, segment: int, toward: str = NEXT) -> Tensor:
    """Prediction target: the motion in each token, with zero mean and unit variance.

    Args:
        bodies: (N, T, V, 3).
        stride: m, frames.
        segment: Frames per token, l.
        toward: `next`, as in MAMP's code: x[t+m] - x[t], and 0 for the last m frames. `previous`,
            as in STARS, equation 1: x[t] - x[t-m], and the first m frames repeat the next m.

    Returns:
        (N, Te*V, l*3).
    """
    change = bodies[:, stride:] - bodies[:, :-stride]
    if toward == PREVIOUS:
        motion = torch.cat((change[:, :stride], change), dim=1)
    else:
        motion = torch.cat((change, torch.zeros_like(bodies[:, :stride])), dim=1)
    return normalize_tokens(segment_tokens(motion, segment))


class Mamp(MaskedPrediction):
    """Masked motion prediction."""

    name: ClassVar[str] = "mamp"
    title: ClassVar[str] = "MAMP"
    config_class: ClassVar[type[Any]] = MampConfig
    config: MampConfig

    def __init__(self, encoder: EncoderConfig, config: MampConfig) -> None:
        super().__init__(encoder, config)
        if 2 * config.motion_stride > encoder.frames:
            raise UsageError(
                f"motion_stride ({config.motion_stride}) is more than half of the "
                f"{encoder.frames} frames"
            )

    def order(self, batch: Batch) -> Tensor:
        """Order the tokens at random; those that move are masked more often."""
        segment = self.encoder.config.segment
        bodies = self.encoder.by_token(batch.bodies)
        return motion_aware_order(
            bodies,
            batch.noise,
            tau=self.config.tau,
            segment=segment,
            kind=self.config.motion_intensity,
        )

    def target(self, bodies: Tensor) -> Tensor:
        """Motion within each token, (N, Te*V, l*3)."""
        return motion_target(
            self.encoder.by_token(bodies),
            stride=self.config.motion_stride,
            segment=self.encoder.config.segment,
            toward=self.config.motion_target,
        )
