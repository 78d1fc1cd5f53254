import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from stars_infer.classification.model_calibration import OF_SEQUENCES
from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.index.exemplar import Exemplar
from stars_infer.reporting.evaluation_report import evaluation_report, read_records
from stars_infer.reporting.index_report import index_report
from stars_infer.reporting.page import Report, Section, html_table, report_page
from stars_infer.reporting.plane import places_of
from stars_infer.reporting.run_report import run_report
from stars_infer.reporting.words import confused_words, in_percent, share_words
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import perform

HOSTILE = "</script><b onclick=alert(1)>&\"'"
HOW = SequenceConfig()


class Model:
    name = "model"
    comparison = HOW
    calibration = OF_SEQUENCES


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def clip_of(exemplar):
    action = perform(exemplar.source.split("/")[1], np.random.default_rng(exemplar.id))
    return Clip.from_array(action, source=exemplar.source)


@pytest.fixture(scope="module")
def held():
    examples = []
    for number in range(9):
        action = ("wave", "squat", "kick")[number // 3]
        label = HOSTILE if action == "kick" else action
        label = "squat" if number == 0 else label  # a wave with a wrong label
        exemplar = Exemplar(
            id=number, label=label, source=f"/{action}/{HOSTILE.replace('/', '')}.npy",
            content_hash="", added="",
        )  # fmt: skip
        features = Features(vector=None, sequence=sequence_of(clip_of(exemplar), HOW))
        examples.append((exemplar, features))
    return examples


@pytest.fixture(scope="module")
def report(held):
    return index_report(held, Model(), name=HOSTILE, advice=["look at it"], read=clip_of, hardest=2)


def test_an_index_is_measured_by_its_own_examples(report):
    assert dict(report.facts)["named rightly, without themselves"].endswith("8 of 9")
    assert report.advice[0].startswith("“squat” is taken for “wave” in 1 of 4 cases")
    assert report.advice[-1] == "look at it"
    titles = [section.title for section in report.sections]
    assert titles == ["Accuracy by action", "What is taken for what", "Confidence",
                      "Unknown actions", "Map", "Hardest clips"]  # fmt: skip


def test_the_hardest_clips_are_played_beside_what_they_are_taken_for(report):
    assert len(report.pairs) == 2
    body = report.sections[-1].body
    assert body.index("Example 0, “squat”, wrongly named “wave”") < body.index("rightly named")
    assert [clip["fps"] for clip in report.pairs[0]["clips"]] == [15, 15]
    assert report.pairs[0]["alignment"]["first_seconds"]


def test_without_files_there_is_nothing_to_play(held):
    report = index_report(held, Model(), name="a", read=lambda exemplar: None, hardest=2)
    assert report.pairs == []
    assert "The files are not there any more" in report.sections[-1].body


def test_names_cannot_break_out_and_nothing_is_loaded(report):
    page = report_page(report)
    found = Elements(page).found
    assert not [tag for tag, _ in found if tag == "b"]
    assert sum(tag == "script" for tag, _ in found) == 2
    for _, attrs in found:
        assert not {"src", "href", "onclick"} & set(attrs)
    assert "default-src 'none'" in page
    assert "://" not in page.replace("http://www.w3.org", "")
    assert "@media print" in page
    assert len(page) < 500_000


def test_too_little_is_said_and_not_measured(held):
    report = index_report(held[:2], Model(), name="a")
    assert "It cannot be told yet" in report.sections[0].lead
    with pytest.raises(UsageError, match="holds no example"):
        index_report([], Model(), name="a")


def test_of_many_examples_some_are_drawn(held, monkeypatch):
    monkeypatch.setattr("stars_infer.reporting.index_report.MOST_EXAMPLES", 8)
    report = index_report(held, Model(), name="a", hardest=0)
    assert "Of 9 examples, 8 were drawn" in report.sections[0].lead


@pytest.mark.parametrize("sklearn", [True, False])
def test_the_map_keeps_neighbors_together(sklearn, monkeypatch):
    if sklearn:
        pytest.importorskip("sklearn")
    else:
        monkeypatch.setattr("stars_infer.reporting.plane.find_spec", lambda name: None)
    groups = np.repeat([0, 1], 8)
    points = np.random.default_rng(0).normal(0, 0.05, (16, 5)) + 0.6 * groups[:, None]
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    similarity = np.asarray(1 - apart, np.float32)
    places, way = places_of(similarity)
    assert way == ("t-SNE" if sklearn else "classical scaling")
    assert np.abs(places).max() <= 1
    gaps = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (groups[gaps.argmin(axis=1)] == groups).all()


def closed(**more):
    shots = {str(n): {"mean": 90.0 + n, "std": 2.0, "low": 85.0, "high": 96.0} for n in (1, 2)}
    return {"model": "m", "classes": 2, "queries": 30, "shots": shots, "labels": [HOSTILE, "b"],
            "confusion": {"2": [[9, 1], [0, 10]]}} | more  # fmt: skip


def opened(shots):
    return {"model": "m", "shots": shots, "auroc": 91.0, "fpr_at_95": 30.0, "unknown_named": 10.0,
            "known_named": 80.0, "right_of_named": 95.0, "curve": [[0, 0], [0.2, 0.8], [1, 1]],
            "reliability": {"confidence": [0.3, 0.9], "right": [0.2, 0.95], "count": [4, 9]},
            }  # fmt: skip


def test_an_evaluation_becomes_a_page():
    report = evaluation_report([closed()], name="e.json")
    assert report.facts[0] == ("named rightly by 2 examples", "92.0 %")
    assert [one.title for one in report.sections] == ["Accuracy", "What is taken for what"]
    assert "85.0 to 96.0" in report.sections[0].body
    report_page(report)


def test_an_evaluation_of_an_earlier_release_becomes_one():
    record = closed(labels=None, confusion={})
    for values in record["shots"].values():
        del values["low"], values["high"]
    (section,) = evaluation_report([record], name="e.json").sections
    assert "<td>–</td>" in section.body


def test_unknown_clips_become_curves():
    report = evaluation_report([opened(2), opened(1)], name="o.json")
    assert report.facts[0] == ("AUROC, 2 examples", "91.0 %")
    assert [one.title for one in report.sections] == ["Unknown actions", "Confidence"]
    assert report.sections[0].body.count("<polyline") == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "it is empty"), ("{", "line 1 is no JSON"), ("[1]", "line 1 is no evaluation"),
     ("[" * 100_000, "line 1 is no JSON")],
)  # fmt: skip
def test_other_files_are_refused(text, said):
    with pytest.raises(UsageError, match=said):
        read_records(text, "e.json")


