"""Stage 1 by a plain masked autoencoder: hide tokens at random, predict their coordinates.

The baseline of MAMP's and STARS' ablations (REFERENCE 2, "MAE variant").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from stars_infer.train.methods.masked import MaskedConfig, MaskedPrediction, normalized
from stars_infer.train.networks.encoder import segment_tokens
from stars_infer.train.views.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class MaeConfig(MaskedConfig):
    """Constants of the masked autoencoder."""


class Mae(MaskedPrediction):
    """Masked prediction of coordinates."""

    name: ClassVar[str] = "mae"
    title: ClassVar[str] = "MAE"
    config_class: ClassVar[type[Any]] = MaeConfig
    config: MaeConfig

    def order(self, batch: Batch) -> Tensor:
        """Every token is hidden equally often."""
        return batch.noise.argsort(dim=1)

    def target(self, bodies: Tensor) -> Tensor:
        """The coordinates of each token."""
        return normalized(segment_tokens(bodies, self.encoder.config.segment))
