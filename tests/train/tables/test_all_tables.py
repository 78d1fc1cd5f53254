"""All tables end to end on miniature data, each figure drawn."""

import csv

import pytest

from stars_infer.train.reproduction.drawing import DRAWINGS
from stars_infer.train.reproduction.overrides import Overrides
from stars_infer.train.reproduction.reproduce import Selection, reproduce
from stars_infer.train.tables.table import load_tables
from tests.train.tables.conftest import TINY, fabric, places_in, run_here

TABLES = load_tables()


@pytest.mark.slow
def test_every_table_and_figure_is_produced(data, tmp_path):
    """430 runs of seconds; about four minutes on one core."""
    selection = Selection(
        tables=tuple(table.id for table in TABLES), overrides=Overrides.parse(TINY)
    )
    places = places_in(tmp_path, data)
    reports = reproduce(selection, places, fabric=fabric, say=lambda line: None, run=run_here)
    assert [path.stem for path in reports] == [table.id for table in TABLES]
    for table, path in zip(TABLES, reports, strict=True):
        text = path.read_text(encoding="utf-8")
        assert "refused" not in text, table.id
        assert "not run" not in text, table.id
        assert "Not drawn" not in text, table.id
        assert (table.kind in DRAWINGS) == (f"]({table.id}.png)" in text), table.id
        if table.kind in DRAWINGS:
            assert path.with_suffix(".png").stat().st_size > 10_000, table.id
        with path.with_suffix(".csv").open(encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        ours = {row.name for row in table.rows if row.encoder}
        if table.kind in ("diagram", "settings", "attention"):
            continue
        measured = [line for line in lines if line["row"] in ours]
        assert measured, table.id
        assert all(line["ours"] for line in measured), table.id
        assert all(line["state"] == "measured" for line in measured), table.id
