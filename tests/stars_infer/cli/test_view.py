import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text

needs_pillow = pytest.mark.skipif(find_spec("PIL") is None, reason="Pillow is not installed")
WITHOUT = ["--model", "stars-mocap-small"]


@pytest.fixture
def clips(tmp_path, stars):
    for name, action, seed in (("one", "wave", 1), ("two", "wave", 2), ("three", "kick", 1)):
        text = skeleton_text(perform(action, np.random.default_rng(seed)))
        (tmp_path / f"{name}.skeleton").write_text(text, encoding="ascii")
    return stars


def test_one_clip_becomes_a_page(clips):
    code, out, err = clips("view", "one.skeleton", "--out", "page.html")
    assert (code, out) == (0, "")
    assert "wrote page.html" in err
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<h1>one.skeleton</h1>" in page
    assert "What differs" not in page


def test_two_clips_are_aligned_and_told_apart(clips):
    code, out, _ = clips("view", "one.skeleton", "three.skeleton", "-o", "page.html", *WITHOUT)
    assert code == 0
    assert "right arm" in out
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<h2>What differs</h2>" in page
    assert '"first_seconds":' in page
    assert 'data-at="' in page


def test_json_has_the_alignment(clips):
    code, out, _ = clips("view", "one.skeleton", "two.skeleton", "-o", "p.html", "--json", *WITHOUT)
    assert code == 0
    found = json.loads(out)
    assert found["files"] == ["p.html"]
    assert found["alignment"]["similarity"] > 0.9
    code, out, _ = clips("view", "one.skeleton", "two.skeleton", "-o", "p.html", "--json",
                         "--no-align")  # fmt: skip
    assert json.loads(out)["alignment"] is None


def test_a_page_goes_to_stdout(clips):
    code, out, _ = clips("view", "one.skeleton", "--out", "-")
    assert code == 0
    assert out.startswith("<!DOCTYPE html>")
    assert out.endswith("</html>\n")


def test_without_a_file_a_passing_page_is_written(clips, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "passing"))
    (tmp_path / "passing").mkdir()
    code, _, err = clips("view", "one.skeleton")
    assert code == 0
    (page,) = (tmp_path / "passing").glob("*/view.html")
    assert str(page) in err.replace("\n", "")


@needs_pillow
def test_a_moving_picture_needs_no_browser(clips):
    code, _, err = clips("view", "one.skeleton", "two.skeleton", "-o", "both.gif", "--width", 120,
                         "--dark", *WITHOUT)  # fmt: skip
    assert code == 0, err
    assert Path("both.gif").read_bytes()[:6] == b"GIF89a"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["one.skeleton", "two.skeleton", "three.skeleton"], "one clip or two"),
        (["one.skeleton", "-o", "page.txt"], "give the file the ending"),
        (["one.skeleton", "-o", "-", "--json"], "leave --json and --quiet out"),
        (["one.skeleton", "two.skeleton", "-o", "p.html", "--mirror", "often"], "choose one of"),
        (["none.skeleton", "-o", "p.html"], "none.skeleton"),
    ],
)
def test_what_cannot_be_done_is_said(clips, arguments, said):
    code, _, err = clips("view", *arguments)
    assert code in (1, 2)
    assert said in err
    assert not Path("p.html").exists()


def test_names_are_text(clips):
    name = "<img src=x onerror=alert(1)>.skeleton"
    Path(name).write_bytes(Path("one.skeleton").read_bytes())
    code, out, _ = clips("view", name, "two.skeleton", "-o", "-", *WITHOUT)
    assert code == 0
    assert "<img" not in out
    assert "&lt;img src=x onerror=alert(1)&gt;.skeleton" in out
