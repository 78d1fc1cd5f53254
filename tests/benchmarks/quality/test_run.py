"""The table: what it measures, and where it goes."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from baselines import baselines, joints, minirocket, scaled, statistics, warping
from methods import Method, of_model
from run import cell, measured, replace_table, shown
from sets import Split, folder_set

from stars_infer.clips.clip import Clip
from stars_infer.errors import MissingExtraError, ModelError
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


def test_statistics_tell_how_fast_each_joint_moves(data):
    still = np.repeat(data.clips[0].bodies[:, :1], 61, axis=1)
    moving, late = still.copy(), still.copy()
    hand, meters = 11, 1.5 * np.arange(61) / 60
    moving[0, :, hand, 0] += meters
    late[0, 30:, hand, 0] += 2 * meters[:31]
    clips = [Clip.from_array(bodies, fps=60.0) for bodies in (still, moving, late)]
    found = statistics(clips)
    assert found.shape == (3, 240)
    shares = found[:, 120:].reshape(3, 6, 20)
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.allclose(shares[0, 0], 1)
    (column,) = np.flatnonzero(shares[1, 0] < 0.5)
    assert np.allclose(shares[1, :, column], [0, 0, 0, 1, 0, 0])
    assert np.allclose(shares[2, :, column], [0.5, 0, 0, 0, 0.5, 0], atol=0.04)
    deviations = found[:, 60:120].reshape(3, 20, 3)
    assert np.allclose(deviations[0], 0, atol=1e-6)
    assert deviations[1, column, 0] > 1e-3
    assert np.allclose(np.delete(deviations[1], column, axis=0), 0, atol=1e-6)


def test_convolutions_are_fitted_to_possible_exemplars_only(data):
    pytest.importorskip("aeon", reason="the baseline's library comes with [bench]")
    series = scaled(joints(data.clips))
    features = minirocket(series, data.exemplar)
    assert features.shape == (18, 9996)
    assert np.array_equal(minirocket(series, data.exemplar), features)
    changed = np.where(data.query[:, None, None], series[::-1], series)
    assert np.array_equal(minirocket(changed, data.exemplar)[data.exemplar],
                          features[data.exemplar])  # fmt: skip
    changed = np.where(data.exemplar[:, None, None], series[::-1], series)
    assert not np.array_equal(minirocket(changed, data.exemplar)[data.query], features[data.query])


def test_a_missing_library_is_named_with_its_extra(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "aeon.transformations.collection.convolution_based", None)
    with pytest.raises(MissingExtraError, match=r"MiniRocket baseline needs aeon, .*\[bench\]"):
        minirocket(scaled(joints(data.clips)), data.exemplar)


def test_features_of_single_clips_have_rows_too(data):
    pytest.importorskip("aeon", reason="the baseline's library comes with [bench]")
    methods = [method for method in baselines() if method.name.endswith("linear ridge")]
    rows = measured(methods, [data])
    assert len(rows) == 2
    for row in rows.values():
        assert list(row["own"]) == [1, 2]
        assert row["own"][2].mean > 60


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
    assert "| accuracy %, 1 / 2 / 5 shots | own |\n" in text
    assert "| it | 50.0 / 50.0 / 50.0 (± 1.2) |" in text
    assert "old" not in text
    assert text.startswith("a\n")
    assert text.endswith("b\n")
    with pytest.raises(SystemExit, match="no marks"):
        replace_table(file, "ablation", rows, [data])


def test_sets_on_which_nothing_was_chosen_are_told_apart(tmp_path, data):
    later = replace(data, name="later", untuned=True)
    row = {name: {1: Accuracy(mean=50.0, std=1.25)} for name in ("own", "later")}
    assert [column.header for column in shown({"it": row}, [data, later]).columns] == [
        "accuracy %, 1 / 2 / 5 shots", "own", "later (untuned)",
    ]  # fmt: skip
    file = tmp_path / "quality.md"
    file.write_text("<!-- models -->\n<!-- end of models -->\n", encoding="utf-8")
    replace_table(file, "models", {"it": row}, [data, later])
    assert "| own | later (untuned) |\n" in file.read_text(encoding="utf-8")


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
