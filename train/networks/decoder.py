"""The decoder of masked pretraining: visible tokens back to a prediction for every token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.train.networks.blocks import EMBEDDING_STD, Block, PositionEmbedding, init_linear
from stars_infer.train.networks.encoder import EncoderConfig


class MaskedDecoder(nn.Module):
    """Mask tokens put back in order, own embeddings, blocks, linear to a target (REFERENCE 2).

    Args:
        config: Shape of the encoder.
        depth: Blocks.
        outputs: F, numbers predicted of a token; the l*C of its coordinates if not given.
    """

    def __init__(self, config: EncoderConfig, depth: int, *, outputs: int | None = None) -> None:
        super().__init__()
        width = config.width
        self.embed = nn.Linear(width, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.position = PositionEmbedding(config.segments, config.joints, width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.predict = nn.Linear(width, outputs or config.segment * 3)
        nn.init.trunc_normal_(self.mask_token, std=EMBEDDING_STD)
        self.apply(init_linear)

    def forward(self, visible: Tensor, kept: Tensor, hidden: Tensor) -> Tensor:
        """Predict hidden tokens.

        Attention does not depend on the order of tokens, so visible and hidden ones are laid side
        by side and each is given the embedding of its own place.

        Args:
            visible: Encoder output for the visible tokens, (N, L, D).
            kept: Their places in the sequence, (N, L).
            hidden: Places of the tokens to predict, (N, L').

        Returns:
            Predictions (N, L', F).
        """
        embedded = self.embed(visible)
        masked = self.mask_token.to(embedded.dtype).expand(*hidden.shape, -1)
        places = torch.cat((kept, hidden), dim=1)
        # As a look-up rather than an index: its gradient adds up in a fixed order on the CPU.
        x = torch.cat((embedded, masked), dim=1) + F.embedding(places, self.position()[0])
        for block in self.blocks:
            x = block(x)
        prediction: Tensor = self.predict(self.norm(x[:, kept.shape[1] :]))
        return prediction
