"""SkeAttnCLR from the shell: every backbone trained, exported, indexed; three streams fused."""

import json

import numpy as np
import onnx
import pytest
import torch

from stars_infer import Clip, Encoder
from stars_infer.encoder.model import read_model_info
from stars_infer.errors import UsageError
from stars_infer.exporters.fusing import fuse_models
from stars_infer.synthetic.actions import perform
from stars_infer.train.checkpoint import load_checkpoint, load_weights
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.run import RunConfig
from tests.conftest import call_stars

CPU = ["--accelerator", "cpu", "--quiet"]
TINY = ["--steps", 4, "--batch", 8, "--log-every", 1, "--queue", 32, "--hidden", 16, "--frames",
        16, "--longest-mix", 4, "--width", 16, "--depth", 3]  # fmt: skip
FUSED_WEIGHTS = (1.0, 0.5, 0.25)


def done(*arguments):
    code, out, err = call_stars(*arguments)
    assert code == 0, err
    return out


def made(folder, pack, recipe, stream="joint", *more):
    """Model directory of a tiny run."""
    name = f"{recipe}-{stream}"
    run, out = folder / "runs" / name, folder / name
    done("train", "pretrain", pack, "--recipe", recipe, "--stream", stream, "--out", run, *CPU,
         *TINY, *more)  # fmt: skip
    done("export", "--onnx", run, "--out", out, "--compare", "vectors", "--quiet")
    return out


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    """Models of the three streams by ST-GCN, and their runs."""
    folder = tmp_path_factory.mktemp("skeattnclr")
    for stream in ("joint", "motion", "bone"):
        made(folder, trained / "pack", "skeattnclr", stream)
    return folder


@pytest.fixture(scope="module")
def parts(folder):
    return [folder / f"skeattnclr-{stream}" for stream in ("joint", "motion", "bone")]


@pytest.fixture(scope="module")
def fused(folder, parts):
    out = folder / "three"
    weights = [argument for weight in FUSED_WEIGHTS for argument in ("--weight", weight)]
    done("model", "fuse", *parts, "--out", out, *weights)
    return out


def clips(count=3):
    names = ("wave", "handshake", "squat")
    return [Clip.from_array(perform(names[n], np.random.default_rng(n))) for n in range(count)]


def test_the_model_says_what_it_is_and_computes_it(folder, parts):
    info = read_model_info(parts[1])
    assert info.facts["method"] == "SkeAttnCLR"
    assert info.facts["network"] == "ST-GCN, 3 blocks, 16 wide"
    assert info.facts["stream"] == "motion"
    assert (info.width, info.preprocessing.frames) == (16, 16)
    checkpoint = load_checkpoint(folder / "runs/skeattnclr-motion")
    network = build_encoder(RunConfig.from_json(checkpoint.config, source="x").encoder).eval()
    load_weights(network, checkpoint.encoder_weights(), source="x")
    bodies = np.random.default_rng(0).normal(size=(5, 16, 25, 3)).astype(np.float32)
    with torch.no_grad():
        expected = network.pool(torch.from_numpy(bodies)).numpy()
    got = Encoder.load(parts[1], device="cpu").embed_bodies(bodies)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("recipe", "more", "network"),
    [
        ("skeattnclr-bigru", ("--depth", 1), "BiGRU, 1 blocks, 16 wide"),
        ("skeattnclr-dsta", ("--heads", 2), "DSTA, 3 blocks, 16 wide, 2 heads"),
    ],
)
def test_every_backbone_is_trained_exported_and_used(trained, tmp_path, recipe, more, network):
    model = made(tmp_path, trained / "pack", recipe, "joint", *more)
    info = read_model_info(model)
    assert info.facts["network"] == network
    assert info.facts["export_relative_error"] <= 1e-4
    assert Encoder.load(model, device="cpu").embed(clips()).shape == (3, 16)
    half = tmp_path / "half"
    run = tmp_path / "runs" / f"{recipe}-joint"
    done("export", "--onnx", run, "--out", half, "--half-weights", "--quiet")
    assert read_model_info(half).facts["rounding_relative_error"] < 1e-2


