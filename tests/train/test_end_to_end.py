"""Every data set in miniature: prepare, both stages, all six protocols."""

import json

import pytest

from stars_infer.train.checkpoint import BEST
from tests import miniature
from tests.conftest import call_stars

CPU = ["--accelerator", "cpu", "--quiet"]
TINY = ["--width", 16, "--depth", 2, "--heads", 2, "--frames", 40, "--decoder-depth", 1]
SHORT = ["--steps", 6, "--batch", 12, "--log-every", 3]
HEAD = ["--steps", 3, "--batch", 8, "--hidden", 16]


def done(*arguments):
    code, out, err = call_stars(*arguments)
    # A miniature holds files that cannot be read; the rest of the set is prepared all the same.
    assert code == 0 or (arguments[0] == "data" and code == 1), err
    return out


@pytest.fixture(scope="session")
def packs(tmp_path_factory):
    """A prepared miniature of each data set, by name."""
    folder = tmp_path_factory.mktemp("miniatures")
    made = {}
    for name in ("ntu60", "ntu120", "pku1", "pku2"):
        raw = folder / f"{name}-raw"
        if name.startswith("ntu"):
            miniature.write_ntu(raw, dataset=name)
        else:
            miniature.write_pku(raw, part=int(name[-1]))
        made[name] = folder / name
        done("data", "prepare", name, "--raw", raw, "--out", made[name], "--workers", 1, "--quiet")
    return made


@pytest.mark.parametrize(
    ("name", "split", "absent"),
    [
        ("ntu60", "xview", "zeros"),
        ("ntu120", "xset", "copy"),
        ("pku1", "xsub", "zeros"),
        ("pku2", "xsub", "present"),
    ],
)
def test_prepared_trained_and_measured_by_every_protocol(packs, tmp_path, name, split, absent):
    pack, mamp, tuned = packs[name], tmp_path / "mamp", tmp_path / "stars"
    own = [pack, "--split", split, *CPU, *SHORT]
    done("train", "pretrain", *own, *TINY, "--out", mamp, "--warmup", 0, "--absent-bodies", absent)
    done("train", "tune", *own, "--from", mamp, "--out", tuned, "--queue", 32, "--hidden", 16,
         "--validate-every", 1)  # fmt: skip
    run, other = tuned / BEST, packs["pku2" if name != "pku2" else "ntu60"]
    here = [run, "--data", pack, "--split", split, "--out", tmp_path / "eval", *CPU]
    there = [run, "--data", other, "--split", "xsub", "--out", tmp_path / "eval", *CPU]
    done("train", "eval", "knn", *here, "--k", 1, "--k", 5)
    done("train", "eval", "linear", *here, "--epochs", 5)
    done("train", "eval", "fewshot", *here, "--shots", 1, "--shots", 2, "--draws", 3)
    done("train", "eval", "finetune", *here, *HEAD)
    done("train", "eval", "semi", *here, *HEAD, "--share", 0.1, "--runs", 2)
    done("train", "eval", "transfer", *there, *HEAD)
    found = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "eval").glob("*.json")}
    assert {result["protocol"] for result in found.values()} == {
        "knn", "linear", "fewshot", "finetune", "semi", "transfer",
    }  # fmt: skip
    for stem, result in found.items():
        assert all(0 <= score["accuracy"] <= 100 for score in result["scores"]), stem
        assert result["test_clips"] > 10, stem


@pytest.mark.parametrize(
    "command", ["pretrain", "tune", "recipes", "tables", "reproduce", "eval semi"]
)
def test_help_of_training_commands_gives_an_example(command):
    code, out, err = call_stars("train", *command.split(), "--help")
    assert code == 0, err
    assert "Example: stars train" in out
