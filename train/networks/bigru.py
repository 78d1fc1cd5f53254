"""BiGRU: a recurrent encoder that reads the frames in both directions.

Su et al., "Predict and Cluster", CVPR 2020, as in SkeAttnCLR, Table 2: three layers of 1,024 units
per direction. Each frame is one token; single joints have no tokens.
"""

from __future__ import annotations

from torch import Tensor, nn

from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.networks.norm import SharedBatchNorm
from stars_infer.train.networks.streams import stream_of


class BiGru(Backbone):
    """Gated recurrent units over the frames of one body."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        coordinates = 3 * config.joints
        self.embed = SharedBatchNorm(coordinates)
        self.blocks = nn.ModuleList(
            nn.GRU(
                coordinates if number == 0 else config.width,
                config.width // 2,
                batch_first=True,
                bidirectional=True,
            )
            for number in range(config.depth)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, bodies: Tensor) -> Tensor:
        """Final tokens (N, T, D) of bodies (N, T, V, 3)."""
        seen = stream_of(bodies, self.config.stream).flatten(2)
        x = self.embed(seen.transpose(1, 2)).transpose(1, 2)
        for number, block in enumerate(self.blocks):
            x, _ = block(self.dropout(x) if number else x)
        tokens: Tensor = x
        return tokens
