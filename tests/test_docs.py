"""Pages name commands and options that exist, and their examples run."""

import pkgutil
import re
import shlex
from functools import cache

import numpy as np
import pytest
from typer.main import get_command

from stars_infer.cli import app
from stars_infer.exporters.cli import app as export
from stars_infer.synthetic.actions import perform
from stars_infer.train.cli import app as train
from stars_infer.train.datasets.cli import app as data
from tests.conftest import REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"),
                *REPOSITORY.glob("models/*/README.md")])  # fmt: skip
each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix()
)


def options_of(command, path=()):
    """The options of each command under a command, by the words that call it."""
    if not hasattr(command, "commands"):
        names = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        return {path: names | {"--help", "-h"}}
    found = {path: {"--help", "-h", *(name for one in command.params for name in one.opts)}}
    for name, sub in command.commands.items():
        found |= options_of(sub, (*path, name))
    return found


@cache
def every_option():
    found = options_of(get_command(app))
    for words, part in ((("train",), train), (("export",), export), (("data",), data)):
        found |= {(*words, *path): names for path, names in options_of(get_command(part)).items()}
    return found


def called(line):
    """The command that a line of shell calls, and the options that it gives it."""
    words = shlex.split(line.replace("…", ""), comments=True)[1:]
    words = words[: next((at for at, word in enumerate(words) if word in "<|>&&"), len(words))]
    path = ()
    while len(path) < len(words) and (*path, words[len(path)]) in every_option():
        path = (*path, words[len(path)])
    return path, {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}


@each_page
def test_commands_exist_and_have_their_options(page):
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:bash|console)\n(.*?)```", text, flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.removeprefix("$ ").removeprefix(".venv/bin/")
            if not line.startswith("stars "):
                continue
            path, options = called(line)
            assert path, line
            assert options <= every_option()[path], line


@each_page
def test_options_in_the_text_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    known = set().union(*every_option().values())
    scripts = [*REPOSITORY.glob("benchmarks/**/*.py"), *REPOSITORY.glob("tests/faults/*.py")]
    for script in scripts:
        known |= set(re.findall(r"\"(--[\w-]+)\"", script.read_text(encoding="utf-8")))
    named = set(re.findall(r"`[^`]*?(?<![\w-])(--[a-z][\w-]*)", text))
    assert named <= known


def blocks(page, kind):
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", ["open-set.md", "search.md"])
def test_commands_of_a_page_run(tiny_by_default, page):
    stars = tiny_by_default
    assert stars("demo", "--out", "demo")[0] == 0
    assert stars("fewshot", "add-class", "demo/wave", "demo/clap")[0] == 0
    for line in "".join(blocks(page, "bash")).splitlines():
        if line.startswith("stars "):
            code, _, err = stars(*shlex.split(line)[1:])
            assert code == 0, (line, err)


def test_search_from_python(tiny_by_default, capsys):
    stars = tiny_by_default
    assert stars("demo", "--out", "demo")[0] == 0
    assert stars("embed", "demo", "--out", "demo.npz")[0] == 0
    (example,) = blocks("search.md", "python")
    exec(compile(example, "search.md", "exec"), {})
    assert capsys.readouterr().out.startswith("[('demo/clap/S001C001P006R001A002.skeleton', 1.0)")


def test_recordings_and_streams_from_python(tiny_by_default, tmp_path):
    stars = tiny_by_default
    assert stars("demo", "--out", "demo")[0] == 0
    assert stars("fewshot", "add-class", "demo/wave", "demo/squat")[0] == 0
    random = np.random.default_rng(0)
    moves = [perform(action, random)[0] for action in ("wave", "squat")]
    np.save(tmp_path / "morning.npy", np.concatenate(moves))
    seen = {"frames": [(joints[:20], at / 30) for at, joints in enumerate(moves[0])]}
    recording, stream = blocks("segmentation-and-streaming.md", "python")
    exec(compile(recording, "segmentation-and-streaming.md", "exec"), seen)
    exec(compile(stream, "segmentation-and-streaming.md", "exec"), seen)


def test_each_command_has_a_function_that_exists():
    page = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| command \| function \|\n((?:\|.*\n)+)", page)
    listed = {tuple(name.split()) for name in re.findall(r"`stars ([\w -]+)`", table)}
    commands = {path for path in every_option() if not any(
        len(other) > len(path) and other[: len(path)] == path for other in every_option()
    )}  # fmt: skip
    protocols = {path for path in commands if path[:2] == ("train", "eval")}
    assert listed - protocols == commands - protocols
    assert listed & protocols
    for name in re.findall(r"`(stars_infer[\w.]+)`", table):
        assert callable(pkgutil.resolve_name(name)), name
