"""The table: what it measures, and where it goes."""

import subprocess
import sys

import numpy as np
import pytest
from baselines import joints, scaled, warping
from methods import Method, of_model
from run import cell, measured, replace_table
from sets import Split, folder_set

from stars_infer.clips.clip import Clip
from stars_infer.errors import ModelError
from stars_infer.evaluation.fewshot import Accuracy
from stars_infer.similarity.pairwise import cosine_of
from tests.benchmarks.quality.conftest import QUALITY


def refuse(error):
    raise error


@pytest.fixture
def data(people):
    return folder_set(
        Split(name="own", folder=people, exemplars=["*/s1_*"], queries=["*/s[23]_*"]), refuse
    )


def by_label(data):
    """A similarity that knows the answer."""
    classes = sorted(set(data.labels))
    return cosine_of(np.eye(3, dtype=np.float32)[[classes.index(label) for label in data.labels]])


def test_shots_beyond_the_smallest_class_are_left_open(data):
    rows = measured([Method(name="knows", similarity=by_label)], [data])
    assert list(rows["knows"]["own"]) == [1, 2]
    assert cell(rows["knows"]["own"]) == "100.0 / 100.0 / – (± 0.0)"


def test_joints_are_seen_from_the_hip(data):
    series = joints(data.clips[:2])
    assert series.shape == (2, 30, 60)
    assert not series[:, :, :3].any()
    moved = [Clip.from_array(data.clips[0].bodies + np.float32(0.5))]
    assert np.allclose(joints(moved)[0], series[0], atol=1e-5)


def test_a_second_body_widens_all_series(data, waving):
    pair = np.concatenate((waving, waving + 1))
    series = joints([data.clips[0], Clip.from_array(pair)])
    assert series.shape == (2, 30, 120)
    assert not series[0].reshape(30, 2, 60)[:, 1].any()


def test_warping_finds_the_slower_of_two(data):
    pytest.importorskip("dtaidistance", reason="the baseline's library comes with [bench]")
    time = np.linspace(0, 1, 30)
    series = np.stack([np.sin(6 * time), np.sin(6 * time**1.5), np.cos(6 * time)])[:, :, None]
    near = warping(scaled(series), "euclidean")(np.array([0]), np.array([1, 2]))
    assert near.shape == (1, 2)
    assert near[0, 0] > near[0, 1]


def test_a_model_and_a_run_give_the_same_vectors(data, tiny_model, trained):
    positions = np.arange(len(data.clips))
    tables = []
    for model in (tiny_model, trained / "stars"):
        first, *_ = of_model(str(model))
        tables.append(first.similarity(data)(positions, positions))
    assert np.allclose(*tables, atol=1e-3)


def test_an_unknown_model_is_refused():
    with pytest.raises(ModelError, match="no model 'nonesuch'"):
        list(of_model("nonesuch"))


def test_the_table_is_put_between_its_marks(tmp_path, data):
    file = tmp_path / "quality.md"
    file.write_text("a\n<!-- models -->\nold\n<!-- end of models -->\nb\n", encoding="utf-8")
    rows = {"it": {"own": {n: Accuracy(mean=50.0, std=1.25) for n in (1, 2, 5)}}}
    replace_table(file, "models", rows, [data])
    text = file.read_text(encoding="utf-8")
    assert "| it | 50.0 / 50.0 / 50.0 (± 1.2) |" in text
    assert "old" not in text
    assert text.startswith("a\n")
    assert text.endswith("b\n")
    with pytest.raises(SystemExit, match="no marks"):
        replace_table(file, "ablation", rows, [data])


def test_the_command_measures_an_own_set(people, tiny_model):
    command = [
        sys.executable, QUALITY / "run.py", tiny_model, "--no-baselines", "--set", people,
        "--exemplars", "*/s1_*", "--queries", "*/s2_*", "*/s3_*",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tiny" in done.stdout


def test_the_command_says_what_is_wrong(people):
    command = [sys.executable, QUALITY / "run.py", "nonesuch", "--no-baselines", "--set", people]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no model 'nonesuch'")
