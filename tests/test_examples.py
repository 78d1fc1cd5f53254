"""Every example runs as it is, in a process of its own, and finds what it should."""

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
FOUND = {
    "teach_and_name": r"wave: wave, .*\nclap: clap, .*\nsquat: squat, .*\nwalk: unknown, ",
    "sklearn_grid_search": r"(100|9\d)% right of 12 clips",
    "long_recording": r"s: squat, .*\n.*s: wave, .*\n.*s: kick, ",
    "live_stream": r"s: squat .*\n(.*nothing known.*\n)?.*s: wave ",
    "vectors_to_your_own_tool": r"[78] of 8 new clips named right",
}
LONGEST = 40


def test_every_example_is_listed():
    page = (REPOSITORY / "examples/README.md").read_text(encoding="utf-8")
    assert {path.stem for path in EXAMPLES} == set(FOUND)
    assert re.findall(r"^\| `(\w+)\.py`", page, flags=re.MULTILINE) == list(FOUND)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(tmp_path, path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
    if "sklearn" in path.stem:
        pytest.importorskip("sklearn", reason="needs the extra 'sklearn'")
    done = subprocess.run(
        [sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(FOUND[path.stem], done.stdout), done.stdout
    assert not list(tmp_path.iterdir())
