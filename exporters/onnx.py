"""Write a trained encoder as an ONNX graph: bodies (B, T, 25, 3) to pooled tokens (B, D)."""

from __future__ import annotations

import logging
import warnings
from itertools import pairwise
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stars_infer.exporters.graph_weights import MIN_HALVED, store_half
from stars_infer.train.networks.backbone import Backbone

OPSET = 20
"""Has GELU and layer normalization as single operators; ONNX Runtime 1.20 runs it. Opset 23, which
has attention, needs ONNX Runtime 1.23: see docs/benchmarks.md."""
INPUT, OUTPUT = "bodies", "pooled"


class PooledEncoder(nn.Module):
    """The exported module: the encoder and its pooling."""

    def __init__(self, encoder: Backbone) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, bodies: Tensor) -> Tensor:
        """Pooled tokens (N, D) of bodies (N, T, 25, 3)."""
        return self.encoder.pool(bodies)


def round_to_half(encoder: Backbone) -> None:
    """Round large weights to half precision, in place; they stay float32 tensors.

    Batch norms become part of the convolutions before them, as the exporter would do later.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Sequential):
            _fold_norms(module)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.numel() >= MIN_HALVED:
                parameter.copy_(parameter.half().float())


def _fold_norms(layers: nn.Sequential) -> None:
    """Fold each batch norm into the convolution before it, in place."""
    for place, (before, norm) in enumerate(pairwise(list(layers))):
        if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[place], layers[place + 1] = fuse_conv_bn_eval(before, norm), nn.Identity()


def write_onnx(encoder: Backbone, path: Path, *, half_weights: bool) -> None:
    """Write the graph with its weights inside.

    Args:
        encoder: In evaluation mode, on the CPU.
        path: The file to write.
        half_weights: Store weights in half precision. Loading widens them, and everything is
            computed in float32. Round the encoder first (`round_to_half`), so that storing is
            lossless.
    """
    shape = encoder.config
    example = torch.zeros(2, shape.frames, shape.joints, 3)
    bodies = torch.export.Dim("bodies", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            PooledEncoder(encoder),
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: bodies},),
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned no program")
    model = program.model_proto
    _drop_metadata(model)
    if half_weights:
        store_half(model)
    onnx.save_model(model, path)


def _drop_metadata(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes on each node, which name source files of this machine."""
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.value_info[:]
