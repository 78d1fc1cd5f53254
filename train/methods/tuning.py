"""Tuning: the first blocks of a pretrained encoder stay, the last ones learn (STARS 3.2)."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from stars_infer.errors import UsageError
from stars_infer.train.methods.method import TUNE, Method
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder
from stars_infer.train.views.batch import Batch


class Tuning(Method):
    """A method that tunes the last blocks of a pretrained encoder; half of them unless said."""

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
        """The frozen blocks over embedded tokens (N, L, D)."""
        for block in self.encoder.blocks[: self.frozen_blocks]:
            tokens = block(tokens)
        return tokens

    def tail(self, tokens: Tensor) -> Tensor:
        """The learning blocks and the final norm over what the trunk gives."""
        for block in self.encoder.blocks[self.frozen_blocks :]:
            tokens = block(tokens)
        normed: Tensor = self.encoder.norm(tokens)
        return normed

    @torch.no_grad()
    def embedded(self, batch: Batch) -> Tensor:
        """What the trunk gives for all tokens of a batch, (N, Te*V, D)."""
        return self.trunk(self.encoder.tokens(batch.bodies))

    def features(self, batch: Batch) -> Tensor:
        """Pooled clip features y (B, D): mean over bodies, time and joints."""
        return pooled(batch, self.tail(self.embedded(batch)))


def pooled(batch: Batch, tokens: Tensor) -> Tensor:
    """Clip features (B, D) of final tokens (N, L, D): mean over bodies, time and joints."""
    return batch.mean_over_bodies(tokens.mean(dim=1).float())


class Teacher(nn.Module):
    """A slow copy of the learning half of an encoder and of its head.

    The frozen half is the same for student and teacher, so it is run once for both.
    """

    def __init__(self, method: Tuning, head: nn.Module) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(method.encoder.blocks[method.frozen_blocks :])
        self.norm = copy.deepcopy(method.encoder.norm)
        self.head = copy.deepcopy(head)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, batch: Batch, tokens: Tensor) -> Tensor:
        """Head outputs (B, ...) of what the trunk gives (N, L, D)."""
        for block in self.blocks:
            tokens = block(tokens)
        output: Tensor = self.head(pooled(batch, self.norm(tokens)))
        return output

    @torch.no_grad()
    def follow(self, method: Tuning, head: nn.Module, momentum: float) -> None:
        """Move towards the student; momentum 0 copies it. Statistics of norms are copied."""
        pairs = (
            (self.blocks, method.encoder.blocks[method.frozen_blocks :]),
            (self.norm, method.encoder.norm),
            (self.head, head),
        )
        for own, student in pairs:
            for mine, its in zip(own.parameters(), student.parameters(), strict=True):
                mine.lerp_(its, 1 - momentum)
            for statistic, current in zip(own.buffers(), student.buffers(), strict=True):
                statistic.copy_(current)
