"""The README's commands run, in its order."""

import os
import re
import shlex
from contextlib import redirect_stdout
from io import StringIO

import pytest

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines() if line]
# Full-size training takes minutes; here its shape is smaller, all else as written.
SMALL = {"pretrain": ["--width", "32", "--depth", "2", "--heads", "2"], "tune": ["--queue", "64"]}
REFUSED = "stars classify demo/jump --model my-encoder --index my.db"


def test_make_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = [line.split()[1] for line in COMMANDS if line.startswith("make ")]
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
    assert "make test" in (REPOSITORY / ".ci/run").read_text(encoding="utf-8")


def test_every_command_runs_as_written(stars):
    ran = 0
    for line in COMMANDS:
        command = shlex.split(line, comments=True)
        if command[0] != "stars":
            continue
        small = SMALL.get(command[2], []) if command[1] == "train" else []
        code, _, err = stars(*command[1:], *small)
        if line == REFUSED:
            assert (code, "no exemplar index here" in " ".join(err.split())) == (1, True)
        else:
            assert code == 0, (line, err)
        ran += 1
    assert ran >= 14


def test_python_example_runs(stars, monkeypatch):
    assert stars("demo", "--out", "demo")[0] == 0
    assert stars("fewshot", "add-class", "demo/wave", "demo/clap")[0] == 0
    # The example loads the default encoder; here that is the tiny one.
    from stars_infer import Encoder
    from stars_infer.encoder import encoder

    folder = encoder.find_model
    monkeypatch.setattr(
        encoder, "find_model", lambda model: folder(model or os.environ["STARS_MODEL"])
    )
    assert Encoder.load().info.name == "tiny"
    (example,) = (block for kind, block in BLOCKS if kind == "python")
    out = StringIO()
    with redirect_stdout(out):
        exec(compile(example, "README.md", "exec"), {})
    assert out.getvalue().split()[0] in ("wave", "clap")


def test_no_placeholder_is_left():
    if "@@" in README:
        pytest.fail("the README still has a placeholder")
