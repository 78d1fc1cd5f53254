"""The tutorials run from beginning to end, and find what they say they find."""

import re

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("nbclient", reason="needs the extra 'docs'")
pytest.importorskip("ipykernel", reason="needs the extra 'docs'")

NOTEBOOKS = REPOSITORY / "examples/notebooks"
FOUND = {
    "webcam": r"wave: wave, .*\nclap: clap, .*\nsquat: squat, .*\nunknown ",
    "kinect": r"walk   is named walk(.|\n)*is named wave\n.*pass --units mm",
    "motion-capture": r"biovision (.|\n)*clap: clap\nsquat: squat\nkick: unknown\nsquat",
    "long-recording": r"s: squat, .*\n.*s: wave, .*\n.*s: kick, (.|\n)*s: nothing known\n.*kick",
    "own-layout": r"'head' names 'hat'(.|\n)*wave is named wave",
    "train": r"people\t42\t21(.|\n)*k=1\t[1-9](.|\n)*train/my-encoder\t(.|\n)*wave\t9\t0",
    "serve": r"clap\nsquat\nTrue",
}
QUICK = {"webcam"}
"""Those that run with all tests; the others are slow ones."""


def test_every_notebook_is_listed_and_small():
    page = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\S+)\.ipynb\) \|", page) == list(FOUND)
    files = sorted(NOTEBOOKS.glob("*.ipynb"))
    assert {path.stem for path in files} == set(FOUND)
    assert max(path.stat().st_size for path in files) < 30_000


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FOUND],
)
def test_a_notebook_runs_and_finds_what_it_says(tmp_path, name):
    from website.notebooks import run_notebook

    if name == "serve":
        pytest.importorskip("fastapi", reason="needs the extra 'serve'")
    said = run_notebook(
        NOTEBOOKS / f"{name}.ipynb",
        tmp_path,
        change=lambda cell: cell.replace("EPOCHS = 20", "EPOCHS = 2"),
    )
    assert re.search(FOUND[name], said), said
