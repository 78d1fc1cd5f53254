"""The base of all encoders: from bodies to tokens over time and joints."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from stars_infer.train.networks.encoder_config import EncoderConfig


class Backbone(nn.Module):
    """An encoder of single bodies.

    Attributes:
        config: Shape of the network.
        blocks: Layers in order; learning rates can decay by their number.
    """

    blocks: nn.ModuleList

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, Te*V', D), time-major, of bodies (N, T, V, 3) in meters."""

    def pool(self, bodies: Tensor) -> Tensor:
        """Average the final tokens of bodies (N, T, V, 3) to features (N, D)."""
        tokens: Tensor = self(bodies)
        return tokens.mean(dim=1)
