"""The int8 form of a graph: weights and tokens of linear layers in eight bits, for CPUs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from stars_infer.bench.network import smallest_cosine
from stars_infer.clip import FloatArray
from stars_infer.errors import ExportError
from stars_infer.exporters.onnx import INPUT, store_half
from stars_infer.exporters.verify import example_bodies
from stars_infer.model import GRAPH_FILE, INFO_FILE, check_fingerprint, read_model_info
from stars_infer.runtimes.onnxruntime import CPU, MADE_FROM, open_session
from stars_infer.runtimes.runtime import EXACT, MIN_INNER, digest_of, int8_graph

FACT = "int8_smallest_cosine"
"""What `model.json` says of it: the cosine to float32 that `write_int8` found."""
_LINEAR = "MatMul"


def add_int8(folder: Path) -> float:
    """Give a model directory the int8 form of its graph, and say so in its description.

    Returns:
        As `write_int8`.

    Raises:
        ModelError: If its files do not belong together.
        ExportError: If there is nothing to round, or the vectors would not stay the same.
    """
    info = read_model_info(folder)
    check_fingerprint(folder, info)
    cosine = write_int8(folder / GRAPH_FILE, frames=info.preprocessing.frames)
    if cosine is None:
        raise ExportError(
            f"{folder}: in int8 this network would not keep its vectors, or has no linear layers; "
            "leave it in float32"
        )
    file = folder / INFO_FILE
    values = json.loads(file.read_text(encoding="utf-8"))
    values["facts"] |= fact_of(cosine)
    beside = file.with_suffix(".json.tmp")
    beside.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(file)
    return cosine


def fact_of(cosine: float | None) -> dict[str, object]:
    """What `model.json` says of an int8 form; nothing if there is none."""
    return {} if cosine is None else {FACT: round(cosine, 6)}


def write_int8(graph: Path, *, frames: int) -> float | None:
    """Write the int8 form of a graph beside it, if its vectors stay the same.

    Weights are rounded once, each output of a layer with a scale of its own; tokens while the graph
    runs. Seven bits of the weights are used: CPUs without VNNI add up products in sixteen bits.

    Args:
        graph: The ONNX file, float32.
        frames: T of its input.

    Returns:
        Smallest cosine of its vectors to those of float32, over synthetic bodies. None if there is
        nothing to round, or the cosine is below `EXACT`; then no file is left.
    """
    made = int8_graph(graph)
    model = _widened(onnx.load(graph))
    layers = list(_linear_layers(model))
    if not layers:
        return None
    with _without_advice():
        quantize_dynamic(
            model,
            made,
            op_types_to_quantize=[_LINEAR],
            nodes_to_quantize=layers,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    rounded = onnx.load(made)
    store_half(rounded)
    onnx.helper.set_model_props(rounded, {MADE_FROM: digest_of(graph)})
    onnx.save_model(rounded, made)
    bodies = example_bodies(frames=frames)
    cosine = smallest_cosine(_vectors(made, bodies), _vectors(graph, bodies))
    if cosine < EXACT:
        made.unlink()
        return None
    return cosine


def _linear_layers(model: onnx.ModelProto) -> Iterator[str]:
    """Names of the products with weights, but for those that make tokens of coordinates."""
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        shape = weights.get(node.input[1]) if node.op_type == _LINEAR else None
        if shape is not None and len(shape) == 2 and shape[0] >= MIN_INNER:
            yield node.name


def _widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights that are stored in half precision, and cast, as plain float32."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        tensor = stored.get(node.input[0]) if node.op_type == "Cast" else None
        if tensor is None:
            kept.append(node)
        else:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _vectors(graph: Path, bodies: FloatArray) -> FloatArray:
    session = open_session(graph, CPU)
    return np.concatenate([session.run(None, {INPUT: body[None]})[0] for body in bodies])


@contextmanager
def _without_advice() -> Iterator[None]:
    """Leave out the library's advice, on the root logger, to prepare the graph first."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
