"""To go on training from an exported model: its graph, read back into the network.

An export keeps no checkpoint, but every weight. A linear layer is a product followed by its bias,
and the bias keeps its name, by which the layer is found; position embeddings are stored as the sum
of their two parts. The network that is made of them must give the vectors of the graph, or the
model is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stars_infer.encoder.agreement import example_bodies, reference_vectors
from stars_infer.encoder.model import (
    GRAPH_FILE,
    INFO_FILE,
    ZEROS,
    ModelInfo,
    check_fingerprint,
    find_model,
    read_model_info,
    shipped_models,
)
from stars_infer.errors import MissingExtraError, ModelError, UsageError, brief
from stars_infer.train.checkpoint import Checkpoint, load_checkpoint, load_weights
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.run import LoopConfig, RunConfig
from stars_infer.train.views.config import ViewConfig

MOST_DIFFERENT = 1e-4
"""Largest relative distance of a vector of the network to that of the graph."""
_THEN = ", then "
_PREFIX = "encoder."
_LAYERS = ("attention.qkv", "attention.proj", "mlp.0", "mlp.2")


def load_start(source: Path) -> Checkpoint:
    """Load the encoder to go on from: a run, a checkpoint file, a model directory or its name.

    Raises:
        ModelError: If there is none, it is damaged, or it cannot be trained on.
        MissingExtraError: If a model is to be read, and `onnx` or a runtime is not installed.
    """
    has_checkpoint = source.is_dir() and any(source.glob("checkpoint*.safetensors"))
    if not has_checkpoint and (source / INFO_FILE).exists():
        return read_model(source)
    if not source.exists() and str(source) in shipped_models():
        return read_model(find_model(str(source)))
    return load_checkpoint(source)


def read_model(folder: Path) -> Checkpoint:
    """Read an exported model as a checkpoint, without optimizer state.

    Args:
        folder: Model directory.

    Raises:
        ModelError: If its files are damaged or do not belong together, if it is fused of several
            encoders, if its network is no transformer (graph convolutions are stored together with
            their batch norms), or if the network gives other vectors than the graph.
        MissingExtraError: If `onnx` or a runtime is not installed.
    """
    info = read_model_info(folder)
    check_fingerprint(folder, info)
    if info.streams:
        parts = ", ".join(stream.model for stream in info.streams)
        raise ModelError(f"{folder}: fused of {parts}: go on from one of these")
    path = folder / GRAPH_FILE
    graph = _Graph.read(path)
    try:
        shape = _shape(graph, info)
        weights = _weights(graph, shape)
        config = _config(info, shape)
    except (KeyError, ValueError, IndexError, TypeError, UsageError) as error:
        raise ModelError(
            f"{path}: not the graph of a transformer that `stars export` wrote ({brief(error)}); "
            "go on from the checkpoint of its run"
        ) from error
    _check_vectors(folder, info, shape, weights)
    facts = info.facts
    return Checkpoint(
        config=config.to_json(),
        step=0,
        weights={_PREFIX + name: tensor for name, tensor in weights.items()},
        optimizer={},
        history={
            "imported_from": f"{info.name}, fingerprint {info.fingerprint[:12]}",
            "license": info.license,
            "said": {key: str(facts[key]) for key in ("method", "steps", "data") if key in facts},
            "seconds": 60.0 * _number(facts.get("training_minutes", 0)),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """What of a graph tells its layers.

    Attributes:
        weights: Weights and other constants, by name; half precision is widened.
        added: Two operands of each sum, both ways.
        sums: Result of each sum, by each of its operands.
        products: Constant by which something is multiplied, by the name of the product.
        reshaped: Shape into which something is brought, by its name.
        frames: Frames of the input, T.
        joints: Joints of the input, V.
    """

    weights: dict[str, NDArray[Any]]
    added: dict[str, str]
    sums: dict[str, str]
    products: dict[str, str]
    reshaped: dict[str, str]
    frames: int
    joints: int

    @classmethod
    def read(cls, path: Path) -> _Graph:
        """Read an ONNX file.

        Raises:
            ModelError: If it is no readable graph.
            MissingExtraError: If `onnx` is not installed.
        """
        try:
            import onnx
        except ModuleNotFoundError as error:
            if error.name != "onnx":
                raise
            raise MissingExtraError("going on from a model", "export", "onnx") from error
        try:
            graph = onnx.load(path, load_external_data=False).graph
            stored = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
            shape = [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim]
            _, frames, joints, _ = shape
        except Exception as error:  # damage fails in protobuf and in onnx in many ways
            raise ModelError(f"{path}: not a readable graph: {brief(error)}") from error
        found = cls(
            weights=stored,
            added={},
            sums={},
            products={},
            reshaped={},
            frames=frames,
            joints=joints,
        )
        for node in graph.node:
            found._note(node.op_type, list(node.input), list(node.output))
        return found

    def _note(self, kind: str, given: list[str], results: list[str]) -> None:
        """Note what a node tells."""
        result = results[0] if results else ""
        match kind, given:
            case "Cast", [one] if one in self.weights:
                self.weights[result] = self.weights[one].astype(np.float32)
            case "Add", [one, other]:
                self.added.update({one: other, other: one})
                self.sums.update({one: result, other: result})
            case "MatMul", [_, one]:
                self.products[result] = one
            case "Reshape", [one, shape]:
                self.reshaped[one] = shape
                if one in self.weights:
                    self.weights[result] = self.weights[one]

    def linear(self, layer: str) -> dict[str, Tensor]:
        """Weight and bias of a linear layer."""
        name, bias = f"{layer}.weight", f"{layer}.bias"
        if _PREFIX + name in self.weights:  # a layer over vectors stays one operator
            return {name: self.tensor(name), bias: self.tensor(bias)}
        product = self.weights[self.products[self.added[_PREFIX + bias]]]
        return {name: _as_tensor(product.T), bias: self.tensor(bias)}

    def tensor(self, name: str) -> Tensor:
        """A weight of the encoder that kept its name."""
        return _as_tensor(self.weights[_PREFIX + name])

    def position(self) -> NDArray[Any]:
        """Position embeddings of all tokens, (L, D)."""
        embedded = self.sums[f"{_PREFIX}embed.bias"]
        position = self.weights[self.added[embedded]]
        return position.reshape(-1, position.shape[-1])


def _shape(graph: _Graph, info: ModelInfo) -> EncoderConfig:
    """The shape of the network.

    Raises:
        KeyError: If something is missing in the graph.
        ValueError: If the sizes do not fit together.
    """
    width, values = graph.linear("embed")["embed.weight"].shape
    tokens = len(graph.position())
    depth = sum(
        f"{_PREFIX}blocks.{n}.norm1.weight" in graph.weights for n in range(len(graph.sums))
    )
    qkv = graph.sums[f"{_PREFIX}blocks.0.attention.qkv.bias"]
    *_, heads, _ = graph.weights[graph.reshaped[qkv]].tolist()
    head = graph.weights.get(f"{_PREFIX}head.weight")
    for postures in (False, True):
        segments = tokens if postures else tokens // graph.joints
        if not segments or graph.frames % segments:
            continue
        shape = EncoderConfig(
            stream=str(info.facts.get("stream", "joint")),
            width=width,
            depth=depth,
            heads=heads,
            frames=graph.frames,
            joints=graph.joints,
            segment=graph.frames // segments,
            posture_tokens=postures,
            vector=None if head is None else head.shape[0],
            parts=1 if head is None else head.shape[1] // width,
        )
        if (shape.tokens, shape.values_per_token) == (tokens, values):
            return shape
    raise ValueError(f"{tokens} tokens of {values} values do not make {graph.frames} frames")


def _weights(graph: _Graph, shape: EncoderConfig) -> dict[str, Tensor]:
    """Weights of the encoder, by their names in the network."""
    layers = [f"blocks.{n}.{layer}" for n in range(shape.depth) for layer in _LAYERS]
    norms = [f"blocks.{n}.{norm}" for n in range(shape.depth) for norm in ("norm1", "norm2")]
    found: dict[str, Tensor] = {}
    for layer in ("embed", *layers, *(("head",) if shape.vector else ())):
        found |= graph.linear(layer)
    for norm in (*norms, "norm"):
        found |= {name: graph.tensor(name) for name in (f"{norm}.weight", f"{norm}.bias")}
    position = graph.position().reshape(shape.segments, shape.tokens_per_step, shape.width)
    time = position.mean(axis=1, keepdims=True)
    found["position.time"] = _as_tensor(time[None])
    found["position.joint"] = _as_tensor((position - time).mean(axis=0)[None, None])
    return found


def _config(info: ModelInfo, shape: EncoderConfig) -> RunConfig:
    """The configuration of a run that could have made the model, as far as it says."""
    named = {method.title: name for name, method in METHODS.items()}
    last = str(info.facts.get("method", "")).rpartition(_THEN)[2].partition(" (")[0]
    how = info.preprocessing
    return RunConfig(
        method=named.get(last, "mamp"),
        data=str(info.facts.get("data", "unknown")),
        clips=0,
        loop=LoopConfig(),
        encoder=shape,
        views=ViewConfig(
            frames=how.frames,
            absent_bodies="zeros" if info.absent_bodies == ZEROS else "present",
            face_camera=how.face_camera,
            standard_body=how.standard_body,
            pace=how.pace,
        ),
    )


def _check_vectors(
    folder: Path, info: ModelInfo, shape: EncoderConfig, weights: dict[str, Tensor]
) -> None:
    """Make sure that the network gives the vectors of the graph.

    Raises:
        ModelError: If it does not.
    """
    encoder = build_encoder(shape).eval()
    load_weights(encoder, weights, source=str(folder / GRAPH_FILE))
    bodies = example_bodies(info)
    expected = reference_vectors(folder / GRAPH_FILE, bodies)
    with torch.no_grad():
        made = encoder.pool(torch.from_numpy(bodies)).numpy()
    lengths = np.maximum(np.linalg.norm(expected, axis=1), 1e-12)
    difference = float((np.linalg.norm(made - expected, axis=1) / lengths).max())
    if not difference <= MOST_DIFFERENT:
        raise ModelError(
            f"{folder / GRAPH_FILE}: read back, its network gives vectors that differ by "
            f"{difference:.1e} from those of the graph, more than {MOST_DIFFERENT:.0e}; "
            "go on from the checkpoint of its run"
        )


def _as_tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32, order="C"))


def _number(said: Any) -> float:
    return float(said) if isinstance(said, int | float) else 0.0
