"""Batch norm over the clips of all processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stars_infer.train.collectives import processes, summed


class SharedBatchNorm(nn.BatchNorm1d):
    """`BatchNorm1d` whose statistics are those of the rows of all processes, on any device.

    A loss that compares the clips of a batch must not depend on how the batch is spread.
    `torch.nn.SyncBatchNorm` does the same on GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, D)."""
        if not self.training or processes() == 1:
            return super().forward(input)
        x = input.float()
        rows = len(x) * processes()
        mean = summed(x.sum(dim=0)) / rows
        variance = summed((x - mean).square().sum(dim=0)) / rows
        self._remember(mean.detach(), variance.detach(), rows)
        normed = (x - mean) / (variance + self.eps).sqrt() * self.weight + self.bias
        return normed.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        """Move the running statistics towards those of a batch."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (rows / max(rows - 1, 1)), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
