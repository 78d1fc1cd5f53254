"""What every method is: a module whose forward gives the loss of a step's views."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import load_weights
from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder_config import NETWORKS, TRANSFORMER, EncoderConfig
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.mixing import Mixing

STAGES = PRETRAIN, TUNE, FINETUNE = "pretrain", "tune", "eval finetune"
"""What follows `stars train` to run a method, in the order of the stages."""


class StepOutput(NamedTuple):
    """What the forward of a method gives.

    Attributes:
        loss: This part's contribution to the loss of the step (see `Batch`).
        keys: Rows (B, D) that the method wants back from all processes after the step.
    """

    loss: Tensor
    keys: Tensor | None = None


class Method(nn.Module):
    """A training method around an encoder.

    Attributes:
        name: Its name in recipes and checkpoints.
        title: Its name in tables and cards.
        stage: `pretrain` from fresh weights, `tune` from another run's encoder without labels,
            or `eval finetune` with labels.
        config_class: Its constants.
        continues: Prefixes of weights, beside the encoder's, that it takes over from the run it
            starts from where that run has them.
        masks: Whether it needs noise for masking.
        progress: Share of the run's steps that are done; the loop sets it before each step.
        networks: Kinds of encoders that it can train.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    stage: ClassVar[str] = PRETRAIN
    config_class: ClassVar[type[Any]]
    continues: ClassVar[tuple[str, ...]] = ()
    masks: ClassVar[bool] = False
    progress: float = 0.0
    networks: ClassVar[tuple[str, ...]] = (TRANSFORMER,)
    encoder: Backbone

    def __init__(self, encoder: EncoderConfig) -> None:
        super().__init__()
        if encoder.network not in self.networks:
            raise UsageError(
                f"{self.name} trains encoders of the kind {', '.join(self.networks)}, "
                f"not {encoder.network}; skeattnclr trains {', '.join(NETWORKS)}"
            )
        self.encoder = build_encoder(encoder)

    @property
    def num_views(self) -> int:
        """Random views of each clip that a step needs."""
        return 1

    @property
    def clips_to_begin(self) -> int:
        """Clips that a run has to see before it learns."""
        return 0

    @property
    def layers(self) -> int:
        """Number of the layer that learns at the full rate where rates decay by layer."""
        return self.encoder.config.depth

    @property
    def betas(self) -> tuple[float, float]:
        """AdamW's betas."""
        return 0.9, 0.95

    @property
    def num_local_views(self) -> int:
        """Further views of each clip, of short crops."""
        return 0

    @property
    def mixing(self) -> Mixing | None:
        """How a further view of each clip is made of the first one and of other clips, if any."""
        return None

    def start_from(self, weights: dict[str, Tensor], *, source: str) -> None:
        """Take over the encoder of another run, and what else the method continues.

        Raises:
            ModelError: If the weights do not fit.
        """
        taken = {
            name: tensor
            for name, tensor in weights.items()
            if name.startswith(("encoder.", *self.continues))
        }
        load_weights(self, {**self.state_dict(), **taken}, source=source)

    def before_first_step(self) -> None:
        """Called once when the weights to start from are in place."""

    @abstractmethod
    def forward(self, *views: Batch) -> StepOutput:
        """Loss of a step's views."""

    def after_step(self, keys: Tensor | None) -> None:
        """Called after each optimizer step, with the keys of all processes."""
