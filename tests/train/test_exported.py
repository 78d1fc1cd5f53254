"""Going on from an exported model: the network of its graph, or a refusal that says why."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from stars_infer import Encoder
from stars_infer.encoder.model import (
    GRAPH_FILE,
    Stream,
    contract_of,
    find_model,
    fingerprint_of,
    read_model_info,
)
from stars_infer.errors import MissingExtraError, ModelError
from stars_infer.exporters import directory
from stars_infer.train.checkpoint import load_checkpoint, load_weights
from stars_infer.train.exported import load_start, read_model
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.run import RunConfig
from tests.conftest import call_stars


def remade(model, out, change):
    """A copy of a model with a changed graph, whose fingerprint is right."""
    shutil.copytree(model, out)
    path = out / GRAPH_FILE
    graph = onnx.load(path)
    change(graph.graph)
    onnx.save_model(graph, path)
    return signed(out)


def signed(model, **changes):
    """Give a model the fingerprint of its files."""
    info = replace(read_model_info(model), **changes)
    contract = contract_of(
        info.preprocessing, info.absent_bodies, info.zero_body, info.comparison, info.streams
    )
    graph = (model / GRAPH_FILE).read_bytes()
    info = replace(info, fingerprint=fingerprint_of(graph, contract))
    (model / "model.json").write_text(json.dumps(info.to_json()))
    return model


def test_the_shipped_model_is_read_back(encoder):
    """Postures as tokens, a head, weights in half precision."""
    name = "stars-mocap-small"
    start = load_start(Path(name))
    config = RunConfig.from_json(start.config, source="test")
    network = build_encoder(config.encoder).eval()
    load_weights(network, start.encoder_weights(), source="test")
    bodies = np.random.default_rng(0).normal(size=(3, 64, 25, 3)).astype(np.float32)
    with torch.no_grad():
        made = network.pool(torch.from_numpy(bodies)).numpy()
    expected = Encoder.load(name, device="cpu").embed_bodies(bodies)
    np.testing.assert_allclose(made, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    views = config.views
    assert (views.face_camera, views.standard_body, views.pace) == (True, True, 0.5)
    assert start.history["license"] == read_model_info(find_model(name)).license


def test_the_weights_are_those_of_the_run(trained, tiny_model):
    """Joints as tokens, no head, float32."""
    before = load_checkpoint(trained / "stars").encoder_weights()
    after = load_start(tiny_model).encoder_weights()
    assert before.keys() == after.keys()
    for name in before:
        if not name.startswith("position."):
            assert torch.equal(before[name], after[name]), name
    sums = [weights["position.time"] + weights["position.joint"] for weights in (before, after)]
    torch.testing.assert_close(*sums, rtol=0, atol=1e-6)


def test_a_run_goes_on_from_a_model_and_says_so(trained, tiny_model, tmp_path):
    code, _, err = call_stars(
        "train", "tune", trained / "pack", "--from", tiny_model, "--out", tmp_path / "on",
        "--steps", 1, "--queue", 64, "--batch", 8, "--accelerator", "cpu",
    )  # fmt: skip
    assert code == 0, err
    assert f"weights of {tiny_model}: license unknown" in " ".join(err.split())
    last = load_checkpoint(tmp_path / "on")
    facts = directory._facts(RunConfig.from_json(last.config, source="test"), last)
    assert facts["method"] == "MAMP, then STARS, then STARS"
    assert facts["steps"] == "4, then 3, then 1"
    # Other data is added to that of the model; each source is named once.
    last.history["pack"]["sources"] = ["mine.npz", *facts["data"].split(", ")[:1]]
    more = directory._facts(RunConfig.from_json(last.config, source="test"), last)
    assert more["data"] == f"{facts['data']}, mine.npz"


def test_a_checkpoint_beside_a_model_is_taken(imported_model):
    assert "said" not in load_start(imported_model).history


def other_name(graph):
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name == "encoder.blocks.0.attention.qkv.bias":
                node.input[at] = "bias"
    for weight in graph.initializer:
        if weight.name == "encoder.blocks.0.attention.qkv.bias":
            weight.name = "bias"


def negated(graph):
    last = next(node for node in graph.node if "pooled" in node.output)
    last.output[0] = "turned"
    graph.node.append(onnx.helper.make_node("Neg", ["turned"], ["pooled"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_name, "not the graph of a transformer that `stars export` wrote"),
        (negated, "its network gives vectors that differ by 2.0e"),
    ],
)
def test_another_graph_is_refused(tiny_model, tmp_path, change, said):
    with pytest.raises(ModelError, match=said) as refused:
        read_model(remade(tiny_model, tmp_path / "other", change))
    assert "go on from the checkpoint of its run" in str(refused.value)


def test_what_is_no_graph_is_refused(tiny_model, tmp_path):
    out = shutil.copytree(tiny_model, tmp_path / "damaged")
    (out / GRAPH_FILE).write_bytes(b"\x08\x07 no graph")
    with pytest.raises(ModelError, match="do not belong together"):
        read_model(out)
    with pytest.raises(ModelError, match=r"encoder\.onnx: not a readable graph"):
        read_model(signed(out))


def test_a_fused_model_is_refused(tiny_model, tmp_path):
    out = shutil.copytree(tiny_model, tmp_path / "fused")
    parts = [
        Stream(stream="joint", model=name, fingerprint="0", width=16, weight=1.0)
        for name in ("one", "other")
    ]
    with pytest.raises(ModelError, match="fused of one, other: go on from one of these"):
        read_model(signed(out, streams=tuple(parts)))


def test_without_onnx_the_extra_is_named(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"stars-infer\[export\]"):
        read_model(tiny_model)


def test_a_name_that_is_nothing_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no checkpoint"):
        load_start(tmp_path / "nowhere")
