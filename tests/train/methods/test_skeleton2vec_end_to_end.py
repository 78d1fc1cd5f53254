"""Skeleton2vec from the shell: pretrained, tuned, measured, exported, indexed, asked."""

import json

import numpy as np
import pytest

from stars_infer import Encoder, read_clip
from stars_infer.encoder.model import check_fingerprint, read_model_info
from stars_infer.train.checkpoint import load_checkpoint
from stars_infer.train.datasets.splits import add_split
from stars_infer.train.protocols.encoders import load_encoder
from tests.conftest import call_stars

CPU = ["--accelerator", "cpu", "--quiet"]
SHORT = ["--batch", 8, "--log-every", 1, *CPU]


def done(*arguments):
    code, out, err = call_stars(*arguments)
    assert code == 0, err
    return out


def refused(*arguments):
    code, _, err = call_stars(*arguments)
    return code, " ".join(err.split())


@pytest.fixture(scope="module")
def runs(tmp_path_factory, recordings):
    """A pack and, of a few steps each, Skeleton2vec, STARS from it, and their models."""
    folder = tmp_path_factory.mktemp("skeleton2vec")
    pack, first, second = folder / "pack", folder / "skeleton2vec", folder / "stars"
    done("data", "pack", recordings, "--out", pack, "--quiet")
    add_split(pack, "people", train=["*P00[123]*"], test=["*P004*"])
    done("train", "pretrain", pack, "--split", "people", "--recipe", "skeleton2vec",
         "--out", first, "--steps", 4, "--warmup", 0, "--width", 32, "--depth", 2, "--heads", 2,
         "--decoder-depth", 1, "--momentum", 0.5, "--tube-length", 5, *SHORT)  # fmt: skip
    done("train", "tune", pack, "--split", "people", "--from", first, "--out", second,
         "--steps", 2, "--queue", 32, "--hidden", 16, *SHORT)  # fmt: skip
    export = ["export", "--onnx", "--crop", 1, "--quiet", "--samplings", 3]
    done(*export, first, "--out", folder / "teacher")
    done(*export, first, "--out", folder / "student", "--weights", "student")
    done(*export, second, "--out", folder / "tuned")
    return folder


