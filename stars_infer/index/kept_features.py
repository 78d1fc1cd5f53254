"""All that an index keeps of its exemplars, whether or not the model compares it."""

from __future__ import annotations

import sqlite3

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.index.checksums import Damage, check_about, check_data, check_tally
from stars_infer.index.exemplar import Exemplar
from stars_infer.index.rows import DATA, ROW, Row, finite, sum_of
from stars_infer.similarity.features import Features


def features_of(
    connection: sqlite3.Connection, model: ModelInfo
) -> list[tuple[Exemplar, Features]]:
    """All exemplars and what is kept of them, by label and then by number.

    Raises:
        Damage: If they are not as they were written, or not all are there.
    """
    rows = connection.execute(
        f"SELECT {ROW}, sequence, vector FROM exemplars ORDER BY label, id"
    ).fetchall()
    found = [(Exemplar.of_row(row), checked_features(row, model)) for row in rows]
    check_tally(connection, "labels", [row[6] for row in rows])
    check_tally(connection, "examples", list(map(sum_of, rows)))
    return found


def checked_features(row: Row, model: ModelInfo) -> Features:
    """What is kept of an exemplar, from the columns `ROW`, sequence and vector.

    Raises:
        Damage: If it is not as it was written, or cannot be of the model.
    """
    number, bodies, sequence, vector = row[0], row[5], row[DATA], row[DATA + 1]
    check_about([row])
    check_data(number, sequence, row[8])
    check_data(number, vector, row[9])
    how = model.comparison
    try:
        return Features(
            vector=None if vector is None else finite(_array(vector, "<f4", (model.width,))),
            sequence=None
            if sequence is None or how is None
            else finite(_array(sequence, "<f2", (bodies, *how.shape[1:]))),
        )
    except ValueError as error:
        raise Damage(f"example {number} is of another size") from error


def _array(blob: bytes, kind: str, shape: tuple[int, ...]) -> FloatArray:
    return np.frombuffer(blob, kind).reshape(shape)
