"""The queue of contrastive methods: unit vectors of past steps, first in, first out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.train.methods.float32 import in_float32


class VectorQueue(nn.Module):
    """A ring buffer of unit vectors (size, D), the same in every process.

    It starts with random unit vectors, which the first steps replace.
    """

    vectors: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", F.normalize(torch.randn(size, width), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @in_float32
    def nearest(self, z: Tensor) -> Tensor:
        """The stored vector with the largest dot product with each row of z (B, D)."""
        return self.vectors[(z @ self.vectors.T).argmax(dim=1)]

    @torch.no_grad()
    def push(self, z: Tensor) -> None:
        """Replace the oldest vectors by z (B, D)."""
        size = len(self.vectors)
        positions = (self.place + torch.arange(len(z), device=z.device)) % size
        self.vectors[positions[-size:]] = z[-size:].to(self.vectors.dtype)
        self.place.copy_((self.place + len(z)) % size)
