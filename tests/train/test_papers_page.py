"""docs/papers.md says of every recipe what its default is, and names settings that exist."""

import re
from dataclasses import fields

import pytest

from stars_infer.train.protocols.paper_settings import PAPERS
from stars_infer.train.recipe import load_recipe
from tests.conftest import REPOSITORY
from tests.train.test_docs import options_of

PAGE = (REPOSITORY / "docs/papers.md").read_text(encoding="utf-8")
FLAG = re.compile(r"--([a-z][\w-]*)(?: ([\w.]+))?")


def rows():
    """Recipe, the three cells behind the first, of every table of settings of a recipe."""
    for section in PAGE.split("\n## ")[1:]:
        title, *lines = section.splitlines()
        recipe = re.search(r"`([\w-]+)`", title)
        for line in lines if recipe else ():
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if len(cells) == 4 and cells[-1] in ("paper", "code"):
                yield pytest.param(recipe[1], *cells[1:], id=f"{recipe[1]}: {cells[0][:30]}")


def settings_in(cell):
    """Settings by name, from the flags of a cell."""
    found = {}
    for name, value in FLAG.findall(cell):
        if value:
            number = re.fullmatch(r"[\d.]+", value)
            found[name.replace("-", "_")] = float(value) if number else value
        elif name.startswith("no-"):
            found[name.removeprefix("no-").replace("-", "_")] = False
        else:
            found[name.replace("-", "_")] = True
    return found


def settings_of(recipe):
    config = load_recipe(recipe).configure(data="x", clips=9)
    parts = (config.loop, config.views, config.settings)
    return {field.name: getattr(part, field.name) for part in parts for field in fields(part)}


@pytest.mark.parametrize(("recipe", "paper", "code", "default"), list(rows()))
def test_defaults_are_those_of_the_recipes(recipe, paper, code, default):
    own, other = settings_in(paper), settings_in(code)
    assert own.keys() == other.keys()
    assert all(own[name] != other[name] for name in own)
    configured = settings_of(recipe)
    chosen = own if default == "paper" else other
    assert chosen == {name: configured[name] for name in chosen}
    # The other form is a setting that the recipe takes.
    changed = load_recipe(recipe).with_flags(other if default == "paper" else own)
    changed.configure(data="x", clips=9)


def test_the_tables_are_read():
    assert len(list(rows())) >= 14


def test_recipes_of_the_same_method_agree():
    for recipe, others in (
        ("mamp", ("mamp-ntu120",)),
        ("stars", ("stars-3stage", "head-init", "stars-mirror", "stars-shear", "nnclr")),
        ("skeleton2vec", ("skeleton2vec-ablation", "skeleton2vec-random")),
        ("skeattnclr", ("skeattnclr-bigru", "skeattnclr-dsta")),
    ):
        settings = settings_of(recipe)
        names = ("motion_stride", "motion_target", "motion_intensity", "rounding",
                 "predictor_norm", "queue", "predictor", "mask_norm", "mutual_gradient",
                 "target_layers", "target_norm", "decoder_depth")  # fmt: skip
        for other in others:
            theirs = settings_of(other)
            for name in names:
                assert settings.get(name) == theirs.get(name) or name not in theirs, (other, name)


def test_flags_and_papers_exist():
    known = set()
    for words in ("pretrain", "tune", "eval linear", "eval finetune", "eval semi"):
        known |= options_of(["train", *words.split()])
    assert set(re.findall(r"--[a-z][\w-]+", PAGE)) <= known
    assert set(re.findall(r"--paper ([\w-]+)", PAGE)) == set(PAPERS)
