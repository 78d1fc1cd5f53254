"""Calibration of a model before any exemplar speaks.

Fitted by `benchmarks/quality/calibration.py --fit` to the four sets of `docs/quality.md`; the
figures in `docs/unknown.md` are for each set with curves that were fitted to the other three.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from stars_infer.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Curves of `stars_infer.evidence.Calibration`, and how strangers fare.

    Attributes:
        known: Weights of `stars_infer.evidence.features` for the chance that the action of a clip
            is in the index, if half of all clips are strangers.
        right: The same for the chance that the answer is right if it is.
        centre: Strength of strangers, mean.
        spread: The same, standard deviation.
    """

    known: tuple[float, float, float]
    right: tuple[float, float, float]
    centre: float
    spread: float

    def __post_init__(self) -> None:
        if len(self.known) != 3 or len(self.right) != 3 or not self.spread > 0:
            raise UsageError(f"a calibration has two curves of three numbers: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalibration:
    """A model's own calibration.

    Attributes:
        ridge: For evidence from all exemplars.
        nearest: For evidence from the nearest exemplars of a large index.
    """

    ridge: Prior
    nearest: Prior

    def to_json(self) -> dict[str, Any]:
        """JSON values, as in `model.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelCalibration:
        """From `model.json`."""
        return cls(**{name: _prior(values[name]) for name in ("ridge", "nearest")})


def _prior(values: dict[str, Any]) -> Prior:
    curves = {name: tuple(map(float, values[name])) for name in ("known", "right")}
    return Prior(**{**values, **curves})


OF_SEQUENCES = ModelCalibration(
    ridge=Prior(known=(-1.78, 0.67, 1.91), right=(0.07, 0.95, 2.81), centre=0.27, spread=0.18),
    nearest=Prior(known=(-0.45, 1.39, -1.60), right=(0.69, 1.89, 1.26), centre=0.16, spread=0.07),
)
"""For models that compare sequences."""
OF_VECTORS = ModelCalibration(
    ridge=Prior(known=(-0.08, 0.61, -0.14), right=(-0.48, 0.55, 2.51), centre=0.63, spread=0.30),
    nearest=Prior(known=(-0.07, 0.20, -0.04), right=(0.02, 0.47, 3.23), centre=0.22, spread=0.10),
)
"""For models that compare vectors."""
