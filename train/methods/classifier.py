"""Fine-tuning with labels: the whole encoder learns with a classification head.

STARS, section 4.3, "Fine-tuned Evaluation Protocol". Where the papers are silent, this does what
MAMP's public code does: dropout on the final tokens, drop path that rises linearly from 0 in the
first block, the full rate for the head and one layer decay less for the last block, and AdamW with
its usual betas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.method import FINETUNE, Method, StepOutput
from stars_infer.train.networks.blocks import Block, init_linear
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.networks.encoder_config import NETWORKS
from stars_infer.train.networks.norm import SharedBatchNorm
from stars_infer.train.views.batch import Batch

HEADS = MLP, LINEAR = "mlp", "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierConfig:
    """Constants of fine-tuning.

    Attributes:
        classes: Number of actions.
        head: mlp (over the mean over time, joints concatenated, as in MAMP and STARS) or linear
            (over the mean over time and joints, as in SkeAttnCLR's code).
        hidden: Hidden width of the head, if it is an mlp.
        dropout: Share of the values of the final tokens that are dropped during training.
        drop_path: Share of the sequences that skip a branch of the last block; it rises linearly
            from 0 in the first block. For the transformer only.
        label_smoothing: Share of the target that is spread over all classes.
        beta2: AdamW's second beta.
    """

    classes: int = 60
    head: str = MLP
    hidden: int = 2048
    dropout: float = 0.3
    drop_path: float = 0.3
    label_smoothing: float = 0.1
    beta2: float = 0.999

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise UsageError(f"head is {' or '.join(HEADS)}, not {self.head!r}")
        if self.classes < 2 or self.hidden < 1:
            raise UsageError(
                f"classes ({self.classes}) must be at least 2, hidden ({self.hidden}) at least 1"
            )
        for name in ("dropout", "drop_path", "label_smoothing", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is a share below 1, not {getattr(self, name):g}")


class Classifier(Method):
    """An encoder with a classification head."""

    name: ClassVar[str] = "classifier"
    title: ClassVar[str] = "fine-tuning"
    stage: ClassVar[str] = FINETUNE
    config_class: ClassVar[type[Any]] = ClassifierConfig
    networks: ClassVar[tuple[str, ...]] = NETWORKS

    def __init__(self, encoder: EncoderConfig, config: ClassifierConfig) -> None:
        super().__init__(encoder)
        self.config = config
        self.dropout = nn.Dropout(config.dropout)
        self.head = _make_head(encoder, config)
        self.head.apply(init_linear)
        shares = torch.linspace(0, config.drop_path, encoder.depth).tolist()
        for block, share in zip(self.encoder.blocks, shares, strict=True):
            if isinstance(block, Block):
                block.drop_path = share

    @property
    def layers(self) -> int:
        """Number of the head's layer, which follows the blocks."""
        return self.encoder.config.depth + 1

    @property
    def betas(self) -> tuple[float, float]:
        """AdamW's betas."""
        return 0.9, self.config.beta2

    def joint_features(self, bodies: Tensor) -> Tensor:
        """Features (N, V'*D) of bodies (N, T, V, 3): the mean over time, joints concatenated."""
        shape = self.encoder.config
        tokens = self.dropout(self.encoder(bodies))
        by_joint = tokens.view(len(bodies), shape.segments, shape.tokens_per_step, shape.width)
        features: Tensor = by_joint.mean(dim=1).flatten(1).float()
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, classes) of joint features (B, V'*D)."""
        if self.config.head == LINEAR:
            features = features.view(len(features), -1, self.encoder.config.width).mean(dim=1)
        logits: Tensor = self.head(features)
        return logits

    def forward(self, *views: Batch) -> StepOutput:
        """Cross-entropy of a batch with smoothed labels."""
        (batch,) = views
        if batch.labels is None:
            raise UsageError("fine-tuning needs labels, which these clips do not have")
        logits = self.classify(batch.mean_over_bodies(self.joint_features(batch.bodies)))
        loss = F.cross_entropy(
            logits.float(), batch.labels, label_smoothing=self.config.label_smoothing
        )
        return StepOutput(loss * batch.share_of_clips)


def _make_head(encoder: EncoderConfig, config: ClassifierConfig) -> nn.Module:
    if config.head == LINEAR:
        return nn.Linear(encoder.width, config.classes)
    return nn.Sequential(
        nn.Linear(encoder.tokens_per_step * encoder.width, config.hidden),
        SharedBatchNorm(config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, config.classes),
    )
