"""BiGRU: a recurrent encoder that reads the frames in both directions.

Su et al., "Predict and Cluster", CVPR 2020, as in SkeAttnCLR, Table 2: three layers of 1,024 units
per direction. Each frame is one token; single joints have no tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stars_infer.train.networks.backbone import Backbone
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


def run_gru(gru: nn.GRU, x: Tensor) -> Tensor:
    """Outputs (N, T, D) of a recurrent layer.

    `torch.compile` would take the layer apart, frame by frame, or stop at it. It takes it as one
    operation instead, after `know_gru_as_one`.
    """
    if _gru_as_one is None or torch.compiler.is_exporting() or not torch.compiler.is_compiling():
        outputs: Tensor = gru(x)[0]
        return outputs
    whole: Tensor = _gru_as_one(gru, x, torch.is_autocast_enabled(x.device.type))[0]
    return whole


def _plain_gru(gru: nn.GRU, x: Tensor, half: bool) -> tuple[Tensor]:
    """The layer in bf16 or float32, whatever the state of autocast."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
        outputs = gru(x if half else x.float())[0]
    return (outputs.to(_type(half)),)


def _shape_of_gru(gru: nn.GRU, x: Tensor, half: bool) -> tuple[Tensor]:
    return (x.new_empty(*x.shape[:2], 2 * gru.hidden_size, dtype=_type(half)),)


def _type(half: bool) -> torch.dtype:
    return torch.bfloat16 if half else torch.float32


def know_gru_as_one() -> None:
    """Teach `torch.compile` the layer as one operation; torch before 2.11 stops at it instead."""
    global _gru_as_one
    try:
        from torch._dynamo import config
        from torch._dynamo.decorators import leaf_function
    except ImportError:
        return
    if _gru_as_one is None:
        config.allow_rnn = True  # to be handed to an operation, not to be taken apart
        _gru_as_one = leaf_function(_plain_gru)
        _gru_as_one.register_fake(_shape_of_gru)


_gru_as_one: Any = None
