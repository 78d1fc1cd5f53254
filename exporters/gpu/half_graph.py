"""Rewrite a graph so that its products run in half precision and the rest in float32.

Explicit casts fix every type, so that all runtimes compute the same: ONNX Runtime as well as
TensorRT, whose networks are always strongly typed from version 11 on. Matrix products,
convolutions, their biases and activations run in half precision. Residual sums, layer norms,
softmax, pooling and unknown operators run in float32, and so does the first product, which reads
positions in meters. The graph's input and output stay float32.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stars_infer.errors import ExportError
from stars_infer.exporters.graph_weights import drop_unused, widen_half

FULL, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
PRODUCTS = frozenset({"Conv", "Gemm", "MatMul"})
ACTIVATIONS = frozenset({"Gelu", "LeakyRelu", "Relu", "Sigmoid", "Tanh"})
MOVES = frozenset(
    {
        "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split",
        "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators that only move numbers: they keep the type of their input."""
_WITH_CONSTANT = frozenset({"Add", "Mul"})
"""Operators that are a bias or a scale if one input is constant."""


def half_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a graph with its products in half precision.

    Args:
        model: A float32 graph, with its weights inside, stored in float32 or half precision.

    Raises:
        ExportError: If the graph has branches or loops, its types cannot be inferred, or no product
            can run in half precision, as in recurrent networks.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    widen_half(half)
    if not _Rewrite(half).run():
        operators = ", ".join(sorted({node.op_type for node in model.graph.node}))
        raise ExportError(
            f"the graph has no product that half precision could speed up, only {operators}"
        )
    return half


class _Rewrite:
    """One pass over the nodes of a graph, in order, that gives every float value a type."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._floats = _float_values(model)
        self._held: dict[str, int] = dict.fromkeys(self._floats, FULL)
        self._unread = {value.name for value in model.graph.input}
        self._nodes: list[onnx.NodeProto] = []
        self._cast: dict[tuple[str, int], str] = {}

    def run(self) -> int:
        """Rewrite the graph in place; returns the number of products in half precision."""
        halved = 0
        outputs = {value.name for value in self._graph.output}
        nodes = list(self._graph.node)
        for node in nodes:
            if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
                raise ExportError(
                    f"node {node.name!r} ({node.op_type}) has a branch or loop inside: such a "
                    "graph cannot be run in half precision"
                )
            kind = self._kind(node)
            halved += node.op_type in PRODUCTS and kind == HALF
            if node.op_type in MOVES and self._reads(node) & self._unread:
                self._unread.update(node.output)
            for place, name in enumerate(node.input):
                if name in self._floats:
                    node.input[place] = self._as(name, kind)
            self._nodes.append(node)
            for place, name in enumerate(node.output):
                if name in outputs and kind == HALF and name in self._floats:
                    node.output[place] = f"{name}.half"
                    cast = helper.make_node("Cast", [node.output[place]], [name], to=FULL)
                    self._nodes.append(cast)
                elif name in self._floats:
                    self._held[name] = kind
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        drop_unused(self._graph)
        return halved

    def _kind(self, node: onnx.NodeProto) -> int:
        """Precision in which a node runs."""
        read = self._reads(node)
        halves = {name for name in read if self._held[name] == HALF}
        if node.op_type in PRODUCTS:
            return FULL if read & self._unread or not self._fits_half(read) else HALF
        if node.op_type in ACTIVATIONS:
            return HALF if halves else FULL
        if node.op_type in MOVES:
            return HALF if read and halves == read else FULL
        if node.op_type in _WITH_CONSTANT:
            constants = read & self._weights.keys()
            return HALF if halves and halves | constants == read and self._fits_half(read) else FULL
        return FULL

    def _reads(self, node: onnx.NodeProto) -> set[str]:
        return {name for name in node.input if name in self._floats}

    def _fits_half(self, names: Iterable[str]) -> bool:
        """Whether half precision can represent the constants among these values."""
        most = float(np.finfo(np.float16).max)
        found = (self._weights[name] for name in names if name in self._weights)
        return all(np.abs(numpy_helper.to_array(t)).max(initial=0.0) <= most for t in found)

    def _as(self, name: str, kind: int) -> str:
        """Name of a value in a precision: itself, a converted constant, or a cast of it."""
        if self._held[name] == kind:
            return name
        if (name, kind) not in self._cast:
            made = f"{name}.{'half' if kind == HALF else 'full'}"
            if name in self._weights:
                value = numpy_helper.to_array(self._weights[name]).astype(np.float16)
                self._graph.initializer.append(numpy_helper.from_array(value, made))
            else:
                self._nodes.append(helper.make_node("Cast", [name], [made], to=kind))
            self._cast[name, kind] = made
        return self._cast[name, kind]


def _float_values(model: onnx.ModelProto) -> set[str]:
    """Names of all float32 values.

    Raises:
        ExportError: If a type cannot be inferred.
    """
    try:
        typed = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    except onnx.shape_inference.InferenceError as error:
        raise ExportError(f"the types of the graph cannot be inferred: {error}") from error
    known = (*typed.input, *typed.output, *typed.value_info)
    values = {value.name: value.type.tensor_type.elem_type for value in known}
    values |= {tensor.name: tensor.data_type for tensor in typed.initializer}
    untyped = [name for node in typed.node for name in node.output if name and name not in values]
    if untyped:
        raise ExportError(f"the type of {untyped[0]!r} cannot be inferred")
    return {name for name, kind in values.items() if kind == FULL}
