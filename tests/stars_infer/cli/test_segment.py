import json

import numpy as np
import pytest

from tests.stars_infer.cli.streaming import ACTED, FPS, recording


@pytest.fixture
def taught(stars, recordings):
    """The command line, in a folder with an index of four performers of each action."""
    for action in ACTED:
        assert stars("fewshot", "add-class", recordings / action)[0] == 0
    return stars


@pytest.fixture
def long(tmp_path):
    joints, truth = recording("wave", "squat")
    np.save(tmp_path / "morning ü.npy", joints)
    return truth


def test_json_is_one_object_a_recording(taught, long):
    code, out, err = taught("segment", "morning ü.npy", "--json")
    assert (code, err) == (0, "")
    (line,) = map(json.loads, out.splitlines())
    assert line["source"] == "morning ü.npy"
    assert line["seconds"] == pytest.approx(long[-1][1] + 1.5, abs=0.01)
    assert [part["label"] for part in line["segments"]] == ["wave", "squat"]
    for part, (start, end, _) in zip(line["segments"], long, strict=True):
        assert min(part["end"], end) - max(part["start"], start) > 0.6 * (end - start)
        assert 0.5 < part["confidence"] <= 1
        assert 0.5 < part["similarity"] <= 1


def test_the_table_and_the_bar(taught, long):
    code, out, _ = taught("segment", "morning ü.npy")
    assert code == 0
    assert "2 segments in" in out
    bar = next(line for line in out.splitlines() if line.startswith(("A", "B", "·")))
    assert set(bar) == {"A", "B", "·"}
    assert bar.index("B") < bar.index("A")  # wave comes first, and second in the legend
    assert " A  squat" in out
    share = bar.count("·") / len(bar)
    still = 3.0 / (long[-1][1] + 1.5)
    assert still - 0.15 < share < still + 0.25


def test_a_recording_of_nothing_that_is_taught_says_what_may_help(taught, long):
    code, out, err = taught("segment", "morning ü.npy", "--min-confidence", 0.999999)
    assert code == 0
    assert "0 segments in" in out
    assert "--min-confidence 0.1" in err


def test_quiet_is_tab_separated(taught, long):
    code, out, _ = taught("segment", "morning ü.npy", "--quiet")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [row[3] for row in rows] == ["wave", "squat"]
    assert all(row[0] == "morning ü.npy" and float(row[1]) < float(row[2]) for row in rows)


def test_pictures_are_written(taught, long, tmp_path):
    code, _, _ = taught("segment", "morning ü.npy", "--svg", "t.svg", "--html", "t.html", "--quiet")
    assert code == 0
    picture = (tmp_path / "t.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "morning ü.npy" in picture
    assert picture.strip() in (tmp_path / "t.html").read_text(encoding="utf-8")


def test_options_decide_what_is_kept(taught, long):
    def found(*options):
        _, out, _ = taught("segment", "morning ü.npy", "--json", *options)
        return json.loads(out)["segments"]

    assert found("--min-confidence", "0.9999") == []
    assert found("--min-duration", "60") == []
    parts = found("--window", "2", "--merge-gap", "0")
    assert parts
    # Windows of 2 s; two that follow each other at once are one segment.
    assert all(round(part["end"] - part["start"], 2) % 2 == 0 for part in parts)


def test_one_bad_recording_does_not_stop_the_rest(taught, long, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"bad")
    code, out, err = taught("segment", "bad.npy", "morning ü.npy", "--json")
    assert code == 1
    assert "not a NumPy array" in json.loads(err)["error"]
    assert len(json.loads(out)["segments"]) == 2


def test_a_recording_may_be_longer_than_a_clip(taught, tmp_path):
    joints, _ = recording("squat")
    np.save(tmp_path / "long.npy", np.concatenate([np.repeat(joints[:1], 20_001, axis=0), joints]))
    code, _, err = taught("classify", "long.npy")
    assert code == 1
    assert "`stars segment`" in " ".join(err.split())
    code, out, _ = taught("segment", "long.npy", "--json")
    (part,) = json.loads(out)["segments"]
    assert (code, part["label"]) == (0, "squat")
    assert part["start"] > 20_000 / FPS - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-confidence", "2"], "min_confidence must be above 0 and below 1, not 2"),
        (["--window", "0"], "length of a window must be above 0, not 0"),
        (["--merge-gap", "-1"], "merge_gap must be at least 0, not -1"),
    ],
)
def test_impossible_options_are_refused(taught, long, options, message):
    code, _, err = taught("segment", "morning ü.npy", *options)
    assert code == 2
    assert message in err


def test_without_an_index_it_says_what_to_do(stars, long):
    code, _, err = stars("segment", "morning ü.npy")
    assert code == 1
    assert "stars fewshot add-class" in " ".join(err.split())
