"""The README's commands run, in its order."""

import json
import re
import shlex
import subprocess
import tomllib
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest

from stars_infer.synthetic.actions import perform
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines() if line]
# Full-size training takes minutes; here its shape is smaller, all else as written.
SMALL = {"pretrain": ["--width", "32", "--depth", "2", "--heads", "2"], "tune": ["--queue", "64"]}


@pytest.fixture
def own_recordings(tmp_path):
    """What the README calls your own recordings, in the folder in which its commands run."""
    random = np.random.default_rng(0)
    for action in ("wave", "squat", "clap"):
        for name in (f"recordings/{action}/anna", f"recordings/{action}/ben", f"new/{action}"):
            path = tmp_path / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            bodies = perform(action, random).tolist()
            path.write_text(json.dumps({"layout": "ntu25", "fps": 30, "bodies": bodies}))
    (tmp_path / "new/wave.json").rename(tmp_path / "new/clip.json")


def test_there_are_only_blocks_that_run():
    assert {kind for kind, _ in BLOCKS} == {"bash", "python"}
    first = {line.split()[0] for line in COMMANDS}
    assert first == {"make", "pip", "python3", "source", "stars"}


def test_make_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = [line.split()[1] for line in COMMANDS if line.startswith("make ")]
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
    assert "make test" in (REPOSITORY / ".ci/run").read_text(encoding="utf-8")


def test_extras_are_those_of_the_package():
    """What is installed is this checkout, for there is no package elsewhere yet."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(settings["project"]["optional-dependencies"])
    page = (REPOSITORY / "docs/install.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| extra \| brings \|\n((?:\|.*\n)+)", page)
    first = " ".join(line.split("|")[1] for line in table.splitlines())
    assert set(re.findall(r"`([\w-]+)`", first)) == extras - {"dev"}
    installed = [shlex.split(line) for line in COMMANDS if line.startswith("pip ")]
    assert [line[:3] for line in installed] == [["pip", "install", "-e"]] * 2
    for *_, wanted in installed:
        (names,) = re.findall(r"^\.\[([\w,]+)\]$", wanted)
        assert set(names.split(",")) <= extras


def words(line):
    """The words of a line as a shell reads it, which puts files in the place of patterns."""
    shown = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
    )
    return shown.stdout.rstrip("\0").split("\0")


@pytest.mark.usefixtures("own_recordings")
def test_every_command_runs_as_written(stars):
    ran = 0
    for line in COMMANDS:
        command = words(line)
        if command[0] != "stars":
            continue
        small = SMALL.get(command[2], []) if command[1] == "train" else []
        code, _, err = stars(*command[1:], *small)
        assert code == 0, (line, err)
        ran += 1
    assert ran >= 20


@pytest.mark.usefixtures("own_recordings", "tiny_by_default")
def test_python_example_runs():
    (example,) = (block for kind, block in BLOCKS if kind == "python")
    assert len(example.split("\n\n")[1].splitlines()) <= 5
    out = StringIO()
    with redirect_stdout(out):
        exec(compile(example, "README.md", "exec"), {})
    assert out.getvalue().split()[0] == "wave"
