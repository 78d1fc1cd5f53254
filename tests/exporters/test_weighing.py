"""`stars export --weigh-on`, and a model in which vectors count at every command."""

import json
import shutil
from dataclasses import replace

import pytest

from stars_infer.encoder.model import check_fingerprint, read_model_info
from stars_infer.exporters import directory, weighing
from stars_infer.exporters.weighing import NOT_MEASURED
from stars_infer.similarity.comparison import SequenceConfig
from tests.conftest import call_stars

ACTIONS = ("wave", "squat", "handshake")


@pytest.fixture
def clips(recordings, tmp_path):
    """Clips of three actions, and one file that is none."""
    for action in ACTIONS:
        shutil.copytree(recordings / action, tmp_path / "clips" / action)
    return tmp_path / "clips"


@pytest.fixture(scope="module")
def joint_model(tiny_model, recordings, tmp_path_factory):
    """The tiny model with a weight, whatever its vectors have earned."""
    out = tmp_path_factory.mktemp("joint") / "joint"
    measured = weighing.weigh

    def weigh(*arguments, **options):
        return replace(measured(*arguments, **options), weight=0.5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weighing, "weigh", weigh)
        code, _, err = call_stars("export", tiny_model, "--weigh-on", recordings, "--out", out)
    assert code == 0, err
    return out


def test_what_was_measured_is_kept_in_the_model_and_its_card(stars, tiny_model, clips, tmp_path):
    code, out, err = stars("export", tiny_model, "--weigh-on", clips, "--out", "weighed", "--json")
    assert code == 0, err
    info = read_model_info(tmp_path / "weighed")
    check_fingerprint(tmp_path / "weighed", info)
    assert json.loads(out)["facts"] == info.facts
    assert info.facts["vector_weight_measured_on"] == "clips (12 clips)"
    assert str(info.facts["vector_weight"]).startswith(f"{info.comparison.vector_weight:g}, ")
    card = (tmp_path / "weighed/README.md").read_text(encoding="utf-8")
    for fact in ("vector_weight", "vector_weight_measured_on", "accuracy_by_vector_weight"):
        assert card.count(f"| {fact.replace('_', ' ')} | {info.facts[fact]} |") == 1
    assert NOT_MEASURED["vector_weight"] not in card
    if not info.comparison.vector_weight:
        assert info.fingerprint == read_model_info(tiny_model).fingerprint


def test_without_labeled_clips_vectors_do_not_count(stars, trained, tiny_model, tmp_path):
    info = read_model_info(tiny_model)
    assert info.comparison == SequenceConfig()
    assert info.facts["vector_weight"] == "0, not measured"
    code, _, err = stars(
        "export", "--onnx", trained / "stars", "--compare", "sequences", "--out", "x"
    )
    assert code == 0, err
    plain = read_model_info(tmp_path / "x")
    assert "vector_weight" not in plain.facts
    assert plain.fingerprint == info.fingerprint


def test_what_cannot_be_weighed(stars, trained, tiny_model, clips, tmp_path, monkeypatch):
    for compare in ("sequences", "vectors"):
        code, _, err = stars(
            "export", "--onnx", trained / "stars", "--weigh-on", clips, "--compare", compare
        )
        assert (code, "--weigh-on is for --compare auto" in " ".join(err.split())) == (2, True)
    code, _, err = stars("export", tiny_model, "--weigh-on", tmp_path / "none", "--out", "x")
    assert (code, "not a folder of CLASS/clip files" in " ".join(err.split())) == (2, True)
    monkeypatch.setattr(directory, "shipped_models", lambda: {"tiny": tiny_model})
    code, _, err = stars("export", tiny_model, "--weigh-on", clips)
    assert (code, "came with the installation" in " ".join(err.split())) == (2, True)
    for action in ACTIONS[1:]:
        shutil.rmtree(clips / action)
    code, _, err = stars("export", tiny_model, "--weigh-on", clips, "--out", "x")
    assert (code, "weighing needs two actions" in " ".join(err.split())) == (2, True)
    assert not (tmp_path / "x").exists()
    vectors = tmp_path / "vectors"
    assert (
        stars("export", "--onnx", trained / "stars", "--compare", "vectors", "--out", vectors)[0]
        == 0
    )
    code, _, err = stars("export", vectors, "--weigh-on", clips, "--out", "x")
    assert (code, "compares vectors alone" in " ".join(err.split())) == (2, True)


def test_a_weight_changes_the_model_and_says_so(joint_model, tiny_model):
    info, before = read_model_info(joint_model), read_model_info(tiny_model)
    check_fingerprint(joint_model, info)
    assert info.comparison.vector_weight == 0.5
    assert info.fingerprint != before.fingerprint
    card = (joint_model / "README.md").read_text(encoding="utf-8")
    assert "the cosine of the vectors, with weight 0.5" in card
    assert f"`{info.fingerprint[:12]}`" in card


def test_every_command_compares_by_both(stars, joint_model, recordings, monkeypatch):
    monkeypatch.setenv("STARS_MODEL", str(joint_model))
    files = {action: sorted((recordings / action).iterdir()) for action in ACTIONS}
    taught = [file for action in ACTIONS for file in files[action][:3]]
    assert stars("fewshot", "add-class", *taught)[0] == 0
    asked = files["squat"][3]
    code, out, err = stars("classify", asked, "--json", "--explain")
    assert code == 0, err
    answer = json.loads(out)
    assert set(answer["parts"]) == {"sequences", "vectors", "the papers' vote"}
    code, out, err = stars("search", asked, "-k", 9, "--json")
    assert code == 0, err
    found = {hit["source"]: hit["similarity"] for hit in map(json.loads, out.splitlines())}
    for neighbor in answer["neighbors"]:
        assert found[neighbor["source"]] == pytest.approx(neighbor["similarity"], abs=1e-6)
    ways = {}
    for by in ("both", "sequence", "vector"):
        code, out, err = stars("search", asked, "-k", 9, "--by", by, "--json")
        assert code == 0, err
        ways[by] = {hit["source"]: hit["similarity"] for hit in map(json.loads, out.splitlines())}
    assert ways["both"] == found
    low, high = (min(ways[by].values()) for by in ("sequence", "vector"))
    assert ways["sequence"] != found != ways["vector"] != ways["sequence"], (low, high)
    assert stars("embed", *taught, "--out", "x.npz")[0] == 0
    code, out, err = stars("search", asked, "--in", "x.npz", "-k", 9, "--json")
    assert code == 0, err
    for hit in map(json.loads, out.splitlines()):
        assert found[hit["source"]] == pytest.approx(hit["similarity"], abs=1e-3)
    for command in (
        ("fewshot", "check"),
        ("fewshot", "suggest", recordings / "squat", "-n", 1),
        ("fewshot", "eval", recordings, "--shots", 1, "--draws", 1),
        ("segment", asked),
    ):
        code, _, err = stars(*command)
        assert code == 0, (command, err)
