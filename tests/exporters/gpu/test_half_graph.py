import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from stars_infer.encoder.agreement import smallest_cosine
from stars_infer.errors import ExportError
from stars_infer.exporters.gpu.half_graph import PRODUCTS, half_graph
from stars_infer.exporters.onnx import round_to_half, write_onnx
from stars_infer.synthetic.actions import SOLO_ACTIONS, perform
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder_config import BIGRU, DSTA, STGCN, TRANSFORMER, EncoderConfig

FULL, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Graphs of small networks, each made once."""
    made = {}

    def write(network=TRANSFORMER, *, half_weights=False):
        if (network, half_weights) not in made:
            path = tmp_path_factory.mktemp(network) / "encoder.onnx"
            torch.manual_seed(0)
            depth = 2 if network == TRANSFORMER else 3
            shape = EncoderConfig(network=network, frames=16, width=32, depth=depth, heads=2)
            encoder = build_encoder(shape).eval()
            if half_weights:
                round_to_half(encoder)
            write_onnx(encoder, path, half_weights=half_weights)
            made[network, half_weights] = onnx.load(path)
        return made[network, half_weights]

    return write


def bodies(count):
    clips = [
        perform(action, np.random.default_rng(n))[:1, :16]
        for n, action in enumerate(list(SOLO_ACTIONS)[:count])
    ]
    return np.concatenate(clips).astype(np.float32)


def vectors(model, given):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: given})[0]


def types_of(model):
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    known = (*typed.input, *typed.output, *typed.value_info)
    kinds = {value.name: value.type.tensor_type.elem_type for value in known}
    return kinds | {tensor.name: tensor.data_type for tensor in typed.initializer}


def kinds_of(model, operator):
    kinds = types_of(model)
    return [kinds[n.output[0]] for n in model.graph.node if n.op_type == operator]


@pytest.mark.parametrize("network", [TRANSFORMER, STGCN, DSTA])
def test_every_network_keeps_its_vectors(written, network):
    model = written(network)
    half = half_graph(model)
    onnx.checker.check_model(half, full_check=True)
    for batch in (1, 2, 7):
        given = bodies(batch)
        assert smallest_cosine(vectors(half, given), vectors(model, given)) >= 0.999
    kinds = {kind for operator in PRODUCTS for kind in kinds_of(half, operator)}
    assert HALF in kinds


def test_islands_are_float32_and_products_are_not(written):
    half = half_graph(written())
    for operator in ("LayerNormalization", "Softmax", "ReduceMean"):
        assert set(kinds_of(half, operator)) == {FULL}, operator
    first, *others = kinds_of(half, "MatMul")
    assert first == FULL, "positions in meters are read in full"
    assert set(others) == {HALF}
    assert set(kinds_of(half, "Gelu")) == {HALF}
    # Of each block two sums are of the residual stream; position and embedding add two more.
    assert sorted(kinds_of(half, "Add")).count(FULL) == 2 * 2 + 2
    kinds = types_of(half)
    ends = (*half.graph.input, *half.graph.output)
    assert {kinds[value.name] for value in ends} == {FULL}


class MatMul(OpRun):
    """Products that are summed in float32 and rounded once, as on a GPU."""

    def _run(self, a, b):
        return ((a.astype(np.float32) @ b.astype(np.float32)).astype(a.dtype),)


def test_rounding_by_the_letter_of_the_graph(written):
    """ONNX Runtime leaves out casts on a CPU; the evaluator of `onnx` does what the graph says."""
    model = written()
    given = bodies(2)
    evaluator = ReferenceEvaluator(half_graph(model), new_ops=[MatMul])
    rounded = evaluator.run(None, {"bodies": given})[0]
    exact = vectors(model, given)
    assert rounded.dtype == np.float32
    assert smallest_cosine(rounded, exact) >= 0.999
    assert np.abs(rounded - exact).max() > 1e-5 * np.abs(exact).max()


def test_the_given_graph_stays_and_half_weights_are_taken_as_they_are(written):
    model = written(half_weights=True)
    before = model.SerializeToString()
    half = half_graph(model)
    assert model.SerializeToString() == before
    stored = {
        t.name: numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == HALF
    }
    kept = [numpy_helper.to_array(t) for t in half.graph.initializer if t.data_type == HALF]
    for weight in stored.values():
        if weight.ndim == 2 and weight.shape[0] == 32:  # of the blocks
            assert any(np.array_equal(weight, other) for other in kept)
    assert half.ByteSize() < 0.8 * half_graph(written()).ByteSize() + len(before)


def small(nodes, weights, *, given=("x",)):
    shape = [2, 2]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info(name, FULL, shape) for name in given],
            [helper.make_tensor_value_info("y", FULL, shape)],
            [numpy_helper.from_array(np.array(w, np.float32), n) for n, w in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )


def test_the_last_product_is_cast_back():
    eye = [[1, 0], [0, 1]]
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["y"]),
    ]
    half = half_graph(small(nodes, {"w": eye}))
    assert kinds_of(half, "MatMul") == [HALF]
    assert [value.name for value in half.graph.output] == ["y"]
    given = np.array([[1, 2], [3, 5]], np.float32)
    expected = np.exp(given) / np.exp(given).sum(1, keepdims=True)
    np.testing.assert_allclose(vectors(half, given), expected, atol=1e-3)


def test_what_half_precision_cannot_hold_stays_float32():
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["m"]),
        helper.make_node("MatMul", ["m", "v"], ["y"]),
    ]
    weights = {"w": [[1e6, 0], [0, 1e6]], "v": [[1e-6, 0], [0, 1e-6]]}
    half = half_graph(small(nodes[:2] + nodes[2:], weights))
    assert kinds_of(half, "MatMul")[0] == FULL


def test_a_value_that_is_needed_in_both_precisions():
    eye = [[1, 0], [0, 1]]
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["m"]),
        helper.make_node("Transpose", ["m"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["t", "w"], ["u"]),
        helper.make_node("Add", ["t", "s"], ["a"]),
        helper.make_node("Add", ["a", "u"], ["y"]),
    ]
    half = half_graph(small(nodes, {"w": eye}))
    assert kinds_of(half, "Transpose") == [HALF]
    assert kinds_of(half, "Add") == [FULL, FULL]
    weights = [t.name for t in half.graph.initializer]
    assert weights == ["w.half"], "made once, the float32 one dropped"
    given = np.array([[1, 2], [3, 5]], np.float32)
    soft = np.exp(given) / np.exp(given).sum(1, keepdims=True)
    np.testing.assert_allclose(vectors(half, given), 2 * soft.T + soft, atol=2e-3)


def test_branches_are_refused():
    value = helper.make_tensor_value_info("b", FULL, [2, 2])
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "branch", [], [value])
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    model = small(nodes, {})
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    with pytest.raises(ExportError, match=r"\(If\) has a branch or loop inside"):
        half_graph(model)


def test_a_graph_that_cannot_be_typed_is_refused():
    nodes = [
        helper.make_node("Strange", ["x"], ["s"], domain="nowhere"),
        helper.make_node("MatMul", ["s", "w"], ["y"]),
    ]
    with pytest.raises(ExportError, match="the type of 's' cannot be inferred"):
        model = small(nodes, {"w": [[1, 0], [0, 1]]})
        model.opset_import.append(helper.make_opsetid("nowhere", 1))
        half_graph(model)
    wrong = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    with pytest.raises(ExportError, match="the types of the graph cannot be inferred: "):
        half_graph(small(wrong, {"w": [[1.0, 0], [0, 1], [1, 1]]}))


def test_a_network_without_products_is_refused(written):
    with pytest.raises(ExportError, match="no product that half precision could speed up"):
        half_graph(written(BIGRU))
