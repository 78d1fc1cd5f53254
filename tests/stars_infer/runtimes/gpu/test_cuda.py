import sys
import types

import numpy as np
import onnx
import onnxruntime
import pytest

from stars_infer import Encoder
from stars_infer.bench.network import choices_here
from stars_infer.encoder.agreement import smallest_cosine
from stars_infer.encoder.model import GRAPH_FILE
from stars_infer.errors import ModelError, ProviderError
from stars_infer.runtimes import onnxruntime as runtime_module
from stars_infer.runtimes.forms import HALF_FILE, MADE_FROM, sha256_of
from stars_infer.runtimes.gpu import cuda
from stars_infer.runtimes.gpu.cuda import Cuda, FixedBatch, batch_sizes
from stars_infer.runtimes.onnxruntime import open_session
from stars_infer.runtimes.open import available_choices, open_runtime
from stars_infer.runtimes.runtime import RuntimeChoice
from tests.strict_cuda import StrictCuda

FP32, FP16 = (RuntimeChoice(device="cuda", precision=name) for name in ("fp32", "fp16"))


@pytest.fixture
def graph(tiny_model):
    return tiny_model / GRAPH_FILE


@pytest.fixture
def half(tiny_model, tmp_path):
    """A model's graph with another beside it, as `stars export --fp16` leaves them."""
    content = (tiny_model / GRAPH_FILE).read_bytes()
    (tmp_path / GRAPH_FILE).write_bytes(content)
    beside = onnx.load_model_from_string(content)
    onnx.helper.set_model_props(beside, {MADE_FROM: sha256_of(content)})
    onnx.save_model(beside, tmp_path / HALF_FILE)
    return tmp_path / GRAPH_FILE


@pytest.fixture(autouse=True)
def without_cuda_bindings(monkeypatch):
    for name in ("cuda", "cuda.bindings", "cuda.bindings.runtime"):
        monkeypatch.setitem(sys.modules, name, None)


def some_bodies(count):
    return np.random.default_rng(0).normal(size=(count, 120, 25, 3)).astype(np.float32)


class OnCpu:
    """ONNX Runtime with a CUDA provider that is the CPU's, and a note of what it was asked."""

    def __init__(self):
        self.opened, self.taken = [], []
        self.refuses_graphs = False
        self.fails_to_record = False
        self.falls_back = False
        self.module = types.SimpleNamespace(
            SessionOptions=onnxruntime.SessionOptions,
            get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
            InferenceSession=self.session,
            OrtValue=types.SimpleNamespace(ortvalue_from_shape_and_type=self.value),
        )

    def session(self, graph, options, *, providers):
        ((provider, settings),) = providers
        if provider == "CUDAExecutionProvider":
            self.opened.append(settings)
            if self.refuses_graphs and settings.get("enable_cuda_graph") == "1":
                raise RuntimeError("This session cannot use the CUDA Graph feature")
        real = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        running = "CPUExecutionProvider" if self.falls_back else provider
        real.get_providers = lambda: [running]
        if self.fails_to_record and settings.get("enable_cuda_graph") == "1":
            real.run_with_iobinding = self.fail_to_record
        return real

    def fail_to_record(self, binding):
        raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing")

    def value(self, shape, kind, device, number):
        self.taken.append((tuple(shape), kind, device, number))
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, kind, "cpu", 0)


@pytest.fixture
def gpu(monkeypatch):
    fake = OnCpu()
    for module in (runtime_module, cuda):
        monkeypatch.setattr(module, "onnxruntime_package", lambda: fake.module)
    return fake


def test_batches_are_filled_up_to_a_few_sizes():
    assert batch_sizes(64) == (1, 8, 64)
    assert batch_sizes(100) == (1, 8, 64, 100)
    assert batch_sizes(1) == (1,)
    assert batch_sizes(5) == (1, 5)


def test_a_fixed_batch_by_io_binding_gives_the_vectors(graph):
    """The real thing, on the CPU's provider."""
    session = open_session(graph, "cpu")
    fixed = FixedBatch(graph, batch=5, device="cpu")
    assert fixed.session.get_inputs()[0].shape == [5, 120, 25, 3]
    for count in (5, 1, 3):
        bodies = some_bodies(count)[::-1].copy()
        expected = session.run(None, {"bodies": bodies})[0]
        got = fixed.run(bodies)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
        kept = got.copy()
        fixed.run(some_bodies(4))
        np.testing.assert_array_equal(got, kept)


def test_a_fixed_batch_leaves_no_shapes_to_compute(graph, tmp_path, monkeypatch):
    """A CUDA graph is recorded only if no operator runs on the CPU, as those of shapes do."""
    written = tmp_path / "optimized.onnx"

    class Options(onnxruntime.SessionOptions):
        def __init__(self):
            super().__init__()
            self.optimized_model_filepath = str(written)
            self.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC

    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    operators = {}
    for batch in (None, 8):
        open_session(graph, "cpu", batch=batch)
        operators[batch] = {node.op_type for node in onnx.load(written).graph.node}
    assert "Shape" in operators[None]
    assert not operators[8] & {"Shape", "Concat"}