@pytest.mark.parametrize(
    "record",
    [
        {"shots": {}},
        {"shots": {"a": {}}},
        {"shots": 1},
        closed(confusion={"2": [[1]]}),
        closed(shots={"1": {"mean": "x"}}),
        opened(1) | {"curve": [[1]]},
        opened(1) | {"auroc": None},
    ],
)
def test_damaged_evaluations_are_refused(record):
    with pytest.raises(UsageError, match="run it again"):
        evaluation_report([record], name="e.json")


def write_log(folder, losses, validations=(), tail=""):
    lines = [
        json.dumps({"step": 10 * n, "loss": loss, "lr": 1e-3, "clips_per_second": 50.0,
                    "seconds": float(n)})
        for n, loss in enumerate(losses, 1)
    ]  # fmt: skip
    lines += [json.dumps({"step": step, "validation": score}) for step, score in validations]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n" + tail, encoding="utf-8")
    return run_report(folder)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (np.linspace(2, 1, 100), "more --epochs are likely"),
        (np.full(100, 1.0), "has settled"),
        (np.linspace(1, 2, 100), "The loss rose by"),
        ([1.0] * 50 + [math.nan], "the run diverged"),
    ],
)
def test_a_run_is_told_in_words(tmp_path, losses, said):
    report = write_log(tmp_path, losses)
    assert said in report.advice[0]
    assert "validate-every" in report.advice[-1]
    report_page(report)


def test_the_best_validation_is_named(tmp_path):
    scores = [(10, 60.0), (20, 80.0), (300, 70.0)]
    report = write_log(tmp_path, np.full(30, 1.0), scores, tail='{"step": 40, "lo')
    assert dict(report.facts)["best validation, step"] == "80.0 %, 20"
    assert any("use best.safetensors" in one for one in report.advice)
    assert "1 line(s) of the log" in report.advice[-1]


def test_a_long_run_is_thinned(tmp_path):
    body = write_log(tmp_path, np.linspace(2, 1, 5000)).sections[0].body
    (points,) = re.findall(r'<polyline class="line c0" points="([^"]*)"', body)
    assert len(points.split()) == 300


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"there is no log\.jsonl"):
        run_report(tmp_path)
    (tmp_path / "log.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no step yet"):
        run_report(tmp_path)


def test_words():
    assert in_percent(0.5) == "50 %"
    assert in_percent(0.987) == "98.7 %"
    assert in_percent(1) == "100 %"
    assert share_words(190, 200) == "95 % (91 to 97), 190 of 200"
    assert confused_words(np.array([[5, 0], [0, 5]]), ["a", "b"]) == []
    assert html_table(("<a>",), [("<b>",), ("12 %",)]).count("&lt;") == 2
    page = report_page(Report(title="t", facts=[], sections=[Section(title="<i>")]))
    assert "<h2>&lt;i&gt;</h2>" in page
