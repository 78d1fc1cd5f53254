import json
import re

import numpy as np
import pytest

from stars_infer.errors import MissingExtraError, UsageError
from stars_infer.train.protocols import plots
from stars_infer.train.protocols.paper import figures
from stars_infer.train.protocols.plots import project, write_plots
from stars_infer.train.protocols.results import Result, Score, confusion_matrix, save_result


def result_of(classes=3, each=6, width=8, **changed):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    named = np.where(random.random(len(labels)) < 0.8, labels, random.integers(0, classes))
    names = tuple(f"<action {n}>" for n in range(classes))
    return Result(
        **{
            "protocol": "knn",
            "measured": {"run": "runs/stars", "method": "STARS"},
            "data": "ntu60",
            "split": "xsub",
            "dataset": "ntu60",
            "scores": (
                Score(setting="k=1", accuracy=80.0),
                Score(setting="k=2", accuracy=70.04, deviation=1.25, of=5),
            ),
            "settings": {"crop": 0.9},
            "classes": names,
            "confusion": confusion_matrix(labels, named, classes),
            "embedding": (labels[:, None] + random.normal(size=(len(labels), width))).astype("f4"),
            "labels": labels,
            "predictions": {"k=1": named},
            "notes": ("a note & more",),
        }
        | changed
    )


def test_confusion_by_hand():
    got = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert got.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("protocol", "dataset", "split", "setting", "stars", "mamp"),
    [
        ("linear", "ntu60", "xsub", "accuracy", 87.1, 84.9),
        ("linear", "pku2", "xsub", "accuracy", 52.7, 52.0),
        ("knn", "ntu120", "xset", "k=1", 67.7, 56.1),
        ("finetune", "ntu60", "xview", "accuracy", 97.5, 97.5),
        ("semi", "ntu60", "xsub", "1%", 69.1, 66.0),
        ("semi", "ntu60", "xview", "10%", 91.8, 91.5),
        ("fewshot", "ntu120", "novel", "5-shot", 65.7, 48.4),
    ],
)
def test_figures_of_the_paper(protocol, dataset, split, setting, stars, mamp):
    of = {f.method: f.accuracy for f in figures(protocol, dataset, split) if f.setting == setting}
    assert (of["STARS"], of["MAMP"]) == (stars, mamp)


@pytest.mark.parametrize(
    ("protocol", "dataset", "split", "setting", "accuracy"),
    [
        ("linear", "ntu60", "xsub", "accuracy", 85.7),
        ("linear", "pku2", "xsub", "accuracy", 55.6),
        ("finetune", "ntu120", "xset", "accuracy", 91.3),
        ("semi", "ntu60", "xview", "1%", 76.2),
    ],
)
def test_figures_of_the_skeleton2vec_paper(protocol, dataset, split, setting, accuracy):
    (figure,) = (
        figure
        for figure in figures(protocol, dataset, split)
        if (figure.method, figure.setting) == ("Skeleton2vec", setting)
    )
    assert figure.accuracy == accuracy
    assert figure.where.startswith("Skeleton2vec, Table ")


@pytest.mark.parametrize(
    ("protocol", "method", "dataset", "split", "accuracy"),
    [
        ("linear", "SkeAttnCLR", "ntu60", "xsub", 80.3),
        ("linear", "SkeAttnCLR", "pku2", "xsub", 52.9),
        ("linear", "SkeAttnCLR motion", "ntu120", "xset", 59.3),
        ("linear", "SkeAttnCLR BiGRU motion", "ntu60", "xsub", 74.9),
        ("finetune", "SkeAttnCLR", "ntu60", "xview", 92.8),
        ("finetune", "random weights ST-GCN", "ntu120", "xset", 77.1),
        ("knn", "SkeAttnCLR", "ntu120", "xset", 58.0),
        ("linear", "SkeAttnCLR bone", "pku1", "xsub", 87.3),
        ("linear", "SkeAttnCLR baseline three-stream", "pku2", "xsub", 38.8),
        ("linear", "SkeAttnCLR baseline DSTA motion", "ntu60", "xsub", 45.0),
        ("linear", "SkeAttnCLR, no non-salient loss", "ntu60", "xview", 80.4),
    ],
)
def test_figures_of_the_skeattnclr_paper(protocol, method, dataset, split, accuracy):
    (figure,) = (f for f in figures(protocol, dataset, split) if f.method == method)
    assert figure.accuracy == accuracy
    assert figure.where.startswith("SkeAttnCLR, Table ")


