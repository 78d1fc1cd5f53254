"""Rows of exemplars as text, which every database can hold."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.index.checksums import Damage, check_about, check_data
from stars_infer.index.exemplar import VALUES_PER_STATEMENT, EncodedExemplar
from stars_infer.index.network_inputs import EncodedBodies
from stars_infer.shared.record import row_key
from stars_infer.shared.store import StoredRow
from stars_infer.similarity.features import unit
from stars_infer.similarity.nearest import coarse_descriptor

_COLUMNS = (
    "id, label, source, content_hash, added, bodies, label_checksum, checksum, sequence_checksum, "
    "vector_checksum"
)
_SELECT = (
    f"SELECT {', '.join(f'e.{name}' for name in _COLUMNS.split(', '))}, e.sequence, e.vector, "
    "i.scale, i.bodies, i.checksum FROM exemplars e LEFT JOIN network_inputs i ON i.id = e.id"
)
_INSERT = (
    f"INSERT INTO exemplars ({_COLUMNS}, sequence, vector) VALUES ({', '.join('?' * 12)}) "
    "ON CONFLICT DO NOTHING"
)
_VECTOR, _INPUT = 11, 12
"""Places in a row: of the vector, and of what it can be made of."""


def read_rows(
    connection: sqlite3.Connection, numbers: Sequence[int], token: str, model: ModelInfo
) -> Iterator[StoredRow]:
    """The rows of exemplars, as a database is to hold them.

    Args:
        connection: The index.
        numbers: Of the exemplars.
        token: Of the record that adds them.
        model: Of the index.

    Raises:
        Damage: If one is not as it was written.
    """
    for start in range(0, len(numbers), VALUES_PER_STATEMENT):
        some = numbers[start : start + VALUES_PER_STATEMENT]
        marks = ",".join("?" * len(some))
        for row in connection.execute(f"{_SELECT} WHERE e.id IN ({marks}) ORDER BY e.id", some):
            yield StoredRow(
                key=row_key(token, row[0]),
                number=row[0],
                label=row[1],
                source=row[2],
                text=json.dumps([_as_text(value) for value in row]),
                vector=searched_vector(row, model),
            )


def encoded_rows(
    connection: sqlite3.Connection, numbers: Sequence[int]
) -> list[tuple[int, EncodedExemplar]]:
    """Exemplars and their numbers, as far as they are still there.

    Raises:
        Damage: If one is not as it was written.
    """
    found = []
    for start in range(0, len(numbers), VALUES_PER_STATEMENT):
        some = numbers[start : start + VALUES_PER_STATEMENT]
        marks = ",".join("?" * len(some))
        for row in connection.execute(f"{_SELECT} WHERE e.id IN ({marks}) ORDER BY e.id", some):
            _check(row)
            scale, steps, _ = row[_INPUT:]
            one = EncodedExemplar(
                label=row[1],
                source=row[2],
                content_hash=row[3],
                added=row[4],
                bodies=row[5],
                sequence=row[_VECTOR - 1],
                vector=row[_VECTOR],
                network_input=None if steps is None else EncodedBodies(scale, steps),
            )
            found.append((row[0], one))
    return found


def insert_row(connection: sqlite3.Connection, number: int, text: str) -> bool:
    """Write an exemplar from its text, within the transaction that is open.

    Returns:
        Whether it was written; not where the same clip is there.

    Raises:
        Damage: If it is not as it was written.
    """
    row = _parsed(number, text)
    scale, steps, checksum = row[_INPUT:]
    if not connection.execute(_INSERT, row[:_INPUT]).rowcount:
        return False
    if steps is not None:
        connection.execute(
            "INSERT INTO network_inputs VALUES (?, ?, ?, ?)", (number, scale, steps, checksum)
        )
    return True


def _parsed(number: int, text: str) -> list[Any]:
    try:
        row = [_as_value(value) for value in json.loads(text)]
        if len(row) != _INPUT + 3 or row[0] != number:
            raise Damage(f"example {number} is damaged")
        _check(row)
    except (ValueError, TypeError, KeyError) as error:
        raise Damage(f"example {number} is damaged") from error
    return row


def _check(row: Sequence[Any]) -> None:
    """Make sure that a row is as it was written."""
    number, (scale, steps, checksum) = row[0], row[_INPUT:]
    check_about([row])
    check_data(number, row[_VECTOR - 1], row[8])
    check_data(number, row[_VECTOR], row[9])
    if steps is not None and EncodedBodies(scale, steps).checksum(number) != checksum:
        raise Damage(f"what the vector of example {number} is made of is damaged")


def searched_vector(row: Sequence[Any], model: ModelInfo) -> FloatArray:
    """What the database can search by, of length 1: of the vector, else of the short sequence."""
    how = model.comparison
    if how is None:
        return np.asarray(unit(np.frombuffer(row[_VECTOR], "<f4")[None])[0])
    sequence = np.frombuffer(row[_VECTOR - 1], "<f2").reshape(row[5], *how.shape[1:])
    return np.asarray(unit(coarse_descriptor(sequence)[None])[0])


def searched_width(model: ModelInfo) -> int:
    """How many numbers the database searches by."""
    if model.comparison is None:
        return model.width
    return len(coarse_descriptor(np.zeros((1, *model.comparison.shape[1:]), np.float16)))


def _as_text(value: object) -> object:
    return {"bytes": b64encode(value).decode()} if isinstance(value, bytes) else value


def _as_value(value: Any) -> object:
    return b64decode(value["bytes"], validate=True) if isinstance(value, dict) else value
