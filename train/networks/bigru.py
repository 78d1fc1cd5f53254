"""BiGRU: a recurrent encoder that reads the frames in both directions.

Su et al., "Predict and Cluster", CVPR 2020, as in SkeAttnCLR, Table 2: three layers of 1,024 units
per direction. Each frame is one token; single joints have no tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.compiled_gru import gru_layer
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.networks.norm import SharedBatchNorm


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
        seen = self.seen(bodies).flatten(2)
        x = self.embed(seen.transpose(1, 2)).transpose(1, 2)
        for number, block in enumerate(self.blocks):
            x = run_gru(block, self.dropout(x) if number else x)
        tokens: Tensor = x
        return tokens


def run_gru(gru: nn.Module, x: Tensor) -> Tensor:
    """Outputs (N, T, D) of a recurrent layer; in a compiled graph it is one operation."""
    if torch.compiler.is_exporting() or not torch.compiler.is_compiling():
        outputs: Tensor = gru(x)[0]
        return outputs
    return gru_layer(x, gru)