def test_the_protocols_measure_any_backbone(folder, trained, tmp_path):
    run, pack = folder / "runs/skeattnclr-bone", tmp_path / "pack"
    pack.symlink_to(trained / "pack")
    how = ["--data", pack, "--split", "half", "--out", tmp_path / "eval", *CPU]
    done("data", "split", trained / "pack", "half", "--train", "*P00[12]*", "--test", "*P00[34]*")
    done("train", "eval", "knn", run, *how, "--k", 1)
    done("train", "eval", "finetune", run, *how, "--steps", 2, "--batch", 8, "--hidden", 8)
    found = [json.loads(path.read_text()) for path in (tmp_path / "eval").glob("*.json")]
    assert {result["protocol"] for result in found} == {"knn", "finetune"}
    assert all(result["method"] == "SkeAttnCLR bone" for result in found)


def test_a_fused_vector_is_the_weighted_streams_side_by_side(parts, fused):
    info = read_model_info(fused)
    assert info.width == 48
    assert [(part.stream, part.weight) for part in info.streams] == [
        ("joint", 1.0), ("motion", 0.5), ("bone", 0.25),
    ]  # fmt: skip
    assert [part.fingerprint for part in info.streams] == [
        read_model_info(part).fingerprint for part in parts
    ]
    got = Encoder.load(fused, device="cpu").embed(clips())
    for place, (part, weight) in enumerate(zip(parts, FUSED_WEIGHTS, strict=True)):
        own = Encoder.load(part, device="cpu").embed(clips())
        expected = weight * own / np.linalg.norm(own, axis=1, keepdims=True)
        mine = got[:, 16 * place : 16 * (place + 1)]
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)
    cosine = got[0] @ got[1] / np.linalg.norm(got[0]) / np.linalg.norm(got[1])
    shares = np.square(FUSED_WEIGHTS) / np.square(FUSED_WEIGHTS).sum()
    of_parts = []
    for part in parts:
        a, b = Encoder.load(part, device="cpu").embed(clips(2))
        of_parts.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert cosine == pytest.approx(float(shares @ of_parts), abs=1e-5)


def test_one_graph_with_one_input(fused):
    graph = onnx.load(fused / "encoder.onnx").graph
    assert [value.name for value in graph.input] == ["bodies"]
    sizes = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
             for value in (*graph.input, *graph.output)]  # fmt: skip
    assert sizes == [["bodies", 16, 25, 3], ["bodies", 48]]
    assert "bone of skeattnclr-bone (16 numbers, weight 0.25)" in (fused / "README.md").read_text()


def test_a_fused_model_classifies_and_its_index_takes_no_other(
    fused, parts, recordings, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STARS_MODEL", str(fused))
    done("fewshot", "add-class", recordings / "wave", recordings / "squat")
    clip = sorted((recordings / "squat").iterdir())[0]
    answer = json.loads(done("classify", clip, "--json"))
    assert answer["label"] == "squat"
    assert answer["neighbors"][0]["similarity"] == pytest.approx(1, abs=1e-4)
    code, _, err = call_stars("classify", clip, "--model", parts[0])
    assert code == 1
    assert "three" in err
    assert "skeattnclr-joint" in err


def test_models_that_cannot_be_fused(parts, fused, tiny_model, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="fusing takes two or more models"):
        fuse_models(parts[:1], out)
    with pytest.raises(UsageError, match="2 weights for 3 models: give one --weight for each"):
        fuse_models(parts, out, weights=[1, 2])
    with pytest.raises(UsageError, match="is fused already"):
        fuse_models([fused, parts[0]], out)
    with pytest.raises(UsageError, match=r"tiny: preprocessing is .* 120 frames, but in .*joint "
                       r".*16 frames; only models that prepare"):  # fmt: skip
        fuse_models([parts[0], tiny_model], out)
    code, _, err = call_stars("model", "fuse", *parts[:2], "--out", out, "--weight", 1, "--weight",
                              -1)  # fmt: skip
    assert (code, "expected a number above 0" in " ".join(err.split())) == (1, True)
    assert not out.exists()
