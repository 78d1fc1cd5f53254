"""Model repositories: read by Triton's own schema, and held to the graph."""

import json
import shutil
import sys
from pathlib import Path

import onnx
import pytest

pytest.importorskip("tritonclient.grpc", reason="the extra [triton] is not installed")

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from stars_infer.encoder.model import GRAPH_FILE, read_model_info
from stars_infer.errors import ExportError, MissingExtraError, UsageError
from stars_infer.exporters import triton
from stars_infer.exporters.triton import TritonConfig, check_config, config_text, write_repository
from stars_infer.runtimes.forms import sha256_of
from stars_infer.runtimes.gpu.engine import EngineInfo, write_engine


@pytest.fixture
def engine(tiny_model):
    return EngineInfo(
        gpu="A GPU",
        capability="9.0",
        tensorrt="10.3.0",
        precision="fp16",
        batches=(1, 8, 32),
        graph=sha256_of((tiny_model / GRAPH_FILE).read_bytes()),
        engine=sha256_of(b"plan"),
    )


def parsed(folder):
    config = model_config_pb2.ModelConfig()
    text_format.Parse((folder / "config.pbtxt").read_text(encoding="utf-8"), config)
    return config


def test_a_repository_is_as_triton_has_it(stars, tiny_model):
    code, out, err = stars(
        "export", "--triton", "repository", tiny_model, "--batches", "1,8,16", "--json"
    )
    assert code == 0, err
    (folder,) = json.loads(out)["triton"]
    info, config = read_model_info(tiny_model), parsed(Path(folder))
    assert sorted(str(file) for file in Path("repository").rglob("*") if file.is_file()) == [
        "repository/tiny/1/model.onnx",
        "repository/tiny/config.pbtxt",
    ]
    assert (Path(folder) / "1/model.onnx").read_bytes() == (tiny_model / GRAPH_FILE).read_bytes()
    assert (config.name, config.platform, config.max_batch_size) == ("tiny", "onnxruntime_onnx", 16)
    assert config.HasField("dynamic_batching")
    assert [one.batch_size for one in config.model_warmup] == [1, 16]
    assert config.parameters[triton.FINGERPRINT].string_value == info.fingerprint
    code, _, err = stars("export", "--triton", "repository", tiny_model)
    assert code == 2
    assert "is there already" in err
    Path("a file").touch()
    code, _, err = stars("export", "--triton", "a file", tiny_model)
    assert code == 2
    assert "a file: is a file; name a folder" in err


def test_an_engine_becomes_a_plan(tiny_model, tmp_path, engine):
    model = shutil.copytree(tiny_model, tmp_path / "tiny")
    write_engine(model, engine, b"plan")
    first, second = write_repository(model, tmp_path / "repository", TritonConfig())
    assert (first.name, second.name) == ("tiny", "tiny-tensorrt")
    assert (second / "1/model.plan").read_bytes() == b"plan"
    config = parsed(second)
    assert (config.platform, config.max_batch_size) == ("tensorrt_plan", 32)
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert {one.name for one in tmp_path.iterdir()} == {"tiny", "repository"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("max_batch_size", "most_at_once", "Triton would not read config.pbtxt"),
        ("dims: [ 120, 25, 3 ]", "dims: [ 60, 25, 3 ]", r"the graph's input is 'bodies', \[120"),
        ('name: "pooled"', 'name: "vectors"', "the graph's output is 'pooled'"),
        ('name: "tiny"', 'name: "other"', "unlike its folder"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tiny_model, old, new, said):
    text = config_text("tiny", read_model_info(tiny_model), "0", TritonConfig())
    assert old in text
    graph = onnx.load(tiny_model / GRAPH_FILE)
    check_config(text, graph, "tiny", model_config_pb2)
    with pytest.raises(ExportError, match=said):
        check_config(text.replace(old, new), graph, "tiny", model_config_pb2)


def test_a_name_that_is_none_for_triton_is_refused(tiny_model, tmp_path):
    model = shutil.copytree(tiny_model, tmp_path / "tiny")
    values = json.loads((model / "model.json").read_text(encoding="utf-8"))
    (model / "model.json").write_text(json.dumps(values | {"name": "../up"}), encoding="utf-8")
    with pytest.raises(UsageError, match=r"is named '\.\./up'"):
        write_repository(model, tmp_path / "repository", TritonConfig())
    assert not (tmp_path / "repository").exists()


def test_without_the_extra_it_is_named(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    with pytest.raises(MissingExtraError, match=r"stars-infer\[triton\]"):
        write_repository(tiny_model, tmp_path / "repository", TritonConfig())
