"""A training run: its configuration and its method."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from stars_infer.errors import ModelError, UsageError, brief
from stars_infer.train.methods import METHODS
from stars_infer.train.methods.method import Method
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.config import ViewConfig

OPTIMIZERS = ADAMW, SGD = "adamw", "sgd"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """Optimization and logging; the defaults are those of MAMP's pretraining.

    STARS, section 4.2, "Pre-training".

    Attributes:
        epochs: Passes over the data.
        steps: Number of optimizer steps, instead of epochs.
        batch: Clips per step, over all processes and gradient steps.
        accumulate: Number of gradient steps that a batch is divided into.
        lr: Peak learning rate.
        final_lr: Learning rate at the end of the cosine.
        milestone: Share of the steps after which the rate drops to a tenth; replaces the cosine.
            5/6 in SkeAttnCLR.
        second_milestone: Share of the steps after which it drops once more.
        plateau: Epochs without a lower mean loss that are borne before the rate drops to a tenth,
            as in PyTorch's ReduceLROnPlateau; replaces the cosine. 10 in the fine-tuning of
            SkeAttnCLR.
        warmup: Epochs of linear warm-up from zero.
        optimizer: adamw or sgd.
        sgd_momentum: Momentum of sgd.
        weight_decay: Weight decay; with adamw, one-dimensional parameters have none.
        layer_decay: Layer-wise decay: block i of N learns at lr * layer_decay^(N-i) (STARS,
            equation 7); by default, all blocks learn at the same rate.
        precision: Precision, as Fabric names it.
        seed: Seed of weights, data order, crops, augmentations and masks.
        checkpoint_minutes: Minutes between two checkpoints.
        log_every: Steps between two lines of the log.
        validate_every: Epochs between two measurements of the 10-NN accuracy on the test part of
            the split; the best encoder is kept as `best.safetensors`. 0 measures never.
        keep: Number of checkpoints that are kept, evenly over the run and with its end, as
            `kept-1.safetensors` and so on, for learning curves.
    """

    epochs: float = 400
    steps: int | None = None
    batch: int = 128
    accumulate: int = 1
    lr: float = 1e-3
    final_lr: float = 5e-4
    milestone: float | None = None
    second_milestone: float | None = None
    plateau: int | None = None
    warmup: float = 0
    optimizer: str = ADAMW
    sgd_momentum: float = 0.9
    weight_decay: float = 0.05
    layer_decay: float | None = None
    precision: str = "32-true"
    seed: int = 0
    checkpoint_minutes: float = 10.0
    log_every: int = 10
    validate_every: float = 0
    keep: int = 0

    def __post_init__(self) -> None:
        if min(self.batch, self.accumulate, self.log_every) < 1:
            raise UsageError("batch, accumulate and log_every must be at least 1")
        if self.batch % self.accumulate:
            raise UsageError(
                f"batch ({self.batch}) must be a multiple of accumulate ({self.accumulate})"
            )
        if not self.epochs > 0 or (self.steps is not None and self.steps < 1):
            raise UsageError("epochs must be above 0, steps at least 1")
        if not (self.lr > 0 and self.final_lr >= 0 and self.warmup >= 0 and self.weight_decay >= 0):
            raise UsageError("lr must be above 0; final_lr, warmup and weight_decay not below it")
        if self.optimizer not in OPTIMIZERS:
            raise UsageError(f"optimizer is one of {', '.join(OPTIMIZERS)}, not {self.optimizer!r}")
        if not 0 <= self.sgd_momentum < 1:
            raise UsageError(f"sgd_momentum is a share below 1, not {self.sgd_momentum:g}")
        check_milestones(self.milestone, self.second_milestone)
        if self.plateau is not None and (self.plateau < 0 or self.milestone is not None):
            raise UsageError(
                f"plateau is a number of epochs and goes without milestone, not {self.plateau}"
            )
        if self.validate_every < 0:
            raise UsageError(f"validate_every must not be below 0, not {self.validate_every:g}")
        if self.keep < 0:
            raise UsageError(f"keep must not be below 0, not {self.keep}")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise UsageError(f"layer_decay is a share up to 1, not {self.layer_decay:g}")


def check_milestones(first: float | None, second: float | None) -> None:
    """Refuse shares of the steps at which a rate cannot drop.

    Raises:
        UsageError: If they are no shares, or not in order.
    """
    if first is not None and not 0 < first <= 1:
        raise UsageError(f"milestone is a share up to 1, not {first:g}")
    if second is not None and not (first or 1) < second <= 1:
        raise UsageError(f"second_milestone is a share after milestone, up to 1, not {second:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that decides a run's numbers; stored in its checkpoint.

    Attributes:
        method: Name of the method.
        data: Path of the pack or folder of clips.
        loop: Optimization and logging.
        clips: Number of clips to train on.
        encoder: Shape of the encoder.
        views: Distribution of the views.
        settings: Constants of the method; by default, those of the papers.
        split: Split of the pack whose train part is used; by default, all clips are used.
        start_from: Path of the run whose encoder this one starts from, if any.
    """

    method: str
    data: str
    loop: LoopConfig
    clips: int
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    settings: Any = None
    split: str | None = None
    start_from: str | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"method is one of {', '.join(METHODS)}, not {self.method!r}")
        kind = METHODS[self.method].config_class
        if self.settings is None:
            object.__setattr__(self, "settings", kind())
        if type(self.settings) is not kind:
            raise UsageError(f"{self.method} needs a {kind.__name__}, not {self.settings!r}")
        if self.views.frames != self.encoder.frames:
            raise UsageError(
                f"views have {self.views.frames} frames, the encoder {self.encoder.frames}"
            )

    @property
    def steps(self) -> int:
        """Number of optimizer steps."""
        return self.loop.steps or self.in_steps(self.loop.epochs)

    @property
    def warmup_steps(self) -> int:
        """Number of warm-up steps."""
        return self.in_steps(self.loop.warmup)

    def in_steps(self, epochs: float) -> int:
        """Number of steps of this many epochs."""
        return math.ceil(epochs * self.clips / self.loop.batch)

    def to_json(self) -> dict[str, Any]:
        """JSON values for the header of a checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any], *, source: str) -> RunConfig:
        """Read what `to_json` wrote.

        Raises:
            ModelError: If keys are unknown or missing.
        """
        try:
            parts: dict[str, type[Any]] = {
                "loop": LoopConfig,
                "encoder": EncoderConfig,
                "views": ViewConfig,
                "settings": METHODS[values["method"]].config_class,
            }
            made = {
                key: parts[key](**value) if key in parts else value for key, value in values.items()
            }
            return cls(**made)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(
                f"{source}: its configuration cannot be used: {brief(error)}"
            ) from error


def build_method(config: RunConfig) -> Method:
    """Make the method of a run, with fresh weights.

    Raises:
        UsageError: If the views of a clip would be equal, or the run is too short to learn.
    """
    # RunConfig has checked that the settings are those of the method.
    kind: Any = METHODS[config.method]
    method: Method = kind(config.encoder, config.settings)
    views = config.views
    differ = views.augments or views.uniform_sampling or views.shortest_crop < 1
    if method.num_views > 1 and not differ:
        raise UsageError(
            f"{config.method} compares two views of a clip, but nothing makes them differ"
        )
    if 0 < config.steps < config.loop.keep:
        raise UsageError(f"{config.loop.keep} checkpoints cannot be kept of {config.steps} steps")
    first = -(-method.clips_to_begin // config.loop.batch)
    if 0 < config.steps <= first:
        raise UsageError(
            f"{config.method} sees {method.clips_to_begin} clips before it learns, which takes all "
            f"{config.steps} steps of {config.loop.batch}: train longer"
        )
    return method
