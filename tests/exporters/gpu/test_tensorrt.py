import json
import sys

import numpy as np
import onnx
import pytest

from stars_infer import Encoder
from stars_infer.encoder.model import check_fingerprint, find_model, read_model_info
from stars_infer.errors import ExportError, MissingExtraError, ModelError, ProviderError, UsageError
from stars_infer.exporters.gpu.half_graph import half_graph
from stars_infer.exporters.gpu.tensorrt import EngineConfig, add_engine, build_engine
from stars_infer.exporters.precision import add_half
from stars_infer.runtimes.forms import sha256_of
from stars_infer.runtimes.gpu.engine import EngineInfo, read_engine_info, write_engine
from stars_infer.runtimes.open import available_choices, open_runtime
from stars_infer.runtimes.runtime import RuntimeChoice
from tests.strict_cuda import StrictCuda
from tests.strict_tensorrt import MemoryPoolType, StrictTensorRt

TEN, ELEVEN = "10.13.3.9", "11.2.1.5"
SMALL = EngineConfig(batches=(2, 3, 5))
NATIVE = RuntimeChoice(device="tensorrt")


@pytest.fixture
def cuda(monkeypatch):
    cuda = StrictCuda()
    for name, module in cuda.packages().items():
        monkeypatch.setitem(sys.modules, name, module)
    return cuda


@pytest.fixture(params=[TEN, ELEVEN])
def trt(request, monkeypatch, cuda):
    trt = StrictTensorRt(request.param, cuda)
    monkeypatch.setitem(sys.modules, "tensorrt", trt.module)
    return trt


@pytest.fixture(scope="module")
def half(tmp_path_factory, tiny_model):
    folder = tmp_path_factory.mktemp("half") / "half"
    add_half(tiny_model, folder)
    return folder


@pytest.fixture
def model(half, tmp_path):
    """A model with its graph in half precision, for each test its own."""
    add_half(half, tmp_path / "model")
    return tmp_path / "model"


def halved(folder):
    return half_graph(onnx.load(folder / "encoder.onnx")).SerializeToString()


def some_bodies(count):
    return np.random.default_rng(0).normal(size=(count, 120, 25, 3)).astype(np.float32)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_builder_is_told_what_the_guide_says(trt, half):
    graph = halved(half)
    how = EngineConfig(batches=(1, 4, 9), workspace=256, level=5)
    assert isinstance(build_engine(trt.module, graph, how), bytes)
    assert trt.network.flags == (trt.strongly_typed if trt.version == TEN else 0)
    assert trt.network.num_inputs == 1
    assert trt.config.builder_optimization_level == 5
    assert trt.config.limits == {MemoryPoolType.WORKSPACE: 256 << 20}
    assert not trt.config.get_flag(trt.module.BuilderFlag.TF32)
    (profile,) = trt.config.profiles
    assert profile.shapes == {"bodies": [(n, 120, 25, 3) for n in (1, 4, 9)]}
    assert trt.config.cache is None
    build_engine(trt.module, graph, EngineConfig())
    assert trt.config.limits == {}


@pytest.mark.parametrize("kept", [None, b"old", b"cache of another GPU", b"broken"])
def test_timing_cache(trt, half, tmp_path, kept):
    path = tmp_path / "deep/timing.cache"
    if kept is not None:
        path.parent.mkdir()
        path.write_bytes(kept)
    how = EngineConfig(timing_cache=path)
    build_engine(trt.module, halved(half), how)
    assert path.read_bytes() == (b"old" if kept == b"old" else b"") + b" and this build"


def test_timing_cache_that_cannot_be_written(trt, half, tmp_path):
    (tmp_path / "file").write_text("")
    how = EngineConfig(timing_cache=tmp_path / "file/timing.cache")
    with pytest.raises(ExportError, match=r"timing\.cache: cannot be written"):
        build_engine(trt.module, halved(half), how)


