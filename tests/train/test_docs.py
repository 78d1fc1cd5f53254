"""The pages on training name flags, recipes and commands that exist."""

import re
from itertools import chain

import pytest
import typer

from stars_infer.cli.model import app as model_app
from stars_infer.exporters.cli import app as export_app
from stars_infer.train.cli import app as train_app
from stars_infer.train.datasets.cli import app as data_app
from stars_infer.train.recipe import load_recipe, recipe_names
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/training.md").read_text(encoding="utf-8")
RECIPES = "\n".join(load_recipe(name).about for name in recipe_names())
APPS = {"train": train_app, "data": data_app, "model": model_app, "export": export_app}
SCRIPTS = {"--device", "--write"}  # of benchmarks/training/steps.py, beside `--batch`
LAUNCHERS = {
    "--nnodes", "--nproc-per-node", "--rdzv-backend", "--rdzv-endpoint",  # of torchrun
    "--ntasks-per-node", "--gres", "--cpus-per-task", "--signal",  # of SLURM
}  # fmt: skip


def options_of(words):
    """The options of a command of `stars`, such as `train eval knn`."""
    group, *rest = words
    command = typer.main.get_command(APPS[group])
    for word in rest:
        assert word in command.commands, f"there is no command `stars {' '.join(words)}`"
        command = command.commands[word]
    return {name for option in command.params for name in chain(option.opts, option.secondary_opts)}


def commands_in(text):
    """Lines of `stars`, with those that a backslash continues."""
    joined = re.sub(r"\\\n[# ]*", "", text)
    return [line.strip() for line in joined.splitlines() if line.strip().startswith("stars ")]


def words_of(line):
    """The words that name the command: `stars train eval knn RUN` is three of them."""
    words = line.split()[1:]
    depth = 3 if words[:2] == ["train", "eval"] else 1 if words[0] == "export" else 2
    return words[:depth]


@pytest.mark.parametrize("line", commands_in(PAGE) + commands_in(RECIPES))
def test_commands_and_their_flags_exist(line):
    unknown = set(re.findall(r"(?<!\S)--[\w-]+", line)) - options_of(words_of(line))
    assert not unknown, line


def test_every_flag_that_the_page_mentions_exists():
    known = SCRIPTS | LAUNCHERS
    for words in (
        "train pretrain", "train tune", "train reproduce", "train eval knn", "train eval linear",
        "train eval finetune", "train eval transfer", "export", "model fuse", "data prepare",
        "data pack", "train pool",
    ):  # fmt: skip
        known |= options_of(words.split())
    mentioned = set(re.findall(r"--[a-z][\w-]+", PAGE))
    assert len(mentioned) > 50
    assert not mentioned - known


def test_the_page_names_every_recipe_and_no_other():
    (table,) = re.findall(r"\| stage \| recipes \|\n((?:\|.*\n)+)", PAGE)
    named = set(re.findall(r"`([\w-]+)`", table)) - {"pretrain", "tune", "eval", "---"}
    assert named == set(recipe_names())