def test_teacher_and_student_are_kept(runs):
    lines = [json.loads(x) for x in (runs / "skeleton2vec/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    kept = load_checkpoint(runs / "skeleton2vec")
    assert kept.config["encoder"]["frames"] == 90
    assert kept.config["views"]["uniform_sampling"] is True
    student = kept.with_weights("student", source="x").encoder_weights()
    moved = [name for name, t in kept.encoder_weights().items() if not t.equal(student[name])]
    assert "blocks.1.mlp.0.weight" in moved


def test_the_second_stage_starts_from_the_teacher(runs):
    before, after = load_checkpoint(runs / "skeleton2vec"), load_checkpoint(runs / "stars")
    assert (after.config["encoder"]["frames"], after.config["encoder"]["segment"]) == (90, 3)
    assert after.config["views"]["frames"] == 90
    old, new = before.encoder_weights(), after.encoder_weights()
    for name in ("position.time", "position.joint", "embed.weight", "blocks.0.mlp.0.weight"):
        assert new[name].equal(old[name]), name
    assert new["position.time"].shape == (1, 30, 1, 32)
    assert not new["blocks.1.mlp.0.weight"].equal(old["blocks.1.mlp.0.weight"])
    assert not any(name.startswith("student.") for name in after.weights)


def test_the_second_stage_can_start_from_the_student(runs, tmp_path):
    done("train", "tune", runs / "pack", "--from", runs / "skeleton2vec", "--out", tmp_path / "run",
         "--weights", "student", "--steps", 1, "--queue", 32, "--hidden", 16, *SHORT)  # fmt: skip
    tuned, start = load_checkpoint(tmp_path / "run"), load_checkpoint(runs / "skeleton2vec")
    assert tuned.weights["encoder.embed.weight"].equal(start.weights["student.embed.weight"])
    assert tuned.history["start"]["weights"] == "student"
    done("export", "--onnx", tmp_path / "run", "--out", tmp_path / "model", "--quiet")
    info = read_model_info(tmp_path / "model")
    assert info.facts["method"] == "Skeleton2vec (student), then STARS"


def test_models_say_what_they_are(runs):
    infos = {name: read_model_info(runs / name) for name in ("teacher", "student", "tuned")}
    for name, info in infos.items():
        check_fingerprint(runs / name, info)
        how = info.preprocessing
        assert (how.frames, how.crop, how.samplings) == (90, 1.0, 3), name
    assert len({info.fingerprint for info in infos.values()}) == 3
    methods = [info.facts["method"] for info in infos.values()]
    assert methods == ["Skeleton2vec", "Skeleton2vec (student)", "Skeleton2vec, then STARS"]
    assert "segments of 3 frames" in infos["teacher"].facts["network"]
    card = (runs / "teacher/README.md").read_text()
    assert "resized to 90 frames, mean of 3 uniform samplings" in card


@pytest.mark.parametrize("model", ["teacher", "tuned"])
def test_clips_are_indexed_and_named(runs, recordings, tmp_path, monkeypatch, model):
    monkeypatch.setenv("STARS_MODEL", str(runs / model))
    monkeypatch.delenv("STARS_INDEX", raising=False)
    monkeypatch.chdir(tmp_path)
    clips = {name: sorted((recordings / name).iterdir()) for name in ("wave", "squat", "handshake")}
    done("fewshot", "add-class", *(clip for some in clips.values() for clip in some[:2]))
    asked = [clip for some in clips.values() for clip in some[2:]]
    answers = [json.loads(x) for x in done("classify", *asked, "--json").splitlines()]
    assert [answer["label"] for answer in answers] == [clip.parent.name for clip in asked]
    monkeypatch.setenv("STARS_MODEL", str(runs / "student"))
    code, err = refused("classify", asked[0])
    assert code == 1
    assert "student" in err


def test_vectors_of_the_shell_are_means_over_samplings(runs, recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("STARS_MODEL", str(runs / "teacher"))
    done("embed", recordings / "wave", "--out", tmp_path / "v.npz", "--quiet")
    with np.load(tmp_path / "v.npz") as file:
        vectors = file["embeddings"]
    encoder = Encoder.load(runs / "teacher", device="cpu")
    clips = [read_clip(path) for path in sorted((recordings / "wave").iterdir())]
    prepared = [encoder.prepare(clip)[0] for clip in clips]
    assert {bodies.shape for bodies in prepared} == {(1, 3 * 90, 25, 3)}
    each = [encoder.embed_bodies(bodies[:, at : at + 90]) for bodies in prepared
            for at in (0, 90, 180)]  # fmt: skip
    expected = np.reshape(each, (len(clips), 3, -1)).mean(axis=1)
    np.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_every_protocol_measures_teacher_and_student(runs, tmp_path):
    run = runs / "skeleton2vec"
    here = [run, "--out", tmp_path / "eval", *CPU]
    head = ["--steps", 2, "--batch", 8, "--hidden", 8]
    done("train", "eval", "knn", *here, "--k", 1, "--crop", 1, "--samplings", 3)
    done("train", "eval", "linear", *here, "--epochs", 2, "--samplings", 2)
    done("train", "eval", "fewshot", *here, "--shots", 1, "--draws", 2)
    done("train", "eval", "finetune", *here, *head, "--samplings", 2)
    done("train", "eval", "semi", *here, *head, "--share", 0.3, "--runs", 1)
    found = {path.name.split("-")[0]: json.loads(path.read_text())
             for path in (tmp_path / "eval").glob("*.json")}  # fmt: skip
    assert found.keys() == {"knn", "linear", "fewshot", "finetune", "semi"}
    assert found["knn"]["method"] == "Skeleton2vec momentum 0.5"
    assert [found[name].get("samplings") for name in ("knn", "finetune", "semi")] == [3, 2, None]
    done("train", "eval", "knn", run, "--k", 1, "--weights", "student", *CPU)
    (student,) = (run / "eval" / "student").glob("knn*.json")
    assert json.loads(student.read_text())["weights"] == "student"
    assert not list((run / "eval").glob("*.json"))
    assert load_encoder(str(run), weights="student").weights == "student"


def test_what_does_not_go_is_refused_in_a_line(runs):
    mamp = ["train", "pretrain", runs / "pack", "--out", runs / "no", "--steps", 1, *SHORT]
    code, err = refused(*mamp, "--tube-length", 3)
    assert (code, "--tube-length does not go with the method 'mamp'" in err) == (2, True)
    own = [*mamp, "--recipe", "skeleton2vec"]
    for rounding, ratio, most in (("nearest", 0.99, 0.98), ("down", 0.97, 0.96)):
        code, err = refused(*own, "--mask-ratio", ratio, "--rounding", rounding)
        assert (code, f"hides all 25 joints of a tube; at most {most} leaves one" in err) == (
            2,
            True,
        )
    assert "both say when frames are taken" in refused(*own, "--pace", 0.5)[1]
    code, err = refused("export", "--onnx", runs / "stars", "--weights", "student")
    assert (code, "stars keeps one encoder only; leave --weights student out" in err) == (2, True)
    code, err = refused("export", "--onnx", runs / "stars", "--samplings", 0)
    assert (code, "samplings must be a whole number and at least 1 and at most 100" in err) == (
        2,
        True,
    )
    code, err = refused("train", "eval", "knn", runs / "stars", "--samplings", 500, *CPU)
    assert (code, "--samplings is 1 to 100, not 500" in err) == (2, True)
    code, err = refused("train", "eval", "knn", "random", "--weights", "student", *CPU)
    assert (code, "random weights have no student" in err) == (2, True)
    assert not (runs / "no").exists()
    assert not (runs / "stars" / "model").exists()
