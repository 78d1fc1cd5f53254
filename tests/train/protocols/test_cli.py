import json

import numpy as np
import pytest

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import load_checkpoint, save_checkpoint
from stars_infer.train.protocols.encoders import load_encoder
from stars_infer.train.protocols.task import open_task
from tests.train.protocols.conftest import write_pack

CPU = ["--accelerator", "cpu"]
SHORT = [*CPU, "--steps", "2", "--batch", "4", "--hidden", "8"]


@pytest.fixture
def run(trained, tmp_path):
    """A run of its own folder, as evaluations write into it."""
    save_checkpoint(load_checkpoint(trained / "stars"), tmp_path / "run")
    return tmp_path / "run"


def told(err):
    return " ".join(err.split())


def test_table_json_and_quiet(stars, run, pack, tmp_path):
    arguments = ["train", "eval", "knn", run, "--data", pack, "--k", 1, "--k", 5, *CPU]
    code, out, err = stars(*arguments)
    assert code == 0, err
    assert "STARS (paper)" in out
    assert "79.9" in out
    assert "knn-ntu60-xsub.json" in err.replace("\n", "")
    code, out, _ = stars(*arguments, "--json")
    record = json.loads(out)
    assert [score["setting"] for score in record["scores"]] == ["k=1", "k=5"]
    assert record["method"] == "STARS"
    written = json.loads((run / "eval" / "knn-ntu60-xsub.json").read_text())
    assert written["scores"] == record["scores"]
    code, out, err = stars(*arguments, "--quiet", "--out", tmp_path / "elsewhere")
    assert out.splitlines()[0].split("\t")[0] == "k=1"
    assert err == ""
    assert (tmp_path / "elsewhere" / "knn-ntu60-xsub.npz").exists()


def test_random_weights_write_only_where_told(stars, run, pack, tmp_path):
    arguments = ["train", "eval", "knn", "random", "--data", pack, "--like", run, *CPU, "--json"]
    code, out, err = stars(*arguments)
    assert code == 0, err
    record = json.loads(out)
    assert (record["method"], record["files"]) == ("random weights", [])
    same, other = (json.loads(stars(*arguments, "--seed", seed)[1]) for seed in (0, 1))
    assert same == record
    assert other["scores"] != record["scores"] or other != same
    code, _, err = stars("train", "eval", "knn", "random", *CPU)
    assert (code, "name a pack with --data" in told(err)) == (2, True)
    code, _, err = stars("train", "eval", "finetune", "random", "--data", pack, *SHORT)
    assert (code, "name one with --out" in told(err)) == (2, True)
    code, _, err = stars("train", "eval", "knn", run, "--data", pack, "--like", run)
    assert (code, "--like gives random weights" in told(err)) == (2, True)


def test_every_protocol_runs_and_plots(stars, run, pack, tmp_path):
    for command, name in (
        (["linear", "--epochs", 2, "--crops", 1], "linear-ntu60-xsub"),
        (["fewshot", "--shots", 1, "--draws", 2], "fewshot-ntu60-xsub"),
        (["semi", "--share", 0.5, "--runs", 2, *SHORT], "semi-ntu60-xsub"),
        (["transfer", *SHORT], "transfer-ntu60-xsub"),
        (["finetune", *SHORT, "--plots", tmp_path / "plots"], "finetune-ntu60-xsub"),
    ):
        protocol, *flags = command
        code, _, err = stars("train", "eval", protocol, run, "--data", pack, *flags, *CPU)
        assert code == 0, err
        values = json.loads((run / "eval" / f"{name}.json").read_text())
        assert values["protocol"] == protocol
        with np.load(run / "eval" / f"{name}.npz") as arrays:
            assert arrays["confusion"].shape == (3, 3)
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "finetune-ntu60-xsub-confusion.png",
        "finetune-ntu60-xsub-tsne.png",
        "finetune-ntu60-xsub.html",
    ]
    again = ["train", "eval", "finetune", run, "--data", pack, *SHORT]
    code, _, err = stars(*again)
    assert (code, "pass --resume to go on" in told(err)) == (2, True)
    assert stars(*again, "--resume")[0] == 0


