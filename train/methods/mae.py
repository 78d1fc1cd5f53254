"""MAE, stage 1: mask tokens uniformly at random and predict their coordinates.

The plain masked autoencoder of the ablations of STARS (Tables 15 and 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from stars_infer.train.methods.masked import MaskedConfig, MaskedPrediction, normalize_tokens
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
        """Order the tokens at random, all with the same probability."""
        return batch.noise.argsort(dim=1)

    def target(self, bodies: Tensor) -> Tensor:
        """Normalized coordinates of each token, (N, Te*V, l*3)."""
        return normalize_tokens(self.encoder.cut(bodies))