def test_refusals_of_tensorrt_are_told(trt, half):
    with pytest.raises(ExportError, match="TensorRT cannot read the graph: no graph: DecodeError"):
        build_engine(trt.module, b"no graph", EngineConfig())
    with pytest.raises(ExportError, match="No importer registered for op: MultiHeadAttention"):
        build_engine(trt.module, (half / "encoder.fp16.onnx").read_bytes(), EngineConfig())
    trt.fails = "Could not find any implementation for node MatMul_3."
    with pytest.raises(ExportError, match=f"TensorRT {trt.version} built no engine: Could not"):
        build_engine(trt.module, halved(half), EngineConfig())


def test_engine_from_the_shell(stars, trt, tiny_model, tmp_path):
    code, out, err = stars(
        "export", "--tensorrt", tiny_model, "--out", "engine", "--batches", "2,3,5", "--json"
    )
    assert code == 0, err
    folder = tmp_path / "engine"
    assert left(folder) == [
        "README.md", "encoder.engine", "encoder.fp16.onnx", "encoder.int8.onnx", "encoder.onnx",
        "engine.json", "model.json",
    ]  # fmt: skip
    info = read_engine_info(folder)
    assert (info.gpu, info.capability, info.tensorrt) == ("NVIDIA H200", "9.0", trt.version)
    assert (info.precision, info.batches) == ("fp16", (2, 3, 5))
    assert 0.999 <= info.smallest_cosine <= 1
    model = read_model_info(folder)
    check_fingerprint(folder, model)
    told = f"{info.smallest_cosine} on NVIDIA H200 (compute capability 9.0), TensorRT {trt.version}"
    assert model.facts["tensorrt_smallest_cosine"] == told
    assert told in (folder / "README.md").read_text()
    assert json.loads(out)["facts"] == model.facts


def test_engine_gives_the_vectors(trt, model):
    add_engine(model, SMALL)
    encoder = Encoder.load(model, device="tensorrt")
    assert (encoder.device, encoder.batch, encoder.runtime.precision) == ("tensorrt", 5, "fp16")
    reference = Encoder.load(model, device="cpu")
    for count in (1, 2, 5, 6, 13):
        bodies = some_bodies(count)
        got = encoder.embed_bodies(bodies)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, reference.embed_bodies(bodies), rtol=0.05, atol=0.01)


def test_runs_by_themselves(trt, model):
    add_engine(model, SMALL)
    runtime = open_runtime(model / "encoder.onnx", NATIVE)
    bodies = some_bodies(12)
    together = runtime.run(bodies)
    first = runtime.run(bodies[:1])
    kept = first.copy()
    second = runtime.run(bodies[1:2])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_allclose(np.concatenate([first, second]), together[:2], atol=1e-3)
    with pytest.raises(ProviderError, match=r"does not take bodies of shape \(3, 8, 25, 3\)"):
        runtime.run(np.zeros((3, 8, 25, 3), np.float32))


def test_memory_is_given_back(trt, cuda, model):
    add_engine(model, SMALL)
    assert (cuda.device, cuda.host, cuda.streams) == ({}, {}, {})
    runtime = open_runtime(model / "encoder.onnx", NATIVE)
    assert (len(cuda.device), len(cuda.host), len(cuda.streams)) == (2, 2, 1)
    del runtime
    assert (cuda.device, cuda.host, cuda.streams) == ({}, {}, {})


def test_engine_that_gives_other_vectors_is_not_kept(trt, model):
    trt.offset = 10.0
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    with pytest.raises(ExportError, match="a vector of the engine has cosine .* less than 0.999"):
        add_engine(model, SMALL)
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    assert left(model.parent) == ["model"]


