import sqlite3

import pytest

from stars_infer import ExemplarIndex
from stars_infer.encoder.model import PRESENT, ModelInfo
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.schema import APPLICATION_ID, SCHEMA
from stars_infer.preprocessing.prepare import Preprocessing

MODEL = ModelInfo(
    name="toy", preprocessing=Preprocessing(), width=4, absent_bodies=PRESENT, fingerprint="f" * 64
)


def test_a_new_file_is_marked(tmp_path):
    with ExemplarIndex.open(tmp_path / "stars.db", MODEL):
        database = sqlite3.connect(tmp_path / "stars.db")
        assert database.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        database.close()


@pytest.mark.parametrize("schema", [SCHEMA - 1, SCHEMA + 1])
def test_an_index_of_another_version_is_refused_and_stays_as_it_is(tmp_path, schema):
    path = tmp_path / "stars.db"
    ExemplarIndex.open(path, MODEL).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {schema}")
    database.close()
    before = path.read_bytes()
    with pytest.raises(
        ExemplarIndexError, match="another version of stars-infer: make it again with `stars fewsh"
    ):
        ExemplarIndex.open(path, MODEL)
    assert path.read_bytes() == before
