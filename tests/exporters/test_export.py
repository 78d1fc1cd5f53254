import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from stars_infer import Clip, Encoder
from stars_infer.encoder.model import check_fingerprint, read_model_info
from stars_infer.errors import ExportError, StarsError, UsageError
from stars_infer.exporters import directory, verify
from stars_infer.exporters.directory import ExportConfig, export_directory
from stars_infer.exporters.onnx import write_onnx
from stars_infer.exporters.verify import verify_onnx
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.synthetic.actions import perform
from stars_infer.train.checkpoint import load_checkpoint, load_weights
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder
from tests import public_mamp
from tests.conftest import call_stars


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SkeletonEncoder(EncoderConfig(width=16, depth=1, heads=2)).eval()


def test_exported_graph_is_the_trained_network(trained, tiny_model, encoder):
    checkpoint = load_checkpoint(trained / "stars")
    network = SkeletonEncoder(EncoderConfig(width=32, depth=2, heads=2)).eval()
    load_weights(network, checkpoint.encoder_weights(), source="test")
    bodies = np.random.default_rng(0).normal(size=(5, 120, 25, 3)).astype(np.float32)
    with torch.no_grad():
        expected = network.pool(torch.from_numpy(bodies)).numpy()
    np.testing.assert_allclose(encoder.embed_bodies(bodies), expected, rtol=1e-4, atol=1e-5)


def test_graph_has_a_free_batch_and_no_notes_of_this_machine(tiny_model):
    graph = onnx.load(tiny_model / "encoder.onnx")
    (bodies,) = graph.graph.input
    (pooled,) = graph.graph.output
    sizes = [d.dim_param or d.dim_value for d in bodies.type.tensor_type.shape.dim]
    assert sizes == ["bodies", 120, 25, 3]
    sizes = [d.dim_param or d.dim_value for d in pooled.type.tensor_type.shape.dim]
    assert sizes == ["bodies", 32]
    assert b"site-packages" not in (tiny_model / "encoder.onnx").read_bytes()


def test_description_and_card(tiny_model):
    info = read_model_info(tiny_model)
    assert info.name == "tiny"
    assert info.facts["export_relative_error"] <= 1e-4
    assert info.facts["steps"] == "4, then 3"
    card = (tiny_model / "README.md").read_text()
    for words in ("# tiny", "MAMP, then STARS", info.fingerprint[:12], "recordings"):
        assert words in card


def test_half_weights_are_small_and_computed_in_float32(trained, tmp_path):
    checkpoint = load_checkpoint(trained / "stars")
    full = export_directory(checkpoint, tmp_path / "full", ExportConfig())
    half = export_directory(checkpoint, tmp_path / "half", ExportConfig(half_weights=True))
    size = {name: (tmp_path / name / "encoder.onnx").stat().st_size for name in ("full", "half")}
    assert size["half"] < 0.75 * size["full"]
    assert half.fingerprint != full.fingerprint
    assert half.facts["export_relative_error"] <= 1e-4
    assert 0 < half.facts["rounding_relative_error"] < 1e-2
    clips = [Clip.from_array(perform("wave", np.random.default_rng(0)))]
    a, b = (Encoder.load(tmp_path / name, device="cpu").embed(clips) for name in size)
    np.testing.assert_allclose(a, b, rtol=0.05, atol=0.01)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_failed_verification_leaves_nothing_behind(stars, trained, tmp_path, monkeypatch):
    def differs(graph, network):
        raise ExportError("the graph differs from torch")

    monkeypatch.setattr(directory, "verify_onnx", differs)
    code, _, err = stars("export", "--onnx", trained / "stars", "--out", "model")
    assert code == 1
    assert "the graph differs from torch" in err
    assert left(tmp_path) == []


def test_failed_verification_keeps_the_model_that_was_there(trained, tmp_path, monkeypatch):
    checkpoint = load_checkpoint(trained / "stars")
    export_directory(checkpoint, tmp_path / "model", ExportConfig())
    before = (tmp_path / "model/model.json").read_text()
    (tmp_path / "model/checkpoint.safetensors").write_text("stays")
    export_directory(checkpoint, tmp_path / "model", ExportConfig(crop=0.95))
    again = (tmp_path / "model/model.json").read_text()
    assert again != before
    assert (tmp_path / "model/checkpoint.safetensors").read_text() == "stays"
    monkeypatch.setattr(verify, "MAX_RELATIVE_ERROR", -1.0)
    with pytest.raises(ExportError):
        export_directory(checkpoint, tmp_path / "model", ExportConfig(crop=0.8))
    assert (tmp_path / "model/model.json").read_text() == again
    assert left(tmp_path) == ["model"]