def test_a_stopped_training_says_how_to_go_on(stars, run, pack, monkeypatch):
    from stars_infer.train import loop

    arguments = ["train", "eval", "finetune", run, "--data", pack, *SHORT, "--steps", 3]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_any_stops", lambda stop, step, device: step == 1)
        code, _, err = stars(*arguments)
    assert (code, "stopped at step 1; the same command with --resume goes on" in told(err)) == (
        130,
        True,
    )
    assert not list((run / "eval").glob("*.json"))
    assert stars(*arguments, "--resume")[0] == 0
    resumed = json.loads((run / "eval" / "finetune-ntu60-xsub.json").read_text())
    whole = stars(*arguments, "--out", run.parent / "whole", "--json")
    assert json.loads(whole[1])["scores"] == resumed["scores"]
    killed, straight = (
        load_checkpoint(folder / "finetune-ntu60-xsub").weights["head.0.weight"]
        for folder in (run / "eval", run.parent / "whole")
    )
    assert (killed == straight).all()


def test_own_pack_and_split_are_the_defaults(stars, pack, tmp_path):
    small = ["--width", 16, "--depth", 1, "--heads", 2, "--decoder-depth", 1, "--batch", 4]
    for name, more in (("part", ["--split", "xsub"]), ("all", [])):
        arguments = ["train", "pretrain", pack, "--out", name, "--steps", 1, *more, *small, *CPU]
        assert stars(*arguments)[0] == 0
    code, _, err = stars("train", "eval", "knn", "part", *CPU)
    assert code == 0, err
    assert "tested clips" not in told(err)
    code, _, err = stars("train", "eval", "knn", "all", *CPU)
    assert "18 of the 18 tested clips were among those that the encoder was trained on by MAMP" in (
        told(err)
    )
    assert load_encoder("part").source_data == "ntu60"


def test_tasks_that_cannot_be_opened(tmp_path, pack):
    with pytest.raises(UsageError, match="no 'train' part of a split 'xview'; it has xsub"):
        open_task(pack, "xview")
    bare = write_pack(tmp_path / "bare", label=lambda action: "" if action == "bow" else action)
    with pytest.raises(UsageError, match="6 of 18 clips of xsub/train have no label, the first"):
        open_task(bare, None)
    single = write_pack(tmp_path / "single", label=lambda action: "walk")
    with pytest.raises(UsageError, match="one action only"):
        open_task(single, None)
    facts = json.loads((pack / "pack.json").read_text())
    for splits, says in (
        ({}, "has no split; `stars data split` adds one"),
        ({**facts["splits"], "xview": facts["splits"]["xsub"]}, "--split is one of xsub, xview"),
    ):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / "joints.f32").write_bytes((pack / "joints.f32").read_bytes())
        (tmp_path / "other" / "pack.json").write_text(json.dumps({**facts, "splits": splits}))
        with pytest.raises(UsageError, match=says):
            open_task(tmp_path / "other", None)


def test_actions_never_shown_are_noted_and_count_as_wrong(tmp_path, stars):
    folder = write_pack(tmp_path / "pack")
    facts = json.loads((folder / "pack.json").read_text())
    train = facts["splits"]["xsub"]["train"]
    facts["splits"]["xsub"]["train"] = [n for n in train if facts["clips"][n]["label"] != "wave"]
    (folder / "pack.json").write_text(json.dumps(facts))
    task = open_task(folder, "xsub")
    assert task.classes == ("bow", "jump", "wave")
    (note,) = task.notes
    assert "1 tested action(s) have no training clips" in note
    assert "wave" in note


def test_streams_are_fused_by_their_class_scores(stars, trained, pack, tmp_path):
    results = []
    for seed, name in enumerate(("joint", "bone")):
        save_checkpoint(load_checkpoint(trained / "stars"), tmp_path / name)
        code, _, err = stars(
            "train", "eval", "linear", tmp_path / name, "--data", pack, "--epochs", 2,
            "--seed", seed, "--quiet", *CPU,
        )  # fmt: skip
        assert code == 0, err
        results.append(tmp_path / name / "eval" / "linear-ntu60-xsub.json")
    code, out, err = stars("train", "eval", "fuse", *results, "--out", tmp_path / "both", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["method"] == "STARS + STARS"
    three = {"method": "SkeAttnCLR three-stream", "setting": "accuracy", "accuracy": 82.0}
    assert any(three.items() <= figure.items() for figure in record["paper"])
    one, two, both = (
        np.load(path.with_suffix(".npz"))
        for path in (*results, tmp_path / "both" / "linear-ntu60-xsub.json")
    )
    total = one["scores accuracy"] + two["scores accuracy"]
    np.testing.assert_array_equal(both["scores accuracy"], total)
    right = 100 * np.mean(total.argmax(axis=1) == both["labels"])
    assert record["scores"][0]["accuracy"] == right
    code, _, err = stars("train", "eval", "fuse", results[0], tmp_path / "no.json")
    assert (code, "not a result of `stars train eval`" in told(err)) == (2, True)
