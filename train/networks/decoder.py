"""The decoder of masked pretraining: it predicts masked tokens from encoded visible ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.train.networks.blocks import EMBEDDING_STD, Block, PositionEmbedding, init_linear
from stars_infer.train.networks.encoder import EncoderConfig


class MaskedDecoder(nn.Module):
    """Mask tokens with position embeddings of their own, blocks, and a linear prediction.

    STARS, section 3.2; Skeleton2vec, section 3.2, "Decoder", and equation 4.

    Args:
        config: Shape of the encoder.
        depth: Number of blocks.
        outputs: Numbers predicted per token, F; by default the l*C of its coordinates.
    """

    def __init__(self, config: EncoderConfig, depth: int, *, outputs: int | None = None) -> None:
        super().__init__()
        width = config.width
        self.embed = nn.Linear(width, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.position = PositionEmbedding(config.segments, config.tokens_per_step, width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.predict = nn.Linear(width, outputs or config.values_per_token)
        nn.init.trunc_normal_(self.mask_token, std=EMBEDDING_STD)
        self.apply(init_linear)

    def forward(self, visible: Tensor, kept: Tensor, hidden: Tensor) -> Tensor:
        """Predict masked tokens.

        Attention does not depend on the order of the tokens, so the visible and the masked ones
        are concatenated, and each receives the embedding of its own position.

        Args:
            visible: Encoder output for the visible tokens, (N, L, D).
            kept: Their positions in the sequence, (N, L).
            hidden: Positions of the tokens to predict, (N, L').

        Returns:
            Predictions (N, L', F).
        """
        embedded = self.embed(visible)
        masked = self.mask_token.to(embedded.dtype).expand(*hidden.shape, -1)
        positions = torch.cat((kept, hidden), dim=1)
        # F.embedding, unlike indexing, adds up its gradient in a fixed order on the CPU.
        x = torch.cat((embedded, masked), dim=1) + F.embedding(positions, self.position()[0])
        for block in self.blocks:
            x = block(x)
        prediction: Tensor = self.predict(self.norm(x[:, kept.shape[1] :]))
        return prediction