def test_other_folders_are_not_overwritten(trained, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("years of work")
    with pytest.raises(ExportError, match="exists and is no model directory"):
        export_directory(load_checkpoint(trained / "stars"), tmp_path / "thesis", ExportConfig())
    assert left(tmp_path / "thesis") == ["chapter.txt"]


def test_graph_of_other_weights_does_not_pass(network, tmp_path):
    write_onnx(network, tmp_path / "x.onnx", half_weights=False)
    assert verify_onnx(tmp_path / "x.onnx", network).relative_error <= 1e-4
    with torch.no_grad():
        network.norm.weight[0] += 0.01
    with pytest.raises(ExportError, match="differs from torch by"):
        verify_onnx(tmp_path / "x.onnx", network)


def test_graph_that_ignores_its_input_does_not_pass(network, tmp_path):
    with torch.no_grad():
        network.embed.weight.zero_()
    write_onnx(network, tmp_path / "x.onnx", half_weights=False)
    with pytest.raises(ExportError, match="different clips give the same vector"):
        verify_onnx(tmp_path / "x.onnx", network)


def test_damaged_graph_does_not_pass(network, tmp_path):
    write_onnx(network, tmp_path / "x.onnx", half_weights=False)
    graph = onnx.load(tmp_path / "x.onnx")
    del graph.graph.node[3]
    onnx.save(graph, tmp_path / "x.onnx")
    with pytest.raises(ExportError, match="not valid"):
        verify_onnx(tmp_path / "x.onnx", network)


def test_imported_checkpoint_is_a_model_and_can_be_tuned(stars, imported_model, trained, tmp_path):
    info = read_model_info(imported_model)
    assert info.facts["imported_from"] == "mamp.pth"
    assert len(info.zero_body) == info.width == 16
    session = onnxruntime.InferenceSession(imported_model / "encoder.onnx")
    zeros = session.run(None, {"bodies": np.zeros((1, 120, 25, 3), np.float32)})[0]
    np.testing.assert_allclose(info.zero_body, zeros[0], atol=1e-5)
    code, _, err = stars(
        "train", "tune", trained / "pack", "--from", imported_model, "--out", "run", "--steps", 1,
        "--batch", 4, "--queue", 16, "--accelerator", "cpu", "--quiet",
    )  # fmt: skip
    assert code == 0, err


def test_golden_checkpoint_end_to_end(stars, shared, tmp_path):
    golden = np.load(shared / "golden/mamp_small.npz")
    weights, config = public_mamp.golden_weights(golden)
    path = public_mamp.save(weights, tmp_path / "golden.pth")
    code, out, err = stars(
        "model", "import", path, "--out", "golden", "--heads", config["heads"], "--json"
    )
    assert code == 0, err
    encoder = Encoder.load(tmp_path / "golden", device="cpu")
    bodies = np.moveaxis(golden["x"], (4, 1), (1, 4)).reshape(-1, 120, 25, 3)
    vectors = encoder.embed_prepared(list(bodies.reshape(3, 2, 120, 25, 3)))
    np.testing.assert_allclose(vectors, golden["pooled"], atol=1e-4)
    assert json.loads(out)["absent_bodies"] == encoder.info.absent_bodies


def test_export_says_what_is_missing(stars, trained, tmp_path):
    assert "--onnx" in stars("export", trained / "stars")[2]
    assert stars("export", "--onnx", trained / "stars", "--crop", 0)[0] == 2
    code, _, err = stars("export", "--onnx", tmp_path / "nowhere")
    assert (code, "name a folder that `stars train` wrote" in err.replace("\n", " ")) == (1, True)
    with pytest.raises(StarsError):
        load_checkpoint(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def normalizing(tmp_path_factory, trained):
    """A run whose views show neither heading nor size nor pace, and its model."""
    run = tmp_path_factory.mktemp("normalizing") / "run"
    for arguments in (
        ["train", "pretrain", trained / "pack", "--out", run, "--steps", 2, "--warmup", 0,
         "--batch", 4, "--accelerator", "cpu", "--quiet", "--frames", 32, "--width", 16,
         "--depth", 1, "--heads", 2, "--decoder-depth", 1,
         "--face-camera", "--standard-body", "--pace", 0.5],
        ["export", "--onnx", run],
    ):  # fmt: skip
        code, _, err = call_stars(*arguments)
        assert code == 0, err
    return run


def test_a_run_that_normalizes(normalizing):
    info = read_model_info(normalizing / "model")
    check_fingerprint(normalizing / "model", info)
    assert info.preprocessing == Preprocessing(
        frames=32, face_camera=True, standard_body=True, pace=0.5
    )
    assert info.comparison == SequenceConfig()
    card = (normalizing / "model/README.md").read_text()
    assert "center crop 0.9, resized to 32 frames, turned to face the camera" in card
    assert "given standard bone lengths, pace 0.5" in card
    assert "time warping of 32 steps, mean of 8 kernels" in card


def test_comparison_can_be_chosen(stars, normalizing, tmp_path):
    code, _, err = stars("export", "--onnx", normalizing, "--out", "model", "--compare", "vectors")
    assert code == 0, err
    info = read_model_info(tmp_path / "model")
    assert info.comparison is None
    assert info.preprocessing.face_camera
    assert "cosine of the vectors" in (tmp_path / "model/README.md").read_text()


def test_an_unknown_comparison_is_refused(stars, normalizing, tmp_path):
    code, _, err = stars("export", "--onnx", normalizing, "--out", "model", "--compare", "nonsense")
    assert code == 2
    assert "--compare nonsense: expected auto, sequences or vectors" in " ".join(err.split())
    assert left(tmp_path) == []


def test_clips_are_named_step_by_step_from_the_shell(stars, normalizing, recordings, monkeypatch):
    monkeypatch.setenv("STARS_MODEL", str(normalizing / "model"))
    actions = ("wave", "squat", "handshake")
    clips = {action: sorted((recordings / action).iterdir()) for action in actions}
    taught = [clip for action in actions for clip in clips[action][:2]]
    code, _, err = stars("fewshot", "add-class", *taught)
    assert code == 0, err
    asked = [clip for action in actions for clip in clips[action][2:]]
    code, out, err = stars("classify", *asked, "--json")
    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["label"] for answer in answers] == [clip.parent.name for clip in asked]
    assert all(answer["margin"] > 0 for answer in answers)
    (itself,) = [
        json.loads(line) for line in stars("classify", taught[0], "--json")[1].splitlines()
    ]
    assert itself["neighbors"][0]["source"] == str(taught[0])
    assert itself["similarity"] == pytest.approx(1, abs=1e-2)
    code, out, err = stars("fewshot", "eval", recordings, "--shots", 1, "--draws", 3, "--json")
    assert code == 0, err
    assert json.loads(out)["shots"]["1"]["mean"] > 80


def test_descriptions_of_a_comparing_model_hold_sequences(normalizing):
    encoder = Encoder.load(normalizing / "model", device="cpu")
    clips = [Clip.from_array(perform(a, np.random.default_rng(0))) for a in ("wave", "handshake")]
    one, two = encoder.encode(clips)
    assert (one.sequence.shape, two.sequence.shape) == ((1, 32, 75), (2, 32, 75))
    np.testing.assert_allclose(np.stack((one.vector, two.vector)), encoder.embed(clips), atol=1e-5)


def test_a_tuned_encoder_sees_clips_as_the_one_it_starts_from(stars, normalizing, trained):
    for name, flags, expected in (("same", [], True), ("other", ["--no-face-camera"], False)):
        code, _, err = stars(
            "train", "tune", trained / "pack", "--from", normalizing, "--out", name, "--steps", 1,
            "--batch", 4, "--queue", 16, "--accelerator", "cpu", "--quiet", *flags,
        )  # fmt: skip
        assert code == 0, err
        views = load_checkpoint(Path(name)).config["views"]
        assert (views["standard_body"], views["pace"]) == (True, 0.5)
        assert views["face_camera"] is expected


def test_what_is_read_is_not_replaced(stars, trained, tiny_model, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    before = left(model), (model / "encoder.onnx").read_bytes()
    card = model / "README.md"
    for command in (
        ("model", "fuse", tiny_model, model, "--out", model),
        ("model", "fuse", tiny_model, tiny_model, "--out", model, "--notes", card),
        ("export", "--onnx", trained / "stars", "--out", model, "--notes", card),
        ("export", "--fp16", model, "--timing-cache", model / "encoder.onnx"),
    ):
        code, _, err = stars(*command)
        assert (code, "what the command reads" in " ".join(err.split())) == (2, True), err
    assert (left(model), (model / "encoder.onnx").read_bytes()) == before


def test_shipped_models_are_not_replaced(trained, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    monkeypatch.setattr(directory, "shipped_models", lambda: {"shipped": shipped})
    with pytest.raises(UsageError, match="came with the installation"):
        export_directory(load_checkpoint(trained / "stars"), shipped, ExportConfig())
    assert not shipped.exists()


def test_what_else_lies_in_a_model_directory_stays(tmp_path):
    out = tmp_path / "model"
    (out / "scores").mkdir(parents=True)
    for name in ("model.json", "checkpoint.safetensors", "scores/knn.json"):
        (out / name).write_text("old", encoding="utf-8")
    with directory.replace_model(out) as beside:
        (beside / "model.json").write_text("new", encoding="utf-8")
    assert left(tmp_path) == ["model"]
    assert (out / "model.json").read_text(encoding="utf-8") == "new"
    assert (out / "scores/knn.json").read_text(encoding="utf-8") == "old"
    assert (out / "checkpoint.safetensors").read_text(encoding="utf-8") == "old"
