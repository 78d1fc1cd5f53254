"""Store the weights of a graph in half precision, widen them again, drop unused ones."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_HALVED = 1024
"""Smaller tensors stay in float32, because they take little space."""
_MIN_ROUNDED_AGAIN = 1 << 14


def store_half(model: onnx.ModelProto) -> None:
    """Store float32 weights in half precision, in place, each with a cast that loading folds away.

    Half precision cannot represent exactly what the exporter computed from rounded weights. Of such
    tensors, only large ones are rounded again, such as the sum of position embeddings.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < MIN_HALVED:
            continue
        name = tensor.name
        stored = f"{name}.half"
        value = numpy_helper.to_array(tensor)
        half = value.astype(np.float16)
        exact = np.array_equal(half.astype(np.float32), value)
        if not exact and value.size < _MIN_ROUNDED_AGAIN:
            continue
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def widen_half(model: onnx.ModelProto) -> None:
    """Undo `store_half`, in place: turn the weights back into float32."""
    graph = model.graph
    stored = {
        tensor.name: tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT16
    }
    kept = []
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            value = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    drop_unused(graph)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Drop nodes and weights that nothing reads, in place."""
    read = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if read & set(node.output):
            read.update(node.input)
            kept.append(node)
    weights = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(weights)
