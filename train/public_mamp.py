"""The import of public MAMP checkpoints, whose tensors have the names of MAMP's code."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import torch
from torch import Tensor

from stars_infer.errors import ModelError, UsageError
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.train.checkpoint import Checkpoint
from stars_infer.train.methods.mamp import MampConfig
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.run import LoopConfig, RunConfig, build_method
from stars_infer.train.views.config import ViewConfig

_RENAMED = (
    (re.compile(r"\battn\b"), "attention"),
    (re.compile(r"\bmlp\.fc1\b"), "mlp.0"),
    (re.compile(r"\bmlp\.fc2\b"), "mlp.2"),
    (re.compile(r"\btemp_embed\b"), "position.time"),
    (re.compile(r"\bpos_embed\b"), "position.joint"),
    (re.compile(r"\bjoints_embed\.proj\b"), "embed"),
)
_DECODER = "decoder_"


def read_public_mamp(path: Path, *, heads: int = 8, absent_bodies: str = "zeros") -> Checkpoint:
    """Read a public MAMP checkpoint; the shape of the network follows from its tensors.

    Args:
        path: A `.pth` file with the weights under the key `model`; nothing in it is executed.
        heads: Number of attention heads, which the file does not say.
        absent_bodies: How its training treated a missing second body, `zeros` or `present`.

    Raises:
        ModelError: If the file is missing, damaged, or holds another network.
    """
    public = _tensors(path)
    try:
        shape = _shape(public, heads)
        config = RunConfig(
            method="mamp",
            data="unknown",
            clips=0,
            loop=LoopConfig(),
            encoder=shape,
            views=ViewConfig(frames=shape.frames, absent_bodies=absent_bodies),
            settings=MampConfig(decoder_depth=_depth(public, "decoder_blocks")),
        )
        weights = {_rename(name): tensor.float() for name, tensor in public.items()}
        weights["encoder.embed.weight"] = _as_linear(weights["encoder.embed.weight"])
    except KeyError as error:
        raise ModelError(f"{path}: not a MAMP checkpoint, it has no tensor {error}") from error
    except UsageError as error:
        raise ModelError(f"{path}: {error}") from error
    expected = build_method(config).state_dict()
    wrong = sorted(
        name
        for name in expected.keys() | weights.keys()
        if name not in weights
        or name not in expected
        or weights[name].shape != expected[name].shape
    )
    if wrong:
        raise ModelError(
            f"{path}: does not fit MAMP's network; missing, unknown or misshapen: "
            + ", ".join(wrong[:5])
        )
    return Checkpoint(
        config=config.to_json(),
        step=0,
        weights=weights,
        optimizer={},
        history={"imported_from": path.name, "seconds": 0.0},
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: not a readable torch checkpoint of tensors: {reason}") from error
    model = loaded.get("model") if isinstance(loaded, dict) else None
    if not isinstance(model, dict) or not all(isinstance(t, Tensor) for t in model.values()):
        raise ModelError(f"{path}: expected the weights under the key 'model', as MAMP saves them")
    return {str(name).removeprefix("module."): tensor for name, tensor in model.items()}


def _shape(public: dict[str, Tensor], heads: int) -> EncoderConfig:
    width, _, segment, _ = public["joints_embed.proj.weight"].shape
    segments, joints = public["temp_embed"].shape[1], public["pos_embed"].shape[2]
    if joints != len(NTU25_JOINTS):
        raise UsageError(f"expected {len(NTU25_JOINTS)} joints, the checkpoint has {joints}")
    return EncoderConfig(
        width=width,
        depth=_depth(public, "blocks"),
        heads=heads,
        frames=segments * segment,
        joints=joints,
        segment=segment,
    )


def _depth(public: dict[str, Tensor], prefix: str) -> int:
    numbers = [int(name.split(".")[1]) for name in public if name.startswith(f"{prefix}.")]
    if not numbers:
        raise KeyError(f"{prefix}.0")
    return 1 + max(numbers)


def _rename(name: str) -> str:
    """Translate the name of a public tensor to ours."""
    decoder = name.startswith(_DECODER) or name == "mask_token"
    ours = name.removeprefix(_DECODER)
    for pattern, replacement in _RENAMED:
        ours = pattern.sub(replacement, ours)
    if ours.startswith("pred."):
        ours = "predict." + ours.removeprefix("pred.")
    return f"{'decoder' if decoder else 'encoder'}.{ours}"


def _as_linear(convolution: Tensor) -> Tensor:
    """The token embedding (D, C, l, 1) as a matrix (D, l*C), frame by frame."""
    return convolution[..., 0].transpose(1, 2).flatten(1).contiguous()
