"""Skeleton2vec, stage 1: mask joints through tubes of time and predict a teacher's features.

The teacher is a moving average of the student. It sees all tokens, so that its features carry the
context of the whole clip, and it is the encoder that remains after training. Skeleton2vec,
section 3, equations 1 to 11.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.masked import MaskedConfig, masked_error
from stars_infer.train.methods.masking import NEAREST, tube_order, visible_count
from stars_infer.train.methods.method import Method, StepOutput
from stars_infer.train.methods.momentum import follow
from stars_infer.train.networks.decoder import MaskedDecoder
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder
from stars_infer.train.views.batch import Batch

TARGET_LAYERS = FFN, BLOCK = "ffn", "block"
TARGET_NORMS = INSTANCE, LAYER = "instance", "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton2vecConfig(MaskedConfig):
    """Constants of Skeleton2vec.

    Attributes:
        decoder_depth: Number of decoder blocks in Skeleton2vec; 3 in the paper, 4 in some public
            configurations.
        tube_length: Segments per tube, alpha; a joint stays masked through a tube. 1 is random
            masking; the number of segments (30 for 90 frames) is single-tube masking.
        beta: Weight of the motion intensity beside uniform noise, by which joints are masked.
        momentum: Share of the teacher's weights that the first step keeps, tau_0; it rises
            linearly to 1 over the run. Runs of a few thousand steps need about 0.99.
        target_layers: Features of each block that form the target: ffn (what the second half of
            the block adds, as in the paper) or block (its output, as in the public code).
        target_norm: Normalization of these before the mean over blocks: instance (each feature
            over the tokens, as in the paper) or layer (each token over its features).
    """

    decoder_depth: int = 3
    tube_length: int = 5
    beta: float = 0.1
    momentum: float = 0.9999
    target_layers: str = FFN
    target_norm: str = INSTANCE

    def __post_init__(self) -> None:
        MaskedConfig.__post_init__(self)
        if self.tube_length < 1:
            raise UsageError(f"tube_length must be at least 1, not {self.tube_length}")
        if not self.beta >= 0:
            raise UsageError(f"beta must not be below 0, not {self.beta:g}")
        if not 0 <= self.momentum <= 1:
            raise UsageError(f"momentum is a share up to 1, not {self.momentum:g}")
        for name, known in (("target_layers", TARGET_LAYERS), ("target_norm", TARGET_NORMS)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {' or '.join(known)}, not {getattr(self, name)!r}")


def over_tokens(x: Tensor) -> Tensor:
    """Instance norm of (N, L, D): normalize each feature of a body over its tokens."""
    return F.instance_norm(x.transpose(1, 2)).transpose(1, 2)


def over_features(x: Tensor) -> Tensor:
    """Layer norm of (N, L, D) without weights: normalize each token over its features."""
    return F.layer_norm(x, x.shape[-1:])


class Skeleton2vec(Method):
    """A student that sees a tenth of the joints predicts its teacher's features of all joints.

    `encoder` is the teacher, which the paper keeps for downstream tasks (section 3.1).
    """

    name: ClassVar[str] = "skeleton2vec"
    title: ClassVar[str] = "Skeleton2vec"
    config_class: ClassVar[type[Any]] = Skeleton2vecConfig
    masks: ClassVar[bool] = True
    encoder: SkeletonEncoder

    def __init__(self, encoder: EncoderConfig, config: Skeleton2vecConfig) -> None:
        super().__init__(encoder)
        self.config = config
        if encoder.posture_tokens:
            raise UsageError("skeleton2vec masks joints, and posture_tokens have none of their own")
        self.seen = visible_count(encoder.joints, config.mask_ratio, config.rounding)
        if self.seen < 1:
            most = 1 - (0.5 if config.rounding == NEAREST else 1) / encoder.joints
            raise UsageError(
                f"mask_ratio {config.mask_ratio:g} hides all {encoder.joints} joints of a tube; "
                f"at most {most:g} leaves one"
            )
        self.student = copy.deepcopy(self.encoder)
        self.encoder.requires_grad_(False)
        self.decoder = MaskedDecoder(encoder, config.decoder_depth, outputs=encoder.width)

    def forward(self, *views: Batch) -> StepOutput:
        """Squared distance to the targets of masked tokens (equation 5), averaged over features."""
        (batch,) = views
        error = masked_error(
            self.student.tokens(batch.bodies),
            order=self.order(batch),
            seen=self.seen * self.student.config.segments,
            every=self.config.decode_every,
            target=self.target(batch.bodies),
            encode=self.student.encode,
            decoder=self.decoder,
        )
        return StepOutput(error * batch.share_of_bodies)

    def order(self, batch: Batch) -> Tensor:
        """Positions of all tokens (N, Te*V), the visible ones first (section 3.4)."""
        return tube_order(
            batch.bodies,
            batch.noise,
            seen=self.seen,
            tube=self.config.tube_length,
            beta=self.config.beta,
            segment=self.encoder.config.segment,
        )

    @torch.no_grad()
    def target(self, bodies: Tensor) -> Tensor:
        """Target of every token (N, Te*V, D), from the teacher, which sees all (equation 3)."""
        norm = over_tokens if self.config.target_norm == INSTANCE else over_features
        x = self.encoder.tokens(bodies)
        blocks: Iterable[Any] = self.encoder.blocks
        layers = []
        for block in blocks:
            attended, mixed = block.halves(x)
            x = attended + mixed
            layers.append(norm((mixed if self.config.target_layers == FFN else x).float()))
        return over_features(torch.stack(layers).mean(dim=0))

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Update the teacher by the student, ever more slowly (equation 6)."""
        momentum = self.config.momentum + (1 - self.config.momentum) * self.progress
        follow(self.encoder, self.student, momentum)
