"""The base of all methods: a module whose forward pass gives the loss of a step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import load_weights
from stars_infer.train.networks.backbone import Backbone, split_head
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder_config import NETWORKS, TRANSFORMER, EncoderConfig
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.mixing import Mixing

STAGES = PRETRAIN, TUNE, FINETUNE = "pretrain", "tune", "eval finetune"
"""The commands of `stars train` that run a method, in the order of the stages."""
_HEAD = "encoder.head.weight"


class StepOutput(NamedTuple):
    """Output of a method's forward pass.

    Attributes:
        loss: Contribution of the given views to the loss of the step (see `Batch`).
        keys: Rows (B, D) that `after_step` is to receive from all processes.
    """

    loss: Tensor
    keys: Tensor | None = None


class Method(nn.Module):
    """A training method around an encoder.

    Attributes:
        name: Name in recipes and checkpoints.
        title: Name in tables and model cards.
        stage: `pretrain` trains from fresh weights, `tune` trains the encoder of another run
            without labels, `eval finetune` with labels.
        config_class: Dataclass of the method's constants.
        continues: Prefixes of the weights, besides the encoder's, that the method takes over from
            the run it starts from, where that run has them.
        masks: Whether the method needs noise for masking.
        pooled: Whether the method learns from a pool instead of a pack.
        progress: Share of the run's steps that are done; the loop sets it before each step.
        networks: Kinds of encoders that the method can train.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    stage: ClassVar[str] = PRETRAIN
    config_class: ClassVar[type[Any]]
    continues: ClassVar[tuple[str, ...]] = ()
    masks: ClassVar[bool] = False
    pooled: ClassVar[bool] = False
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
        if self.encoder.head is not None:  # learns where vectors are taught, and nowhere else
            self.encoder.head.requires_grad_(False)

    @property
    def num_views(self) -> int:
        """Number of random views of each clip in a step."""
        return 1

    @property
    def clips_to_begin(self) -> int:
        """Number of clips that a run has to see before it learns."""
        return 0

    @property
    def layers(self) -> int:
        """Number of the layer that learns at the full rate, where the rate decays by layer."""
        return self.encoder.config.depth

    @property
    def betas(self) -> tuple[float, float]:
        """AdamW's betas."""
        return 0.9, 0.95

    @property
    def num_local_views(self) -> int:
        """Number of further views of each clip, made of short crops."""
        return 0

    @property
    def mixing(self) -> Mixing | None:
        """How one more view mixes the first view of each clip with other clips; None for none."""
        return None

    def start_from(self, weights: dict[str, Tensor], *, source: str) -> None:
        """Take over the encoder of another run, and the weights that `continues` names.

        Raises:
            ModelError: If the weights do not fit the method.
        """
        taken = {
            name: tensor
            for name, tensor in weights.items()
            if name.startswith(("encoder.", *self.continues))
        }
        head, parts = taken.get(_HEAD), self.encoder.config.parts
        if head is not None and head.shape[1] == self.encoder.config.width:
            taken[_HEAD] = split_head(head, parts)
        load_weights(self, {**self.state_dict(), **taken}, source=source)

    def before_first_step(self) -> None:
        """Prepare the first step; called once, when the initial weights are in place."""

    def meet(self, draw: Callable[[int], tuple[Batch, ...]]) -> None:
        """See clips before the first step of a run that starts from another one's encoder.

        Args:
            draw: Gives the views of a step by its number.
        """

    @abstractmethod
    def forward(self, *views: Batch) -> StepOutput:
        """Loss of the views of a step."""

    def after_step(self, keys: Tensor | None) -> None:
        """Update queues and teachers after an optimizer step, with the keys of all processes."""
