"""The import of public MAMP checkpoints, whose tensors have the names of MAMP's code."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from stars_infer.errors import ModelError, UsageError, brief
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
_MOST_UNPACKED, _BESIDE = 2, 1_000_000
"""Times its size, and bytes beside them, to which an archive may unpack."""


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
    _check_sizes(public, path)
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
    except (ValueError, IndexError, RuntimeError) as error:
        raise ModelError(f"{path}: not a MAMP checkpoint: {brief(error)}") from error
    with torch.device("meta"):  # shapes only: nothing is as large as a file says until it fits
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
        _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except Exception as error:  # damage fails in torch in many ways
        raise ModelError(
            f"{path}: not a readable torch checkpoint of tensors: {brief(error)}"
        ) from error
    model = loaded.get("model") if isinstance(loaded, dict) else None
    if not isinstance(model, dict) or not all(isinstance(t, Tensor) for t in model.values()):
        raise ModelError(f"{path}: expected the weights under the key 'model', as MAMP saves them")
    return {str(name).removeprefix("module."): tensor for name, tensor in model.items()}


def _check_archive(path: Path) -> None:
    """Refuse an archive whose members are packed, as torch writes none: few bytes hold many.

    Raises:
        ValueError: If it says that it unpacks to more than its size.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > _MOST_UNPACKED * path.stat().st_size + _BESIDE:
        raise ValueError(f"it unpacks to {unpacked:,} bytes")


def _check_sizes(public: dict[str, Tensor], path: Path) -> None:
    """Refuse tensors that show more numbers than the file holds, as those of stride 0 do.

    Raises:
        ModelError: If there are any, or tensors without numbers.
    """
    for name, tensor in public.items():
        if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_complex():
            raise ModelError(f"{path}: {name[:60]!r} is no plain tensor of numbers")
    shown = sum(tensor.numel() * tensor.element_size() for tensor in public.values())
    if shown > path.stat().st_size:
        raise ModelError(f"{path}: its tensors show {shown:,} bytes, more than the file has")


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
    if not 0 <= max(numbers) < len(public):
        raise ValueError(f"{prefix} are numbered up to {max(numbers)}")
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
