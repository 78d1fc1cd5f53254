"""The memory of contrastive methods: unit vectors of past steps, the oldest replaced first."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class VectorQueue(nn.Module):
    """A ring of unit vectors (size, D), the same on every process.

    Random directions until real vectors have taken their place.
    """

    vectors: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", F.normalize(torch.randn(size, width), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def nearest(self, z: Tensor) -> Tensor:
        """The stored vector closest to each of (B, D) by dot product."""
        return self.vectors[(z @ self.vectors.T).argmax(dim=1)]

    @torch.no_grad()
    def push(self, z: Tensor) -> None:
        """Put vectors (B, D) in, over the oldest ones."""
        size = len(self.vectors)
        places = (self.place + torch.arange(len(z), device=z.device)) % size
        self.vectors[places[-size:]] = z[-size:].to(self.vectors.dtype)
        self.place.copy_((self.place + len(z)) % size)
