import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from stars_infer.encoder.agreement import smallest_cosine
from stars_infer.exporters.gpu.attention import OPERATOR, fuse_attention
from stars_infer.exporters.gpu.half_graph import half_graph


@pytest.fixture
def graph(tiny_model):
    return onnx.load(tiny_model / "encoder.onnx")


def vectors(model, count=2):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    bodies = np.random.default_rng(0).normal(size=(count, 120, 25, 3)).astype(np.float32)
    return session.run(None, {"bodies": bodies})[0]


def operators(model):
    return [node.op_type for node in model.graph.node]


def test_fused_attention_gives_the_vectors(graph):
    fused = onnx.ModelProto()
    fused.CopyFrom(graph)
    assert fuse_attention(fused) == 2  # blocks
    assert operators(fused).count(OPERATOR) == 2
    assert not {"Softmax", "Slice", "Shape"} & set(operators(fused))
    for count in (1, 3):
        np.testing.assert_allclose(
            vectors(fused, count), vectors(graph, count), rtol=1e-4, atol=1e-5
        )


def test_of_half_precision(graph):
    half = half_graph(graph)
    assert fuse_attention(half) == 2
    onnx.checker.check_model(half, full_check=True)
    assert smallest_cosine(vectors(half), vectors(graph)) >= 0.999
    assert fuse_attention(half) == 0
    assert [opset.domain for opset in half.opset_import].count("com.microsoft") == 1


def constant(graph, name):
    (tensor,) = (t for t in graph.graph.initializer if t.name == name)
    return numpy_helper.to_array(tensor)


def first(graph, operator):
    return next(node for node in graph.graph.node if node.op_type == operator)


def swap_keys_and_values(graph):
    parts = [node for node in graph.graph.node if node.op_type == "Slice"]
    sliced = [node for node in parts if node.input[0] == parts[0].input[0]]
    second, third = sliced[1], sliced[2]
    for place in (1, 2):  # start and end
        second.input[place], third.input[place] = third.input[place], second.input[place]


def other_axis(graph):
    softmax = first(graph, "Softmax")
    del softmax.attribute[:]
    softmax.attribute.append(onnx.helper.make_attribute("axis", 2))


def other_order_of_heads(graph):
    after = [n for n in graph.graph.node if n.op_type == "Transpose"]
    joined = next(n for n in after if list(n.attribute[0].ints) == [0, 2, 1, 3])
    reshaped = next(n for n in graph.graph.node if joined.output[0] in n.input)
    joined.attribute[0].ints[:] = [0, 1, 2, 3]
    assert reshaped.op_type == "Reshape"


def scores_are_read_elsewhere(graph):
    softmax = first(graph, "Softmax")
    mean = onnx.helper.make_node("ReduceMean", [softmax.output[0]], ["spread"], keepdims=0)
    last = next(n for n in graph.graph.node if graph.graph.output[0].name in n.output)
    place = list(graph.graph.node).index(last)
    result = last.output[0]
    last.output[0] = "plain"
    graph.graph.node.insert(place + 1, onnx.helper.make_node("Add", ["plain", "spread"], [result]))
    graph.graph.node.insert(place, mean)


@pytest.mark.parametrize(
    "change", [swap_keys_and_values, other_axis, other_order_of_heads, scores_are_read_elsewhere]
)
def test_what_is_something_else_stays(graph, change):
    """Only the block that was not changed is fused, and the vectors stay those of the graph."""
    before = vectors(graph)
    change(graph)
    changed = vectors(graph)
    assert np.abs(changed - before).max() > 1e-6
    assert fuse_attention(graph) == 1
    np.testing.assert_allclose(vectors(graph), changed, rtol=1e-4, atol=1e-5)


def test_the_scale_is_kept(graph):
    multiplied = first(graph, "Mul")
    (name,) = (n for n in multiplied.input if any(n == t.name for t in graph.graph.initializer))
    doubled = numpy_helper.from_array(2 * constant(graph, name), "doubled")
    graph.graph.initializer.append(doubled)
    multiplied.input[list(multiplied.input).index(name)] = "doubled"
    changed = vectors(graph)
    assert fuse_attention(graph) == 2
    np.testing.assert_allclose(vectors(graph), changed, rtol=1e-4, atol=1e-5)
