"""The tables as data: complete, printed numbers in their columns, encoders that exist."""

import re

import pytest

from stars_infer.errors import UsageError
from stars_infer.train.protocols.cli import app
from stars_infer.train.tables.encoders import encoder_keys, encoder_plan
from stars_infer.train.tables.table import KINDS, Part, find_table, load_tables

TABLES = load_tables()
PROTOCOLS = {command.callback.__name__ for command in app.registered_commands}


def numbers(paper, kind):
    found = {t.number for t in TABLES if t.paper == paper and t.number.startswith(kind)}
    return {number.removeprefix(f"{kind} ").rstrip("abc") for number in found}


@pytest.mark.parametrize(
    ("paper", "tables", "figures"),
    [("STARS", 16, 7), ("Skeleton2vec", 5, 7), ("SkeAttnCLR", 7, 4)],
)
def test_every_table_and_figure_is_there(paper, tables, figures):
    assert numbers(paper, "Table") == {str(n) for n in range(1, tables + 1)}
    assert numbers(paper, "Figure") == {str(n) for n in range(1, figures + 1)}


def test_the_shorter_version_of_stars_is_complete():
    short = {table.short.rstrip("ab") for table in TABLES if table.short}
    assert short == {*(f"Table {n}" for n in range(1, 12)), *(f"Figure {n}" for n in range(1, 7))}
    assert find_table("stars-8").where == "STARS, Table 8 (Table 9 in the shorter version)"
    assert find_table("stars-6").where == "STARS, Table 6"
    assert find_table("stars-12").where == "STARS, Table 12 (longer version)"


SETTINGS = {"knn": r"k=\d+", "semi": r"\d+%", "fewshot": r"\d+-shot"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
def test_settings_are_those_of_the_protocol(table):
    for row in table.rows if table.protocol else ():
        for column in table.columns:
            form = SETTINGS.get(table.protocol, "accuracy")
            assert re.fullmatch(form, table.setting_of(row, column)), row.name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
def test_rows_fit_their_columns(table):
    assert table.kind in KINDS
    assert table.protocol in PROTOCOLS | {""}
    names = [row.name for row in table.rows] + [name for name, _ in table.others]
    assert all(names)
    assert len(names) == len(set(names))
    for printed in (*(row.paper for row in table.rows), *(each for _, each in table.others)):
        assert len(printed) == len(table.columns)
        assert all(number is None or number > 0 for number in printed)
        assert table.unit != "%" or all(number is None or number < 100 for number in printed)
    if table.kind == "sweep":
        assert all(row.x is not None for row in table.rows)
        assert table.axis
    if table.kind not in ("diagram", "settings"):
        assert any(row.encoder for row in table.rows)


def test_every_encoder_is_used_and_every_used_one_exists():
    used = {row.encoder for table in TABLES for row in table.rows if row.encoder}
    made = [encoder_plan(key, "ntu60") for key in used]
    made += [encoder_plan(plan.start, "ntu60") for plan in made if plan.start]
    used |= {plan.start for plan in made if plan.start} | {plan.like for plan in made if plan.like}
    assert used == set(encoder_keys())
    assert encoder_plan("mamp", "ntu120").recipe == "mamp-ntu120"


def test_names_that_do_not_exist():
    with pytest.raises(UsageError, match=r"no table 'stars-66'; did you mean stars-6 or"):
        find_table("stars-66")
    with pytest.raises(UsageError, match="no encoder 'dinosaur' in encoders.toml, which has mamp"):
        encoder_plan("dinosaur", "ntu60")
    with pytest.raises(UsageError, match="'ntu61-xsub' is no split of a data set"):
        Part.of("ntu61-xsub")
