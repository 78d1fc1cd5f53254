"""The int8 form of a graph: weights and tokens of linear layers in eight bits, for CPUs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from stars_infer.encoder.agreement import reference_vectors, smallest_cosine
from stars_infer.exporters.graph_weights import store_half, widen_half
from stars_infer.exporters.verify import example_bodies
from stars_infer.runtimes.forms import INT8_FILE, MADE_FROM, sha256_of
from stars_infer.runtimes.onnxruntime import CPU
from stars_infer.runtimes.open import open_runtime
from stars_infer.runtimes.runtime import EXACT, INT8, MIN_INNER, RuntimeChoice

_LINEAR = "MatMul"


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
    made = graph.with_name(INT8_FILE)
    model = onnx.load(graph)
    widen_half(model)
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
    onnx.helper.set_model_props(rounded, {MADE_FROM: sha256_of(graph.read_bytes())})
    onnx.save_model(rounded, made)
    bodies = example_bodies(frames=frames)
    runtime = open_runtime(graph, RuntimeChoice(device=CPU, precision=INT8))
    cosine = smallest_cosine(runtime.run(bodies), reference_vectors(graph, bodies))
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
