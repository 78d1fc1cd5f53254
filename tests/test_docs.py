"""Pages name commands and options that exist."""

import re
import shlex
from functools import cache

import pytest
from typer.main import get_command

from stars_infer.cli import app
from stars_infer.exporters.cli import app as export
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
            if not line.removeprefix("$ ").startswith("stars "):
                continue
            path, options = called(line.removeprefix("$ "))
            assert path, line
            assert options <= every_option()[path], line


@each_page
def test_options_in_the_text_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    known = set().union(*every_option().values())
    for script in REPOSITORY.glob("benchmarks/**/*.py"):
        known |= set(re.findall(r"\"(--[\w-]+)\"", script.read_text(encoding="utf-8")))
    named = set(re.findall(r"`[^`]*?(?<![\w-])(--[a-z][\w-]*)", text))
    assert named <= known
