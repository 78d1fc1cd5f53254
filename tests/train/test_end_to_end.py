"""Every data set in miniature: prepare, both stages, all six protocols, one report."""

import json

import pytest

from stars_infer.errors import StarsError, UsageError
from stars_infer.train.checkpoint import BEST
from stars_infer.train.reproduce import (
    TARGETS,
    Recipes,
    Sources,
    Step,
    plan,
    reproduce,
    write_report,
)
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


@pytest.fixture
def tiny_recipes(tmp_path):
    """Recipes so small that a reproduction takes seconds."""
    texts = {
        "pretrain": 'method = "mamp"\n[loop]\nsteps = 4\nbatch = 8\n[encoder]\nwidth = 16\n'
        "depth = 2\nheads = 2\nframes = 40\n[settings]\ndecoder_depth = 1\n",
        "tune": 'method = "stars"\n[loop]\nsteps = 4\nbatch = 8\n[settings]\nqueue = 32\n'
        "hidden = 16\n",
        "finetune": 'method = "classifier"\n[loop]\nsteps = 2\nbatch = 8\n[settings]\nhidden = 8\n',
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return Recipes(**{name: str(tmp_path / f"{name}.toml") for name in texts})


def test_a_reproduction_goes_on_where_it_stopped(tmp_path, tiny_recipes):
    miniature.write_ntu(tmp_path / "raw")
    machine = ("--accelerator", "cpu")
    steps = plan("ntu60-xsub", Sources(raw=tmp_path / "raw"), tmp_path / "out",
                 recipes=tiny_recipes, machine=machine)  # fmt: skip
    assert [step.name for step in steps][:5] == [
        "prepare ntu60", "stage 1", "stage 2", "knn of mamp on ntu60, xsub",
        "linear of mamp on ntu60, xsub",
    ]  # fmt: skip
    chosen = [*steps[:5], next(s for s in steps if s.name.startswith("knn of stars"))]
    said = []
    reproduce(chosen[:2], say=said.append)
    assert not any("done before" in line for line in said)
    said.clear()
    reproduce(chosen, say=said.append)
    assert ["done before" in line for line in said] == [True, True, False, False, False, False]
    report = write_report("ntu60-xsub", tmp_path / "out").read_text()
    assert "| knn | ntu60 xsub | k=1 | MAMP |" in report
    assert "| 63.1 |" in report
    assert "| 79.9 |" in report


def test_a_step_that_fails_says_how_to_go_on(tmp_path):
    step = Step(
        name="stage 1",
        command=("train", "pretrain", str(tmp_path / "none"), "--out", str(tmp_path / "run")),
        begun=lambda: False,
        done=lambda: False,
    )
    with pytest.raises(StarsError, match=r"stage 1 ended with exit code \d; the same command goes"):
        reproduce([step], say=lambda line: None)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_plans_name_commands_that_exist(name, tmp_path):
    sources = Sources(raw=tmp_path, pku2=None if name.startswith("pku") else tmp_path)
    for step in plan(name, sources, tmp_path / "out"):
        code, _, err = call_stars(*[a for a in step.command if not a.startswith("-")][:2], "--help")
        assert code == 0, err
    assert not (tmp_path / "out").exists()


def test_plans_that_cannot_be(tmp_path, stars):
    with pytest.raises(UsageError, match="one of ntu60-xsub, .*, not 'ntu61'"):
        plan("ntu61", Sources(raw=tmp_path), tmp_path)
    with pytest.raises(UsageError, match="--ntu120 serves the few-shot protocol"):
        plan("ntu60-xview", Sources(raw=tmp_path, ntu120=tmp_path), tmp_path)
    with pytest.raises(UsageError, match="--pku2 serves the transfer"):
        plan("pku2-xsub", Sources(raw=tmp_path, pku2=tmp_path), tmp_path)
    with pytest.raises(StarsError, match="no result to report"):
        write_report("ntu60-xsub", tmp_path)
    code, _, err = stars("train", "reproduce", "ntu61", "--raw", tmp_path, "--out", tmp_path / "o")
    assert (code, "ntu60-xview" in err) == (2, True)


@pytest.mark.parametrize("command", ["pretrain", "tune", "recipes", "reproduce", "eval semi"])
def test_help_of_training_commands_gives_an_example(command):
    code, out, err = call_stars("train", *command.split(), "--help")
    assert code == 0, err
    assert "Example: stars train" in out
