"""Mean attention of transformers, as in Skeleton2vec, Figure 7a."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.networks.blocks import Attention
from stars_infer.train.protocols.encoders import load_encoder
from stars_infer.train.protocols.features import pooled_features

CLIPS = 64
"""Number of test clips over which attention is averaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionMap:
    """Mean attention of an encoder over heads, blocks and clips.

    Attributes:
        tokens: How much each token (row) attends to each other, (L, L); rows sum to 1. Tokens are
            in the order of time, within a step in the order of the joints.
        joints: The same between joints, over all times, (V, V).
        spread: Mean entropy of the rows of each head, as a share of that of equal attention: 1
            attends everywhere alike, 0 to a single token.
    """

    tokens: FloatArray
    joints: FloatArray
    spread: float


@torch.no_grad()
def mean_attention(run: Path, pack: Path, split: str, *, fabric: Fabric) -> AttentionMap:
    """Average the attention of a run's encoder over some clips of the test part.

    Args:
        run: The run.
        pack: Folder of a pack.
        split: Its split.
        fabric: From `open_fabric`.

    Raises:
        UsageError: If the encoder has no attention over all its tokens.
    """
    measured = load_encoder(str(run))
    encoder = measured.encoder.to(fabric.device)
    layers = [module for module in encoder.modules() if isinstance(module, Attention)]
    shape = measured.shape
    if not layers or shape.tokens_per_step == 1:
        raise UsageError(f"{run}: {shape.network} has no attention between joints and times")
    part = Pack.open(pack).part(split, "test")
    clips = part.clips[:: max(1, len(part.clips) // CLIPS)][:CLIPS]
    total = torch.zeros(shape.tokens, shape.tokens, dtype=torch.float64)
    entropies: list[float] = []
    seen = [0]

    def see(layer: Attention, inputs: tuple[Tensor, ...]) -> None:
        weights = attention_weights(layer, inputs[0])
        entropy = torch.special.entr(weights).sum(dim=-1).mean() / np.log(shape.tokens)
        entropies.append(float(entropy))
        total.add_(weights.mean(dim=1).sum(dim=0).double().cpu())
        seen[0] += len(inputs[0])

    hooks = [layer.register_forward_pre_hook(see) for layer in layers]
    present = replace(measured.views, frames=shape.frames, absent_bodies="present")
    try:
        pooled_features(
            replace(measured, views=present), replace(part, clips=tuple(clips)), fabric=fabric,
            crop=1.0, what="attention",
        )  # fmt: skip
    finally:
        for hook in hooks:
            hook.remove()
    tokens = (total / seen[0]).numpy()
    steps, joints = shape.segments, shape.tokens_per_step
    by_joint = tokens.reshape(steps, joints, steps, joints).sum(axis=2).mean(axis=0)
    return AttentionMap(
        tokens=tokens.astype(np.float32),
        joints=by_joint.astype(np.float32),
        spread=float(np.mean(entropies)),
    )


def attention_weights(layer: Attention, x: Tensor) -> Tensor:
    """Softmax of queries and keys of a layer for its input (N, L, D): (N, heads, L, L)."""
    n, length, width = x.shape
    qkv = layer.qkv(x).view(n, length, 3, layer.heads, width // layer.heads)
    q, k, _ = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    scaled: Tensor = q.float() @ k.float().transpose(-2, -1) / (width // layer.heads) ** 0.5
    return scaled.softmax(dim=-1)
