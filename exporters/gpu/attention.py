"""Replace attention by one operator of ONNX Runtime that does not write the scores to memory.

The scores of 750 tokens with 8 heads take 9 MB per body and block in half precision. TensorRT
fuses attention by itself and does not know this operator.

The native `Attention` operator (opset 23) is no substitute: it needs ONNX Runtime 1.23 on a CPU and
a later one on CUDA, and TensorRT 10.14. On a CPU, in half precision and with 120 frames, it took
166 ms per body and 211 MiB per 8 bodies; this operator 158 ms and 100 MiB, the plain graph 171 ms
and 350 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import helper, numpy_helper

from stars_infer.exporters.graph_weights import drop_unused

DOMAIN, OPERATOR = "com.microsoft", "MultiHeadAttention"
_SPLIT = [2, 0, 3, 1, 4]
"""Permutation of (B, N, 3, heads, D / heads) to (3, B, heads, N, D / heads)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attention:
    """One attention block found in a graph.

    Attributes:
        packed: Name of the queries, keys and values side by side, (B, N, 3 * D).
        heads: Number of heads.
        scale: Factor of the scores.
        result: Name of the result (B, N, D), with the heads side by side.
    """

    packed: str
    heads: int
    scale: float
    result: str


def fuse_attention(model: onnx.ModelProto) -> int:
    """Replace every attention block by one operator, in place.

    A block is self-attention as the exporter writes it: one projection to queries, keys and
    values, their scaled product, a softmax, and the product with the values. Other nodes stay.

    Returns:
        The number of blocks replaced.
    """
    graph = _Graph(model.graph)
    blocks = [graph.find_attention(node) for node in model.graph.node]
    found = [block for block in blocks if block is not None]
    for block in found:
        _replace(model.graph, block)
    drop_unused(model.graph)
    if found and all(opset.domain != DOMAIN for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return len(found)


class _Graph:
    """Index of a graph: the node that makes each value, and the nodes that read it."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._made = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def find_attention(self, softmax: onnx.NodeProto) -> _Attention | None:
        """Find the attention block around a softmax; None if there is none."""
        if softmax.op_type != "Softmax" or _attribute(softmax, "axis", -1) not in (-1, 3):
            return None
        scores = self._above(softmax.input[0], "MatMul")
        values = self._below(softmax.output[0], "MatMul")
        joined = self._below(values.output[0], "Transpose") if values else None
        result = self._below(joined.output[0], "Reshape") if joined else None
        if scores is None or values is None or joined is None or result is None:
            return None
        if _attribute(joined, "perm", []) != [0, 2, 1, 3]:
            return None
        query, one = self._unscale(scores.input[0])
        key, other = self._unscale(scores.input[1])
        first = self._part(query, 0)
        others = (self._part(self._untranspose(key), 1), self._part(values.input[1], 2))
        if first is None or any(other != first for other in others):
            return None
        packed, heads = first
        return _Attention(packed=packed, heads=heads, scale=one * other, result=result.output[0])

    def _above(self, name: str, operator: str) -> onnx.NodeProto | None:
        """The node that makes a value, skipping casts, if it is this operator."""
        node = self._made.get(name)
        while node is not None and node.op_type == "Cast":
            node = self._made.get(node.input[0])
        return node if node is not None and node.op_type == operator else None

    def _below(self, name: str, operator: str) -> onnx.NodeProto | None:
        """The only reader of a value, skipping casts, if it is this operator and reads it first."""
        readers = self._readers.get(name, [])
        while len(readers) == 1 and readers[0].op_type == "Cast":
            name = readers[0].output[0]
            readers = self._readers.get(name, [])
        if len(readers) != 1 or readers[0].op_type != operator or readers[0].input[0] != name:
            return None
        return readers[0]

    def _unscale(self, name: str) -> tuple[str, float]:
        """The value before a multiplication by a constant, and the constant; 1 if there is none."""
        node = self._above(name, "Mul")
        if node is None:
            return name, 1.0
        for place in (0, 1):
            scale = self._constant(node.input[place])
            if scale is not None and len(scale) == 1:
                return node.input[1 - place], scale[0]
        return name, 1.0

    def _untranspose(self, name: str) -> str:
        """The keys before their last two axes were swapped; "" if they were not swapped."""
        outer = self._above(name, "Reshape")
        node = self._above(outer.input[0] if outer else name, "Transpose")
        swapped = [0, 2, 1] if outer else [0, 1, 3, 2]
        if node is None or _attribute(node, "perm", []) != swapped:
            return ""
        inner = self._above(node.input[0], "Reshape") if outer else None
        if outer and inner is None:
            return ""
        return str((inner or node).input[0])

    def _part(self, name: str, number: int) -> tuple[str, int] | None:
        """The packed projection of which a value is part `number`, and the number of heads."""
        squeeze = self._above(name, "Squeeze")
        part = self._above(squeeze.input[0], "Slice") if squeeze else None
        split = self._above(part.input[0], "Transpose") if part else None
        heads = self._above(split.input[0], "Reshape") if split else None
        if part is None or split is None or heads is None:
            return None
        where = [self._constant(given) for given in part.input[1:4]]  # start, end, axis
        sizes = self._constant(heads.input[1])
        if where != [[number], [number + 1], [0]] or _attribute(split, "perm", []) != _SPLIT:
            return None
        if sizes is None or len(sizes) != 5 or sizes[2] != 3:
            return None
        return heads.input[0], int(sizes[3])

    def _constant(self, name: str) -> list[float] | None:
        """Numbers of a constant, flattened; None if the value is not constant."""
        tensor = self._constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor).reshape(-1).tolist()


def _replace(graph: onnx.GraphProto, block: _Attention) -> None:
    """Make the result by one operator; nothing reads the nodes that made it before."""
    names = [f"{block.result}.{part}" for part in ("queries", "keys", "values")]
    made = [
        helper.make_node("Split", [block.packed], names, axis=-1, num_outputs=3),
        helper.make_node(
            OPERATOR, names, [block.result], domain=DOMAIN, num_heads=block.heads, scale=block.scale
        ),
    ]
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.extend(made if block.result in node.output else [node])
    del graph.node[:]
    graph.node.extend(nodes)


def _attribute(node: onnx.NodeProto, name: str, default: object) -> object:
    for attribute in node.attribute:
        if attribute.name == name:
            value = helper.get_attribute_value(attribute)
            return list(value) if isinstance(value, (list, tuple)) else value
    return default
