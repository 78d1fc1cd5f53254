import json
from pathlib import Path

import numpy as np
import pytest

from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text


@pytest.fixture
def folders(tmp_path):
    """Three actions, three examples each."""
    for action in ("wave", "squat", "kick"):
        (tmp_path / action).mkdir()
        for seed in range(3):
            text = skeleton_text(perform(action, np.random.default_rng(seed)))
            (tmp_path / action / f"{seed}.skeleton").write_text(text, encoding="ascii")
    return tmp_path


@pytest.fixture
def index(folders, stars):
    """An index of them."""
    code, _, err = stars("fewshot", "add-class", "wave", "squat", "kick", "-q")
    assert code == 0, err
    return stars


def test_an_index_becomes_a_page(index):
    code, out, err = index("report")
    assert code == 0, err
    assert "of 9" in out
    assert "wrote report.html" in err
    page = Path("report.html").read_text(encoding="utf-8")
    assert "Report of stars.db" in page
    assert page.count("data-pair=") >= 6
    Path("wave/0.skeleton").unlink()
    code, out, _ = index("report", "stars.db", "--out", "-", "--hardest", 9)
    assert code == 0
    assert "The files are not there any more" in out
    code, out, _ = index("report", "--hardest", 0, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["facts"]["examples"], found["file"]) == ("9", "report.html")


def test_only_the_end_of_a_path_is_told(index, tmp_path):
    clip = tmp_path / "private" / "patients" / "anna" / "1.skeleton"
    clip.parent.mkdir(parents=True)
    clip.write_text(skeleton_text(perform("squat", np.random.default_rng(7))), encoding="ascii")
    assert index("fewshot", "add-class", clip, "--label", "wave", "-q")[0] == 0
    code, out, _ = index("report", "--out", "-")
    assert code == 0
    assert "…/anna/1.skeleton" in out
    assert "likely" in out
    assert "; look; then stars fewshot relabel" in out
    assert "patients" not in out


def test_an_evaluation_and_a_run_become_pages(folders, stars, trained):
    _, out, _ = stars("fewshot", "eval", ".", "--shots", 1, "--draws", 2, "--json")
    Path("e.json").write_text(out, encoding="utf-8")
    code, out, err = stars("report", "e.json", "-o", "e.html", "-q")
    assert code == 0, err
    assert out.splitlines()[0].startswith("named rightly by 1 example\t")
    assert "Confusion matrix" in Path("e.html").read_text(encoding="utf-8")
    code, out, err = stars("report", trained / "mamp", "-o", "-")
    assert code == 0, err
    assert "Training run mamp" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.db"], "there is no such index"),
        (["x.txt"], "no JSON"),
        (["x.txt", "-o", "x.pdf"], "give the file the ending"),
        (["x.txt", "-o", "-", "-q"], "leave --json and --quiet out"),
    ],
)
def test_what_cannot_be_reported_is_said(stars, arguments, said):
    Path("x.txt").write_text("a text\n", encoding="utf-8")
    code, _, err = stars("report", *arguments)
    assert code == 2
    assert said in err
