"""The rows of an exemplar index, read as arrays."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.index.exemplar import COLUMNS, VALUES_PER_STATEMENT, Exemplar
from stars_infer.index.file import IndexFile
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features, unit
from stars_infer.similarity.nearest import coarse_descriptor, coarse_descriptors

Ids = NDArray[np.int64]
"""Numbers of exemplars."""
Row = tuple[Any, ...]
"""Number, label, source, bodies, and what the model compares, as bytes."""

_BLOCK = 2000
"""Rows decoded at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExemplarRows:
    """What a model compares of N exemplars, in the order of their numbers.

    Attributes:
        ids: Their numbers, (N,).
        labels: Their actions.
        sources: Where they come from.
        bodies: How many bodies each shows, (N,).
        data: Their sequences in half precision where the model compares those, one body after the
            other (bodies, S, F); else their vectors (N, D).
        vectors: Their vectors (N, D) where they count beside sequences; else None.
    """

    ids: Ids
    labels: list[str]
    sources: list[str]
    bodies: NDArray[np.intp]
    data: FloatArray
    vectors: FloatArray | None = None

    def parts(self) -> list[FloatArray]:
        """The data of each exemplar."""
        return list(np.split(self.data, np.cumsum(self.bodies)[:-1])) if len(self.ids) else []


class RowReader:
    """Reads what a model compares of exemplars.

    Args:
        file: The index.
        model: Its model.
    """

    def __init__(self, file: IndexFile, model: ModelInfo) -> None:
        self._file = file
        self._how = model.comparison
        self._joint = self._how is not None and model.compares_vectors
        self._columns = "vector" if self._how is None else "sequence"
        self._columns += ", vector" if self._joint else ""
        self._width = model.width
        self._model = model

    def newer(self, after: int = 0) -> ExemplarRows:
        """Exemplars with numbers above one."""
        with self._file.reading() as connection:
            return _concatenate(list(self._blocks(connection, after)) or [self._rows([])])

    def queries(self, ids: Ids) -> list[Features]:
        """Exemplars with these numbers as queries, in this order; all must be there."""
        rows = self.with_ids(ids)
        made = self.as_queries(rows)
        return [made[int(place)] for place in np.searchsorted(rows.ids, ids)]

    def as_queries(self, rows: ExemplarRows) -> list[Features]:
        """See `as_queries`."""
        return as_queries(rows, self._model)

    def with_ids(self, ids: Ids) -> ExemplarRows:
        """Exemplars with these numbers, as far as they are still there, by number."""
        found: list[Row] = []
        with self._file.reading() as connection:
            for some, marks in _portions(np.sort(ids).tolist()):
                found += connection.execute(
                    f"SELECT id, label, source, bodies, {self._columns} FROM exemplars "
                    f"WHERE id IN ({marks}) ORDER BY id",
                    some,
                )
        return self._rows(found)

    def unit_vectors(self, ids: Ids) -> FloatArray:
        """`unit_vectors_of` exemplars with these numbers, (N, W); zero where one is gone."""
        result = np.zeros((len(ids), self.searched_width), np.float32)
        for start in range(0, len(ids), _BLOCK):
            some = ids[start : start + _BLOCK]
            rows = self.with_ids(some)
            order = np.argsort(some)
            positions = start + order[np.searchsorted(some[order], rows.ids)]
            result[positions] = self.unit_vectors_of(rows)
        return result

    def unit_vectors_of(self, rows: ExemplarRows) -> FloatArray:
        """What is searched of exemplars: unit vectors, or coarse descriptors as such, (N, W)."""
        if self._how is None:
            return unit(rows.data)
        result = np.zeros((len(rows.ids), self.searched_width), np.float32)
        starts = np.cumsum(rows.bodies) - rows.bodies
        for count in np.unique(rows.bodies):
            positions = np.flatnonzero(rows.bodies == count)
            some = rows.data[starts[positions][:, None] + np.arange(count)]
            result[positions] = unit(coarse_descriptors(some))
        return result

    @property
    def comparison(self) -> SequenceConfig:
        """How the model compares sequences.

        Raises:
            UsageError: If it compares vectors.
        """
        if self._how is None:
            raise UsageError("the model compares vectors, not sequences")
        return self._how

    @property
    def searched_width(self) -> int:
        """W, the width of what is searched."""
        if self._how is None:
            return self._width
        return len(coarse_descriptor(np.zeros((1, *self._how.shape[1:]), np.float16)))

    def _blocks(self, connection: sqlite3.Connection, after: int) -> Iterator[ExemplarRows]:
        found = connection.execute(
            f"SELECT id, label, source, bodies, {self._columns} FROM exemplars "
            "WHERE id > ? ORDER BY id",
            (after,),
        )
        while block := found.fetchmany(_BLOCK):
            yield self._rows(block)

    def _rows(self, found: Sequence[Row]) -> ExemplarRows:
        how = self._how
        form = (self._width,) if how is None else how.shape[1:]
        blobs = b"".join([row[4] for row in found])
        return ExemplarRows(
            ids=np.array([row[0] for row in found], np.int64),
            labels=[row[1] for row in found],
            sources=[row[2] for row in found],
            bodies=np.array([1 if how is None else row[3] for row in found], np.intp),
            data=np.frombuffer(blobs, "<f4" if how is None else "<f2").reshape(-1, *form),
            vectors=self._vectors(found) if self._joint else None,
        )

    def _vectors(self, found: Sequence[Row]) -> FloatArray:
        """The last column, (N, D)."""
        blobs = b"".join([row[5] for row in found])
        return np.frombuffer(blobs, "<f4").reshape(-1, self._width)


