"""Checkpoints in the public format of MAMP, with random or golden weights."""

import json

import torch


def random_weights(*, width=16, depth=2, decoder_depth=1, segment=4, segments=30, seed=0):
    """Random weights under the public names."""
    random = torch.Generator().manual_seed(seed)
    shapes = {
        "joints_embed.proj.weight": (width, 3, segment, 1),
        "joints_embed.proj.bias": (width,),
        "mask_token": (1, 1, width),
        "decoder_embed.weight": (width, width),
        "decoder_embed.bias": (width,),
        "decoder_pred.weight": (segment * 3, width),
        "decoder_pred.bias": (segment * 3,),
    }
    for prefix, blocks in (("", depth), ("decoder_", decoder_depth)):
        shapes |= {
            f"{prefix}temp_embed": (1, segments, 1, width),
            f"{prefix}pos_embed": (1, 1, 25, width),
            f"{prefix}norm.weight": (width,),
            f"{prefix}norm.bias": (width,),
        }
        for block in range(blocks):
            for name, shape in {
                "norm1.weight": (width,),
                "norm1.bias": (width,),
                "attn.qkv.weight": (3 * width, width),
                "attn.qkv.bias": (3 * width,),
                "attn.proj.weight": (width, width),
                "attn.proj.bias": (width,),
                "norm2.weight": (width,),
                "norm2.bias": (width,),
                "mlp.fc1.weight": (4 * width, width),
                "mlp.fc1.bias": (4 * width,),
                "mlp.fc2.weight": (width, 4 * width),
                "mlp.fc2.bias": (width,),
            }.items():
                shapes[f"{prefix}blocks.{block}.{name}"] = shape
    return {name: 0.3 * torch.randn(shape, generator=random) for name, shape in shapes.items()}


def golden_weights(golden):
    """Weights and configuration of `mamp_small.npz`."""
    weights = {
        name.removeprefix("weights/"): torch.from_numpy(golden[name])
        for name in golden.files
        if name.startswith("weights/")
    }
    return weights, json.loads(str(golden["config"]))


def save(weights, path):
    """Write a checkpoint as the public code does."""
    torch.save({"model": weights, "epoch": 399}, path)
    return path
