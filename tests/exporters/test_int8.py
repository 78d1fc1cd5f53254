import json
import shutil

import numpy as np
import onnx
import pytest
import torch

from stars_infer.encoder.model import GRAPH_FILE, INFO_FILE
from stars_infer.errors import ExportError
from stars_infer.exporters import int8
from stars_infer.exporters.directory import INT8_COSINE
from stars_infer.exporters.int8 import write_int8
from stars_infer.exporters.onnx import write_onnx
from stars_infer.exporters.precision import add_int8
from stars_infer.runtimes.forms import INT8_FILE
from stars_infer.runtimes.runtime import EXACT
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder_config import EncoderConfig


def written(folder, *, network="transformer", depth=1):
    torch.manual_seed(0)
    shape = EncoderConfig(network=network, frames=16, width=32, depth=depth, heads=2)
    encoder = build_encoder(shape).eval()
    write_onnx(encoder, folder / GRAPH_FILE, half_weights=True)
    return folder / GRAPH_FILE


def test_weights_are_rounded_but_for_those_of_the_coordinates(tmp_path):
    graph = written(tmp_path)
    cosine = write_int8(graph, frames=16)
    assert EXACT <= cosine < 1
    stored = onnx.load(graph.with_name(INT8_FILE))
    onnx.checker.check_model(stored)
    shapes = {
        tuple(tensor.dims)
        for tensor in stored.graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
    }
    assert shapes == {(32, 96), (32, 32), (32, 128), (128, 32)}
    most = max(
        np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max()
        for tensor in stored.graph.initializer
        if tuple(tensor.dims) in shapes
    )
    assert most <= 64, "more than seven bits overflow where products are added up in sixteen"


def test_a_network_without_linear_layers_has_no_int8_form(tmp_path):
    graph = written(tmp_path, network="stgcn", depth=3)
    assert write_int8(graph, frames=16) is None
    assert not (graph.with_name(INT8_FILE)).exists()


def test_vectors_that_would_change_are_not_kept(tmp_path, monkeypatch):
    graph = written(tmp_path)
    monkeypatch.setattr(int8, "EXACT", 1.0)
    assert write_int8(graph, frames=16) is None
    assert not (graph.with_name(INT8_FILE)).exists()


def test_an_older_model_directory_gets_one(tiny_model, tmp_path, stars):
    folder = tmp_path / "older"
    shutil.copytree(tiny_model, folder)
    (folder / INT8_FILE).unlink()
    values = json.loads((folder / INFO_FILE).read_text())
    cosine = values["facts"].pop(INT8_COSINE)
    (folder / INFO_FILE).write_text(json.dumps(values))
    code, out, err = stars("export", "--int8", folder, "--json")
    assert code == 0, err
    assert json.loads(out)["facts"][INT8_COSINE] == pytest.approx(cosine, abs=1e-5)
    again = json.loads((folder / INFO_FILE).read_text())
    assert again["facts"][INT8_COSINE] == pytest.approx(cosine, abs=1e-5)
    assert {k: v for k, v in again.items() if k != "facts"} == {
        k: v for k, v in values.items() if k != "facts"
    }
    assert (folder / INT8_FILE).exists()


def test_what_cannot_be_rounded_says_so(tiny_model, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    monkeypatch.setattr(int8, "EXACT", 1.0)
    with pytest.raises(ExportError, match="would give other vectors"):
        add_int8(folder, folder)


def test_what_to_make_must_be_said(stars, tiny_model):
    code, _, err = stars("export", tiny_model)
    assert code == 2
    assert "name a format: --onnx, --int8, --fp16, --tensorrt or --triton DIR" in err