def count_of(connection: sqlite3.Connection) -> int:
    """How many exemplars there are."""
    return int(connection.execute("SELECT count(*) FROM exemplars").fetchone()[0])


def labeled_ids(
    connection: sqlite3.Connection, *, after: int = 0, known: Sequence[str] = ()
) -> tuple[Ids, NDArray[np.int32], tuple[str, ...]]:
    """Numbers of exemplars, ascending, and their actions.

    Args:
        connection: The index.
        after: Only larger numbers.
        known: Actions that have a position already.

    Returns:
        Numbers (N,), positions of their actions (N,), and the actions.
    """
    positions = {name: position for position, name in enumerate(known)}
    if after:
        rows = connection.execute("SELECT id, label FROM exemplars WHERE id > ?", (after,))
    else:  # by the index of labels alone, which is a small part of the file
        rows = connection.execute("SELECT id, label FROM exemplars ORDER BY label")
    ids, labels = [], []
    for number, label in rows:
        ids.append(number)
        labels.append(positions.setdefault(label, len(positions)))
    found = np.array(ids, np.int64)
    order = np.argsort(found, kind="stable")
    return found[order], np.array(labels, np.int32)[order], tuple(positions)


def labels_of(connection: sqlite3.Connection, ids: Ids) -> dict[int, str]:
    """The actions of exemplars, of those that are still there."""
    return _column_of(connection, "label", ids.tolist())


def sources_of(connection: sqlite3.Connection, ids: Sequence[int]) -> list[str]:
    """Where exemplars come from; empty where one is gone."""
    found = _column_of(connection, "source", ids)
    return [found.get(number, "") for number in ids]


def features_of(
    connection: sqlite3.Connection, model: ModelInfo
) -> list[tuple[Exemplar, Features]]:
    """All exemplars and what is kept of them, by label and then by number."""
    rows = connection.execute(
        f"SELECT {COLUMNS}, vector, sequence, bodies FROM exemplars ORDER BY label, id"
    )
    return [
        (
            Exemplar.of_row(row[:5]),
            Features(
                vector=None if row[5] is None else np.frombuffer(row[5], "<f4"),
                sequence=None if row[6] is None else _sequence(row[6], row[7], model),
            ),
        )
        for row in rows
    ]


def _sequence(blob: bytes, bodies: int, model: ModelInfo) -> FloatArray:
    how = model.comparison
    assert how is not None
    return np.frombuffer(blob, "<f2").reshape(bodies, *how.shape[1:])


def _column_of(connection: sqlite3.Connection, column: str, ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for some, marks in _portions(ids):
        rows = connection.execute(f"SELECT id, {column} FROM exemplars WHERE id IN ({marks})", some)
        found.update(rows.fetchall())
    return found


def _portions(ids: Sequence[int]) -> Iterator[tuple[Sequence[int], str]]:
    """As many numbers as one statement takes, and the marks that stand for them."""
    for start in range(0, len(ids), VALUES_PER_STATEMENT):
        some = ids[start : start + VALUES_PER_STATEMENT]
        yield some, ",".join("?" * len(some))


def _concatenate(blocks: Sequence[ExemplarRows]) -> ExemplarRows:
    vectors = [block.vectors for block in blocks if block.vectors is not None]
    return ExemplarRows(
        ids=np.concatenate([block.ids for block in blocks]),
        labels=[label for block in blocks for label in block.labels],
        sources=[source for block in blocks for source in block.sources],
        bodies=np.concatenate([block.bodies for block in blocks]),
        data=np.concatenate([block.data for block in blocks]),
        vectors=np.concatenate(vectors) if vectors else None,
    )


def as_queries(rows: ExemplarRows, model: ModelInfo) -> list[Features]:
    """Exemplars as queries."""
    if model.comparison is None:
        return [Features(vector=vector) for vector in rows.data]
    vectors = [None] * len(rows.ids) if rows.vectors is None else rows.vectors
    return [
        Features(vector=vector, sequence=sequence)
        for vector, sequence in zip(vectors, rows.parts(), strict=True)
    ]