def test_any_number_of_bodies(graph):
    runtime = Cuda(graph, RuntimeChoice(device="cuda", batch=10), device="cpu")
    reference = open_session(graph, "cpu")
    for count in (1, 2, 9, 10, 23):
        bodies = some_bodies(count)
        expected = reference.run(None, {"bodies": bodies})[0]
        np.testing.assert_allclose(runtime.run(bodies), expected, rtol=1e-4, atol=1e-5)
    assert runtime.choice.batch == 10
    assert not runtime.recorded


def test_float32_is_float32_and_launches_are_recorded(gpu, graph):
    runtime = open_runtime(graph, FP32)
    assert gpu.opened == [{"use_tf32": "0", "enable_cuda_graph": "1"}]
    assert gpu.taken == [
        ((1, 120, 25, 3), np.float32, "cuda", 0),
        ((1, 32), np.float32, "cuda", 0),
    ]
    assert runtime.choice == RuntimeChoice(device="cuda", batch=64)
    assert runtime.recorded
    bodies = some_bodies(3)
    expected = open_session(graph, "cpu").run(None, {"bodies": bodies})[0]
    assert smallest_cosine(runtime.run(bodies), expected) > 0.999999
    assert [shape for shape, *_ in gpu.taken][2:] == [(8, 120, 25, 3), (8, 32)]
    runtime.run(bodies)
    assert len(gpu.opened) == 2


def test_what_cannot_be_recorded_runs_without(gpu, graph):
    gpu.refuses_graphs = True
    runtime = open_runtime(graph, FP32)
    assert gpu.opened == [{"use_tf32": "0", "enable_cuda_graph": "1"}, {"use_tf32": "0"}]
    assert not runtime.recorded
    assert runtime.run(some_bodies(1)).shape == (1, 32)


def test_a_recording_that_fails_in_the_first_run_is_given_up(gpu, graph):
    gpu.fails_to_record = True
    runtime = open_runtime(graph, FP32)
    assert runtime.recorded
    bodies = some_bodies(1)
    expected = open_session(graph, "cpu").run(None, {"bodies": bodies})[0]
    assert smallest_cosine(runtime.run(bodies), expected) > 0.999999
    assert not runtime.recorded
    assert gpu.opened == [{"use_tf32": "0", "enable_cuda_graph": "1"}, {"use_tf32": "0"}]


def test_what_fails_without_recording_is_an_error(gpu, graph, monkeypatch):
    fixed = FixedBatch(graph, batch=1, device="cuda")
    monkeypatch.setattr(fixed, "_run", lambda bodies: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fixed.run(some_bodies(1))


def test_a_gpu_that_does_not_run(gpu, graph):
    gpu.falls_back = True
    with pytest.raises(ProviderError, match="'cuda' does not run here, ONNX Runtime fell back"):
        open_runtime(graph, FP32)


def test_a_damaged_graph(gpu, tmp_path):
    (tmp_path / GRAPH_FILE).write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"encoder\.onnx: ONNX Runtime cannot load it on cuda"):
        open_runtime(tmp_path / GRAPH_FILE, FP32)


def test_half_precision_is_a_file_beside(gpu, half):
    runtime = open_runtime(half, FP16)
    assert runtime.choice == RuntimeChoice(device="cuda", precision="fp16", batch=64)
    assert runtime.run(some_bodies(2)).shape == (2, 32)
    cuda_choices = [how for how in available_choices(half) if how.device == "cuda"]
    assert cuda_choices == [FP32, FP16]
    assert FP16 in choices_here(half)
    (half.with_name(HALF_FILE)).unlink()
    with pytest.raises(ProviderError, match=r"no fp16 form of this model here; .* --fp16"):
        open_runtime(half, FP16)
    assert FP16 not in available_choices(half)
    with pytest.raises(ProviderError, match="'cuda' runs in fp32 and fp16, not bf16"):
        open_runtime(half, RuntimeChoice(device="cuda", precision="bf16"))


def test_half_precision_of_another_graph_is_refused(gpu, half):
    other = onnx.load(half)
    other.doc_string = "another"
    onnx.save_model(other, half)
    with pytest.raises(ModelError, match=r"fp16\.onnx: was not made from encoder\.onnx as it is"):
        open_runtime(half, FP16)


def test_half_precision_is_not_for_the_cpu(half):
    with pytest.raises(ProviderError, match="not run in fp16, which is for cuda and tensorrt"):
        open_runtime(half, RuntimeChoice(device="cpu", precision="fp16"))


def test_page_locked_memory_is_used_where_it_can_be_had(gpu, graph, monkeypatch):
    strict = StrictCuda()
    for name, module in strict.packages().items():
        monkeypatch.setitem(sys.modules, name, module)
    runtime = open_runtime(graph, FP32)
    assert [len(block) for block in strict.host.values()] == [4 * 120 * 25 * 3]
    bodies = some_bodies(1)
    expected = open_session(graph, "cpu").run(None, {"bodies": bodies})[0]
    np.testing.assert_allclose(runtime.run(bodies), expected, rtol=1e-4, atol=1e-5)
    del runtime
    assert strict.host == {}


def test_automatic_takes_the_gpu(gpu, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(tmp_path))
    encoder = Encoder.load(tiny_model)
    assert (encoder.device, encoder.batch) == ("cuda", 64)
    assert encoder.embed_bodies(some_bodies(70)).shape == (70, 32)
