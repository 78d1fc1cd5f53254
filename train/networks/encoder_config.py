"""The configuration of an encoder: the kind of network and its shape."""

from __future__ import annotations

from dataclasses import dataclass

from stars_infer.errors import UsageError
from stars_infer.train.networks.streams import STREAMS

NETWORKS = TRANSFORMER, STGCN, BIGRU, DSTA = "transformer", "stgcn", "bigru", "dsta"
"""Kinds of encoders, as they are named in recipes and checkpoints."""
TITLES = {TRANSFORMER: "transformer", STGCN: "ST-GCN", BIGRU: "BiGRU", DSTA: "DSTA"}
"""Their names in model cards."""
_HALVINGS = 2
"""How often ST-GCN and DSTA halve the number of frames and double that of channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Shape of the encoder; the defaults are MAMP's and STARS'.

    Attributes:
        network: transformer (over joint-segment tokens), stgcn (graph convolution), bigru
            (recurrent) or dsta (attention over joints, then over time).
        stream: Input stream: joint, motion (change from frame to frame) or bone.
        width: Width of a token and of a vector, D.
        depth: Number of blocks; the papers have 10 in stgcn, 3 in bigru, 8 in the transformers.
        heads: Attention heads of the transformers; the paper has 3 in dsta.
        frames: Frames of a view, T.
        joints: Joints, V.
        segment: Frames per token of the transformer, l.
        posture_tokens: Let a token of the transformer hold a whole posture, with its joints
            relative to the base of the spine, instead of one joint as in the papers. That makes
            1/25 of the tokens.
        vector: Numbers of a vector, where a last linear layer makes them of the D features.
        parts: Equal parts of a clip whose averaged tokens the last linear layer sees one by one; 1
            averages over the whole clip, as in the papers.
        dropout: Share of the values that are dropped during training, within the blocks of stgcn
            and between those of bigru; 0.5 in SkeAttnCLR's stgcn.
    """

    network: str = TRANSFORMER
    stream: str = "joint"
    width: int = 256
    depth: int = 8
    heads: int = 8
    frames: int = 120
    joints: int = 25
    segment: int = 4
    posture_tokens: bool = False
    vector: int | None = None
    parts: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UsageError(f"network is one of {', '.join(NETWORKS)}, not {self.network!r}")
        if self.stream not in STREAMS:
            raise UsageError(f"stream is one of {', '.join(STREAMS)}, not {self.stream!r}")
        if min(self.width, self.depth, self.heads, self.frames, self.segment) < 1:
            raise UsageError(f"every size of the network must be at least 1: {self}")
        if self.vector is not None and self.vector < 1:
            raise UsageError(f"vector is a number of values from 1, not {self.vector}")
        if self.parts < 1 or (self.parts > 1 and self.vector is None):
            raise UsageError("parts is a number from 1, and more than 1 go with vector")
        if self.posture_tokens and self.network != TRANSFORMER:
            raise UsageError("posture_tokens goes with the network transformer")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is a share below 1, not {self.dropout:g}")
        {
            TRANSFORMER: self._check_transformer,
            STGCN: self._check_pyramid,
            BIGRU: self._check_bigru,
            DSTA: self._check_pyramid,
        }[self.network]()
        if self.segments % self.parts:
            raise UsageError(f"parts ({self.parts}) must divide {self.segments} steps in time")

    def _check_transformer(self) -> None:
        if self.frames % self.segment:
            raise UsageError(
                f"frames ({self.frames}) must be a multiple of segment ({self.segment})"
            )
        if self.width % self.heads:
            raise UsageError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if self.dropout:
            raise UsageError("dropout goes with the networks stgcn and bigru")

    def _check_pyramid(self) -> None:
        """ST-GCN and DSTA have three stages, each twice as wide as the one before."""
        if self.depth <= _HALVINGS:
            raise UsageError(f"{self.network} needs a depth of at least 3, not {self.depth}")
        if self.width % 2**_HALVINGS:
            raise UsageError(f"{self.network} needs a width that 4 divides, not {self.width}")
        if self.network == DSTA and self.dropout:
            raise UsageError("dropout goes with the networks stgcn and bigru")

    def _check_bigru(self) -> None:
        if self.width % 2:
            raise UsageError(f"bigru has two directions: width must be even, not {self.width}")

    @property
    def segments(self) -> int:
        """Steps in time of the final tokens, Te."""
        if self.network == TRANSFORMER:
            return self.frames // self.segment
        return self.frames if self.network == BIGRU else -(-self.frames // 2**_HALVINGS)

    @property
    def vector_width(self) -> int:
        """Numbers of a vector."""
        return self.vector or self.width

    @property
    def tokens_per_step(self) -> int:
        """Final tokens per step in time, V': one per joint, or one per posture."""
        return 1 if self.network == BIGRU or self.posture_tokens else self.joints

    @property
    def values_per_token(self) -> int:
        """Coordinates in a token of the transformer, l*C."""
        return self.segment * 3 * (self.joints // self.tokens_per_step)

    @property
    def tokens(self) -> int:
        """Number of final tokens per body, Te * V'."""
        return self.segments * self.tokens_per_step

    def stages(self, depths: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Input channels, output channels and stride in time of each block of ST-GCN or DSTA.

        Args:
            depths: Number of blocks of the first and of the second stage; the third has the rest.
        """
        base = self.width // 2**_HALVINGS
        ends = (depths[0], depths[0] + depths[1])
        blocks, before = [], 3
        for number in range(self.depth):
            stage = sum(number >= end for end in ends)
            after = base * 2**stage
            blocks.append((before, after, 2 if number in ends else 1))
            before = after
        return blocks

    def in_words(self) -> str:
        """Kind and size of the network, for model cards."""
        words = [TITLES[self.network], f"{self.depth} blocks", f"{self.width} wide"]
        if self.network in (TRANSFORMER, DSTA):
            words.append(f"{self.heads} heads")
        if self.network == TRANSFORMER:
            words.append(f"segments of {self.segment} frames")
        if self.posture_tokens:
            words.append("whole postures as tokens")
        if self.parts > 1:
            words.append(f"{self.parts} parts of a clip told apart")
        return ", ".join(words)