def refused(model, error=ModelError, how=NATIVE):
    with pytest.raises(error) as caught:
        open_runtime(model / "encoder.onnx", how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_engine_is_refused_elsewhere(trt, cuda, model, monkeypatch):
    add_engine(model, SMALL)
    remedy = f"make one here with `stars export --tensorrt {model}`"
    cuda.gpu = ("NVIDIA L4", (8, 9))
    said = refused(model)
    assert "encoder.engine: was built on another GPU, NVIDIA H200 (compute capability 9.0)" in said
    assert "here is NVIDIA L4 (compute capability 8.9)" in said
    assert said.endswith(remedy)
    cuda.gpu = ("NVIDIA H200", (9, 0))
    monkeypatch.setattr(trt.module, "__version__", "10.3.0.26")
    said = refused(model)
    assert f"was built by TensorRT {trt.version}; here is 10.3.0.26" in said
    assert said.endswith(remedy)
    monkeypatch.setattr(trt.module, "__version__", "9.3.0")
    assert "TensorRT 9.3.0 is installed; versions 10 and 11 are supported" in (
        refused(model, ProviderError)
    )


def test_engine_that_does_not_belong_or_is_damaged(trt, model):
    add_engine(model, SMALL)
    whole = (model / "encoder.engine").read_bytes()
    (model / "encoder.engine").write_bytes(whole[:-1] + b"x")
    assert "encoder.engine: is damaged" in refused(model)
    described = json.loads((model / "engine.json").read_text())
    (model / "engine.json").write_text(json.dumps(described | {"graph": "0" * 64}))
    assert "was built from another encoder.onnx" in refused(model)
    for wrong in (
        "{", "[]", "{}", '{"schema": 2}', json.dumps(described | {"batches": [3, 2, 1]}),
        json.dumps(described | {"precision": "fp4"}), json.dumps(described | {"batches": 3}),
    ):  # fmt: skip
        (model / "engine.json").write_text(wrong)
        assert "engine" in refused(model)
    (model / "engine.json").unlink()
    assert "engine.json: not a readable description of an engine" in refused(model)


def test_engine_of_another_program(trt, model):
    add_engine(model, SMALL)
    info = read_engine_info(model)
    values = {name: getattr(info, name) for name in EngineInfo.__slots__}
    write_engine(model, EngineInfo(**values | {"engine": sha256_of(b"what")}), b"what")
    assert f"TensorRT {trt.version} cannot load it on NVIDIA H200" in refused(model)


def test_other_precisions_and_little_memory(trt, cuda, model):
    add_engine(model, SMALL)
    fp16 = RuntimeChoice(device="tensorrt", precision="fp16")
    assert open_runtime(model / "encoder.onnx", fp16).choice.precision == "fp16"
    bf16 = RuntimeChoice(device="tensorrt", precision="bf16")
    said = refused(model, ProviderError, bf16)
    assert said == "device 'tensorrt:bf16': the engine computes in fp16"
    cuda.memory_left = 10
    assert "CUDA failed with cudaErrorMemoryAllocation" in refused(model, ProviderError)
    cuda.gpu = None
    assert "CUDA failed with cudaErrorNoDevice; `nvidia-smi`" in refused(model, ProviderError)


def test_what_is_offered(trt, model):
    graph = model / "encoder.onnx"
    assert all(how.device != "tensorrt" for how in available_choices(graph))
    add_engine(model, SMALL)
    assert RuntimeChoice(device="tensorrt", precision="fp16") in available_choices(graph)


def test_without_tensorrt(stars, cuda, half, tmp_path):
    code, _, err = stars("export", "--tensorrt", half, "--out", "x")
    assert code == 1
    said = " ".join(err.split())
    assert "needs tensorrt 10 or 11 (tensorrt-cu12), which is not installed" in said
    assert "pip install 'stars-infer[tensorrt]'" in said
    assert left(tmp_path) == []


def test_an_engine_without_tensorrt(monkeypatch, cuda, model):
    with monkeypatch.context() as installed:
        trt = StrictTensorRt(TEN, cuda)
        installed.setitem(sys.modules, "tensorrt", trt.module)
        add_engine(model, SMALL)
    with pytest.raises(MissingExtraError, match="device 'tensorrt' needs tensorrt"):
        open_runtime(model / "encoder.onnx", NATIVE)


def test_without_cuda_bindings(monkeypatch, model, trt):
    for name in ("cuda", "cuda.bindings", "cuda.bindings.runtime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="needs cuda-bindings, which is not installed"):
        add_engine(model, SMALL)


def test_shipped_models_get_no_engine(trt):
    with pytest.raises(UsageError, match="came with the installation"):
        add_engine(find_model(), SMALL)
