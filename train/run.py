"""What a training run is: its configuration, its method, its folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from stars_infer.errors import ModelError, UsageError
from stars_infer.train.methods.mamp import Mamp, MampConfig
from stars_infer.train.methods.stars import Stars, StarsConfig
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views import ViewConfig

Method = Mamp | Stars
MethodName = Literal["mamp", "stars"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """Optimisation and bookkeeping (REFERENCE 2 and 3).

    Attributes:
        steps: Optimiser steps in all.
        batch: Clips per step, over all processes and gradient steps.
        accumulate: Gradient steps a batch is cut into.
        lr: Peak learning rate.
        final_lr: Learning rate at the end of the cosine.
        warmup: Steps of linear warm-up from zero.
        weight_decay: AdamW decay; one-dimensional parameters have none.
        layer_decay: Learning rate of block i is lr * layer_decay^(N-i); None is one rate for all.
        precision: Fabric's name of a precision.
        seed: Of weights, data order, crops, rotations and masks.
        checkpoint_minutes: Time between two checkpoints.
        log_every: Steps between two lines of the log.
    """

    steps: int
    batch: int = 128
    accumulate: int = 1
    lr: float = 1e-3
    final_lr: float = 5e-4
    warmup: int = 0
    weight_decay: float = 0.05
    layer_decay: float | None = None
    precision: str = "32-true"
    seed: int = 0
    checkpoint_minutes: float = 10.0
    log_every: int = 10

    def __post_init__(self) -> None:
        if self.batch % self.accumulate:
            raise UsageError(
                f"batch ({self.batch}) must be a multiple of accumulate ({self.accumulate})"
            )
        if not (self.lr > 0 and self.final_lr >= 0 and self.warmup >= 0 and self.weight_decay >= 0):
            raise UsageError("lr must be above 0; final_lr, warmup and weight_decay not below it")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise UsageError(f"layer_decay is a share up to 1, not {self.layer_decay:g}")
        if min(self.steps, self.batch, self.accumulate, self.log_every) < 1:
            raise UsageError("steps, batch, accumulate and log_every must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that decides a run's numbers; stored in its checkpoint.

    Attributes:
        method: Which method; only its own configuration counts.
        data: Path of the pack or folder of clips.
        start_from: Path of the run whose encoder this one starts from, if any.
    """

    method: MethodName
    data: str
    loop: LoopConfig
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    mamp: MampConfig | None = None
    stars: StarsConfig | None = None
    start_from: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any], *, source: str) -> RunConfig:
        """Read what `to_json` wrote.

        Raises:
            ModelError: If keys are unknown or missing.
        """
        parts = {
            "loop": LoopConfig,
            "encoder": EncoderConfig,
            "views": ViewConfig,
            "mamp": MampConfig,
            "stars": StarsConfig,
        }
        try:
            made = {
                key: parts[key](**value) if key in parts and value is not None else value
                for key, value in values.items()
            }
            return cls(**made)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{source}: its configuration cannot be used: {error}") from error


def build_method(config: RunConfig) -> Method:
    """Make the method of a run with fresh weights."""
    if config.method == "mamp":
        return Mamp(config.encoder, config.mamp or MampConfig())
    return Stars(config.encoder, config.stars or StarsConfig())
