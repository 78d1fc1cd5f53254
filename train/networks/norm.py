"""Batch norm over the clips of all processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stars_infer.train.distributed import all_gather, world_size


class SharedBatchNorm(nn.BatchNorm1d):
    """`BatchNorm1d` with the statistics of the rows of all processes, on any device.

    A loss that compares the clips of a batch must not depend on how the processes share the batch.
    `torch.nn.SyncBatchNorm` does the same, but on GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (B, D), or (B, D, T) over clips and time."""
        if not self.training or world_size() == 1:
            return super().forward(input)
        return _normalize_over_processes(self, input)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`BatchNorm2d` with the statistics of the rows of all processes."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (B, D, T, V) over clips, time and joints."""
        if not self.training or world_size() == 1:
            return super().forward(input)
        return _normalize_over_processes(self, input)


def _normalize_over_processes(norm: nn.BatchNorm1d | nn.BatchNorm2d, input: Tensor) -> Tensor:
    """Normalize (B, D, ...) over all processes, which may have different numbers of rows."""
    x = input.float().transpose(1, -1)
    values = x.reshape(-1, x.shape[-1])
    # One exchange for all statistics; the variance is put together from each process's own (Chan,
    # Golub and LeVeque 1979), since a mean of squares would lose digits.
    variances, means = torch.var_mean(values, dim=0, correction=0)
    own = torch.cat((means, variances, values.new_full((1,), len(values))))
    everyone, width = all_gather(own[None]), len(means)
    means, variances, counts = (everyone[:, :width], everyone[:, width:-1], everyone[:, -1:])
    rows = counts.sum()
    weights = counts / rows
    mean = (weights * means).sum(dim=0)
    variance = (weights * (variances + (means - mean).square())).sum(dim=0)
    _update_statistics(norm, mean.detach(), variance.detach(), rows)
    normed = (x - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias
    return normed.transpose(1, -1).to(input.dtype)


@torch.no_grad()
def _update_statistics(
    norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor, rows: Tensor
) -> None:
    """Move the running statistics towards those of the batch."""
    if norm.running_mean is None or norm.running_var is None or norm.momentum is None:
        return
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (rows / (rows - 1).clamp(min=1)), norm.momentum)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
