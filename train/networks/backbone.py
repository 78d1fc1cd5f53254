"""The base of all encoders: from bodies to tokens over time and joints."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.networks.streams import parents, stream_of


class Backbone(nn.Module):
    """An encoder of single bodies.

    Attributes:
        config: Shape of the network.
        blocks: Layers in order; learning rates can decay by their number.
        head: Maps features to vectors, where these have a width of their own.
    """

    blocks: nn.ModuleList
    head: nn.Linear | None
    parents: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("parents", parents(), persistent=False)
        features = config.parts * config.width
        self.head = None if config.vector is None else nn.Linear(features, config.vector)

    @abstractmethod
    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, Te*V', D), time-major, of bodies (N, T, V, 3) in meters."""

    def seen(self, bodies: Tensor) -> Tensor:
        """The input stream (N, T, V, 3) of bodies (N, T, V, 3)."""
        return stream_of(bodies, self.config.stream, self.parents)

    def pool(self, bodies: Tensor) -> Tensor:
        """Vectors (N, D) of bodies (N, T, V, 3): their features, or what the head makes of them."""
        features = self.features(bodies)
        return features if self.head is None else self.head(features)

    def features(self, bodies: Tensor) -> Tensor:
        """Final tokens of bodies (N, T, V, 3), averaged over each part of time, (N, parts * D)."""
        tokens: Tensor = self(bodies)
        if self.config.parts == 1:
            return tokens.mean(dim=1)
        return torch.cat([part.mean(dim=1) for part in tokens.chunk(self.config.parts, 1)], dim=1)


def split_head(weight: Tensor, parts: int) -> Tensor:
    """Weight (D', parts * D) of a head that gives the vectors of one (D', D) without parts."""
    return (weight / parts).repeat(1, parts)