@pytest.mark.parametrize(
    ("protocol", "method", "setting", "split", "accuracy"),
    [
        ("knn", "STARS flip", "k=10", "xview", 90.6),
        ("knn", "STARS as in Table 7", "k=10", "xsub", 84.5),
        ("knn", "DINO aug local", "k=20", "xsub", 78.0),
        ("knn", "DINO aug", "k=40", "xsub", 77.0),
        ("linear", "Skeleton2vec single-tube", "accuracy", "xview", 83.4),
        ("linear", "Skeleton2vec mask ratio 0.95", "accuracy", "xsub", 77.1),
    ],
)
def test_figures_of_the_ablations(protocol, method, setting, split, accuracy):
    (figure,) = (
        figure
        for figure in figures(protocol, "ntu60", split)
        if (figure.method, figure.setting) == (method, setting)
    )
    assert figure.accuracy == accuracy


def test_no_row_has_two_figures_for_a_setting():
    for protocol in ("knn", "linear", "finetune", "semi", "fewshot"):
        for dataset, split in (("ntu60", "xsub"), ("ntu120", "xsub"), ("ntu120", "novel")):
            printed = [(f.method, f.setting) for f in figures(protocol, dataset, split)]
            assert len(printed) == len(set(printed))


def test_figures_are_only_for_what_the_paper_measured():
    assert figures("linear", None, "xsub") == ()
    assert figures("finetune", "pku1", "xsub") == ()
    assert figures("knn", "ntu60", "mine") == ()
    assert figures("transfer", "pku2", "xsub", source="utd") == ()
    for source, expected in (("ntu60", 71.9), ("ntu120", 72.2)):
        of = {f.method: f.accuracy for f in figures("transfer", "pku2", "xsub", source=source)}
        assert of["STARS"] == expected
    scratch = {f.setting: f.accuracy for f in figures("knn", "ntu60", "xsub")
               if f.method == "NNCLR from scratch"}  # fmt: skip
    assert scratch == {"k=1": 37.6, "k=2": 35.8, "k=5": 39.9, "k=10": 41.2}


def test_table_puts_the_run_beside_the_paper():
    columns, rows = result_of().rows()
    assert columns == ("knn, %", "k=1", "k=2")
    assert rows[0] == ("runs/stars (STARS)", "80.0", "70.0 ± 1.2")
    table = {row[0]: row[1:] for row in rows}
    assert table["STARS (paper)"] == ("79.9", "–")
    assert table["NNCLR from scratch (paper)"] == ("37.6", "35.8")
    assert "DINO (paper)" not in table  # it has figures for k=10 only
    assert len(result_of(dataset=None).rows()[1]) == 1


def test_files_hold_everything(tmp_path):
    result = result_of()
    path = save_result(result, tmp_path / "eval")
    assert path.name == "knn-ntu60-xsub.json"
    values = json.loads(path.read_text())
    assert values["scores"][1] == {"setting": "k=2", "accuracy": 70.04, "deviation": 1.25, "of": 5}
    assert values["run"] == "runs/stars"
    assert {"method": "STARS", "setting": "k=1", "accuracy": 79.9, "where": "Table 2"} in (
        values["paper"]
    )
    with np.load(tmp_path / "eval" / values["arrays"], allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["confusion"], result.confusion)
        np.testing.assert_array_equal(arrays["embedding"], result.embedding)
        np.testing.assert_array_equal(arrays["predictions k=1"], result.predictions["k=1"])
        assert arrays["classes"].tolist() == list(result.classes)
    save_result(result, tmp_path / "eval")
    assert len(list((tmp_path / "eval").iterdir())) == 2


def test_plots_are_images_and_a_page_that_needs_nothing_else(tmp_path):
    result = result_of()
    tsne, confusion, page = write_plots(result, tmp_path / "plots")
    for path in (tsne, confusion):
        assert path.read_bytes().startswith(b"\x89PNG")
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)\s*=\s*[\"']?(https?:)?//", text)
    assert text.count("Plotly.newPlot(") >= 2
    assert "&lt;action 0&gt;" in text
    assert "STARS (paper)" in text
    assert "a note &amp; more" in text
    assert "<action" not in text


def test_tsne_shows_a_sample_of_the_actions():
    result = result_of(classes=8, each=4)
    some = project(result, classes=5, seed=1)
    assert len(some.shown) == 5
    assert some.points.shape == (20, 2)
    assert set(some.labels) == set(some.shown)
    assert project(result, classes=5, seed=1).shown == some.shown
    assert len(project(result).shown) == 8
    with pytest.raises(UsageError, match="at least 4 clips"):
        project(result_of(classes=2, each=1))


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(plots, "find_spec", lambda name: None if name == "sklearn" else name)
    with pytest.raises(MissingExtraError, match=r"scikit-learn, .*'stars-infer\[plots\]'"):
        write_plots(result_of(), tmp_path)
    with pytest.raises(UsageError, match="--plot-classes"):
        monkeypatch.undo()
        write_plots(result_of(), tmp_path, classes=0)
