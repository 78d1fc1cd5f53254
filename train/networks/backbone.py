"""What every encoder is: bodies in, tokens over time and joints out."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from stars_infer.train.networks.encoder_config import EncoderConfig


class Backbone(nn.Module):
    """An encoder of single bodies.

    Attributes:
        config: Its shape.
        blocks: Its layers, the first one first; rates can decay by their number.
    """

    blocks: nn.ModuleList

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, Te*V', D), time-major, of bodies (N, T, V, 3) in meters."""

    def pooled(self, bodies: Tensor) -> Tensor:
        """Mean of the final tokens, (N, D)."""
        tokens: Tensor = self(bodies)
        return tokens.mean(dim=1)
