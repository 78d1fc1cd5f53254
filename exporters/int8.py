"""Write the int8 form of a graph for CPUs: linear layers multiply eight-bit numbers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from stars_infer.encoder.agreement import reference_vectors, smallest_cosine
from stars_infer.exporters.graph_weights import store_half, widen_half
from stars_infer.exporters.verify import synthetic_bodies
from stars_infer.runtimes.forms import INT8_FILE, MADE_FROM, sha256_of
from stars_infer.runtimes.onnxruntime import CPU
from stars_infer.runtimes.open import open_runtime
from stars_infer.runtimes.runtime import EXACT, INT8, MIN_INNER, RuntimeChoice

_LINEAR = "MatMul"


def write_int8(graph: Path, *, frames: int) -> float | None:
    """Write the int8 form of a graph beside it, if the vectors stay the same.

    Weights are rounded once, with one scale per output of a layer; tokens are rounded while the
    graph runs. Weights use seven bits, because CPUs without VNNI add up products in sixteen bits.

    Args:
        graph: The ONNX file, float32.
        frames: Frames of its input, T.

    Returns:
        Smallest cosine of its vectors to float32 vectors, over synthetic bodies. None, without a
        file, if no layer can be rounded or the cosine is below `EXACT`.
    """
    target = graph.with_name(INT8_FILE)
    model = onnx.load(graph)
    widen_half(model)
    layers = list(_linear_layers(model))
    if not layers:
        return None
    with _silence_advice():
        quantize_dynamic(
            model,
            target,
            op_types_to_quantize=[_LINEAR],
            nodes_to_quantize=layers,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    rounded = onnx.load(target)
    store_half(rounded)
    onnx.helper.set_model_props(rounded, {MADE_FROM: sha256_of(graph.read_bytes())})
    onnx.save_model(rounded, target)
    bodies = synthetic_bodies(frames=frames)
    runtime = open_runtime(graph, RuntimeChoice(device=CPU, precision=INT8))
    cosine = smallest_cosine(runtime.run(bodies), reference_vectors(graph, bodies))
    if cosine < EXACT:
        target.unlink()
        return None
    return cosine


def _linear_layers(model: onnx.ModelProto) -> Iterator[str]:
    """Names of the products with weights, except those that make tokens of coordinates."""
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        shape = weights.get(node.input[1]) if node.op_type == _LINEAR else None
        if shape is not None and len(shape) == 2 and shape[0] >= MIN_INNER:
            yield node.name


@contextmanager
def _silence_advice() -> Iterator[None]:
    """Silence the library's advice on the root logger to preprocess the graph first."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
