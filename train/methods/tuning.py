"""Partial tuning: the first blocks of a pretrained encoder are frozen, the last ones learn.

STARS, section 3.3: by default the second half of the encoder is tuned.
"""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from stars_infer.errors import UsageError
from stars_infer.train.methods.method import TUNE, Method
from stars_infer.train.methods.momentum import follow
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder
from stars_infer.train.views.batch import Batch


class TuningMethod(Method):
    """A method that tunes the last blocks of a pretrained encoder; by default, half of them."""

    stage: ClassVar[str] = TUNE
    encoder: SkeletonEncoder

    def __init__(self, encoder: EncoderConfig, tuned_blocks: int | None) -> None:
        super().__init__(encoder)
        tuned = encoder.depth // 2 if tuned_blocks is None else tuned_blocks
        if not 0 <= tuned <= encoder.depth:
            raise UsageError(
                f"tuned_blocks ({tuned}) does not fit the {encoder.depth} blocks there are"
            )
        self.frozen_blocks = encoder.depth - tuned
        self.encoder.requires_grad_(False)
        self.encoder.blocks[self.frozen_blocks :].requires_grad_(True)
        self.encoder.norm.requires_grad_(True)

    @torch.no_grad()
    def trunk(self, tokens: Tensor) -> Tensor:
        """Run the frozen blocks over embedded tokens (N, L, D)."""
        for block in self.encoder.blocks[: self.frozen_blocks]:
            tokens = block(tokens)
        return tokens

    def tail(self, tokens: Tensor) -> Tensor:
        """Run the learning blocks and the final norm over the output of the trunk (N, L, D)."""
        for block in self.encoder.blocks[self.frozen_blocks :]:
            tokens = block(tokens)
        normed: Tensor = self.encoder.norm(tokens)
        return normed

    @torch.no_grad()
    def trunk_tokens(self, batch: Batch) -> Tensor:
        """Output of the trunk for all tokens of a batch, (N, Te*V, D)."""
        return self.trunk(self.encoder.tokens(batch.bodies))

    def features(self, batch: Batch) -> Tensor:
        """Clip features y (B, D): the mean over bodies, time and joints."""
        return pool(batch, self.tail(self.trunk_tokens(batch)))


def pool(batch: Batch, tokens: Tensor) -> Tensor:
    """Average final tokens (N, L, D) over time, joints and bodies to clip features (B, D)."""
    return batch.mean_over_bodies(tokens.mean(dim=1, dtype=torch.float32))


class Teacher(nn.Module):
    """An exponential moving average of the tuned blocks of an encoder and of its head.

    Student and teacher share the frozen blocks, which run once for both.
    """

    def __init__(self, method: TuningMethod, head: nn.Module) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(method.encoder.blocks[method.frozen_blocks :])
        self.norm = copy.deepcopy(method.encoder.norm)
        self.head = copy.deepcopy(head)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, batch: Batch, tokens: Tensor) -> Tensor:
        """Outputs (B, ...) of the head for the output of the trunk (N, L, D)."""
        for block in self.blocks:
            tokens = block(tokens)
        output: Tensor = self.head(pool(batch, self.norm(tokens)))
        return output

    @torch.no_grad()
    def follow(self, method: TuningMethod, head: nn.Module, momentum: float) -> None:
        """Move the weights towards the student's; a momentum of 0 copies them."""
        follow(self.blocks, method.encoder.blocks[method.frozen_blocks :], momentum)
        follow(self.norm, method.encoder.norm, momentum)
        follow(self.head, head, momentum)
