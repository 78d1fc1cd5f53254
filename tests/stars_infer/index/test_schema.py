import sqlite3

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.encoder.model import PRESENT, ModelInfo
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.index import NewExemplar
from stars_infer.index.schema import APPLICATION_ID, SCHEMA
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.features import Features

MODEL = ModelInfo(
    name="toy", preprocessing=Preprocessing(), width=4, absent_bodies=PRESENT, fingerprint="f" * 64
)

_FIRST_SCHEMA = """
CREATE TABLE model (name TEXT NOT NULL, fingerprint TEXT NOT NULL, width INTEGER NOT NULL);
CREATE TABLE exemplars (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL,
    vector BLOB NOT NULL,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL UNIQUE,
    added TEXT NOT NULL
);
CREATE INDEX exemplars_by_label ON exemplars (label);
"""


def direction(number):
    return np.eye(4, dtype=np.float32)[number]


@pytest.fixture
def old_index(tmp_path):
    """An index as version 0.1 wrote it, with two exemplars."""
    path = tmp_path / "stars.db"
    database = sqlite3.connect(path)
    database.executescript("PRAGMA journal_mode = WAL;" + _FIRST_SCHEMA)
    database.execute("INSERT INTO model VALUES ('toy', ?, 4)", (MODEL.fingerprint,))
    for number, label in enumerate("ab"):
        database.execute(
            "INSERT INTO exemplars (label, vector, source, content_hash, added) "
            "VALUES (?, ?, ?, ?, '2026-01-01T00:00:00+00:00')",
            (label, direction(number).tobytes(), f"{label}.npy", label),
        )
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute("PRAGMA user_version = 1")
    database.commit()
    database.close()
    return path


def schema_of(path):
    database = sqlite3.connect(path)
    try:
        return database.execute("PRAGMA user_version").fetchone()[0]
    finally:
        database.close()


def test_an_index_of_the_first_schema_keeps_what_it_holds_and_can_be_added_to(old_index):
    new = NewExemplar(
        label="c", features=Features(vector=direction(2)), source="c.npy", content_hash="c"
    )
    for _ in range(2):  # the second time it is an index of today
        with ExemplarIndex.open(old_index, MODEL) as index:
            there = index.exemplars()[:2]
            assert [(e.label, e.source) for e in there] == [("a", "a.npy"), ("b", "b.npy")]
            assert there[0].added == "2026-01-01T00:00:00+00:00"
            index.add([new])
            assert index.counts() == {"a": 1, "b": 1, "c": 1}
            for number, label in enumerate("abc"):
                (answer,) = index.classify([Features(vector=direction(number))])
                assert answer.label == label
        assert schema_of(old_index) == SCHEMA == 4


def test_an_old_index_is_brought_up_to_date_while_another_process_reads_it(old_index):
    other = sqlite3.connect(old_index, isolation_level=None)
    other.execute("BEGIN")
    before = other.execute("SELECT count(*) FROM exemplars").fetchone()
    with ExemplarIndex.open(old_index, MODEL) as index:
        assert len(index) == 2
    other.execute("COMMIT")
    assert other.execute("SELECT count(*) FROM exemplars").fetchone() == before
    other.close()


def test_an_index_of_a_newer_version_is_refused(old_index):
    database = sqlite3.connect(old_index)
    database.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    database.close()
    with pytest.raises(
        ExemplarIndexError, match=f"schema {SCHEMA + 1} is newer .*update stars-infer"
    ):
        ExemplarIndex.open(old_index, MODEL)
    assert schema_of(old_index) == SCHEMA + 1
