"""The rows of an exemplar index, read as arrays."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.index.checksums import (
    ABOUT,
    Damage,
    check_about,
    check_data,
    check_tally,
    checksum_of,
    tally_of,
)
from stars_infer.index.exemplar import VALUES_PER_STATEMENT, exemplars_with
from stars_infer.index.file import IndexFile
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features, unit
from stars_infer.similarity.nearest import coarse_descriptor, coarse_descriptors

Ids = NDArray[np.int64]
"""Numbers of exemplars."""
Row = tuple[Any, ...]
"""The columns `ROW`, and what the model compares, as bytes."""
ROW = f"{ABOUT}, sequence_checksum, vector_checksum"
DATA = len(ROW.split(","))
"""Place of what the model compares in a row."""

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
            blocks = [self._rows(block) for block in self._blocks(connection, after)]
            return _concatenate(blocks or [self._rows([])])

    def every(self) -> ExemplarRows:
        """All exemplars; that they are all is made sure."""
        with self._file.reading() as connection:
            labels: list[int] = []
            data: list[int] = []
            blocks = []
            for block in self._blocks(connection, 0):
                blocks.append(self._rows(block))
                labels += [row[6] for row in block]
                data += map(sum_of, block)
            check_tally(connection, "labels", labels)
            check_tally(connection, "examples", data)
            return _concatenate(blocks or [self._rows([])])

    def queries(self, ids: Ids) -> list[Features]:
        """Exemplars with these numbers as queries, in this order; all must be there."""
        rows = self.with_ids(ids)
        made = self.as_queries(rows)
        return [made[int(place)] for place in np.searchsorted(rows.ids, ids)]

    def as_queries(self, rows: ExemplarRows) -> list[Features]:
        """See `as_queries`."""
        return as_queries(rows, self._model)

    def with_ids(self, ids: Ids, *, all_there: bool = False) -> ExemplarRows:
        """Exemplars with these numbers, as far as they are still there, by number.

        Args:
            ids: The numbers.
            all_there: Whether none may be gone.
        """
        found: list[Row] = []
        with self._file.reading() as connection:
            for some, marks in _portions(np.sort(ids).tolist()):
                found += connection.execute(
                    f"SELECT {ROW}, {self._columns} FROM exemplars "
                    f"WHERE id IN ({marks}) ORDER BY id",
                    some,
                )
            if all_there and len(found) < len(ids):
                raise Damage(f"{len(ids) - len(found)} examples are lost")
            return self._rows(found)

    def unit_vectors_at(
        self, ids: Ids, labels: NDArray[np.int32], names: Sequence[str]
    ) -> Callable[[slice], FloatArray]:
        """Gives `unit_vectors_of` exemplars by their positions, (N, W), within `IndexFile.reading`.

        It raises `Damage` where an exemplar is gone, or has another action than was read.

        Args:
            ids: Numbers of the exemplars, (P,).
            labels: Positions of their actions in `names`, by the index of labels, (P,).
            names: The actions.
        """

        def unit_vectors(positions: slice) -> FloatArray:
            return self._unit_vectors(ids[positions], labels[positions], names)

        return unit_vectors

    def _unit_vectors(
        self, ids: Ids, labels: NDArray[np.int32], names: Sequence[str]
    ) -> FloatArray:
        result = np.zeros((len(ids), self.searched_width), np.float32)
        for start in range(0, len(ids), _BLOCK):
            some = ids[start : start + _BLOCK]
            rows = self.with_ids(some, all_there=True)
            order = np.argsort(some)
            positions = start + order[np.searchsorted(some[order], rows.ids)]
            if rows.labels != [names[label] for label in labels[positions].tolist()]:
                raise Damage("the index of labels has other actions than the examples")
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

    def _blocks(self, connection: sqlite3.Connection, after: int) -> Iterator[list[Row]]:
        found = connection.execute(
            f"SELECT {ROW}, {self._columns} FROM exemplars WHERE id > ? ORDER BY id", (after,)
        )
        while block := found.fetchmany(_BLOCK):
            yield block

    def _rows(self, found: Sequence[Row]) -> ExemplarRows:
        how = self._how
        form = (self._width,) if how is None else how.shape[1:]
        self._check(found)
        blobs = b"".join([row[DATA] for row in found])
        kind = "<f4" if how is None else "<f2"
        return ExemplarRows(
            ids=np.array([row[0] for row in found], np.int64),
            labels=[row[1] for row in found],
            sources=[row[2] for row in found],
            bodies=np.array([1 if how is None else row[5] for row in found], np.intp),
            data=finite(np.frombuffer(blobs, kind).reshape(-1, *form)),
            vectors=self._vectors(found) if self._joint else None,
        )

    def _check(self, found: Sequence[Row]) -> None:
        """Make sure that rows are as they were written, and of the size that is read."""
        check_about(found)
        place = 9 if self._how is None else 8
        size = 4 * self._width if self._how is None else 2 * math.prod(self._how.shape[1:])
        for row in found:
            data = row[DATA]
            check_data(row[0], data, row[place])
            if data is None or len(data) != size * (1 if self._how is None else row[5]):
                raise Damage(f"example {row[0]} is of another size")
            if self._joint:
                check_data(row[0], row[DATA + 1], row[9])
                if row[9] is None:
                    raise Damage(f"example {row[0]} has lost its vector")

    def _vectors(self, found: Sequence[Row]) -> FloatArray:
        """The last column, (N, D)."""
        blobs = b"".join([row[DATA + 1] for row in found])
        return finite(np.frombuffer(blobs, "<f4").reshape(-1, self._width))


def finite(data: FloatArray) -> FloatArray:
    """The same, if all of it is finite.

    Raises:
        Damage: If it is not.
    """
    if data.dtype == np.float16:  # whose exponent is looked at, which is three times faster
        finite = bool(((data.view(np.uint16) & 0x7C00) != 0x7C00).all())
    else:
        finite = bool(np.isfinite(data).all())
    if not finite:
        raise Damage("an example holds numbers that are not finite")
    return data


def count_of(connection: sqlite3.Connection) -> int:
    """How many exemplars there are, by the tally, against which they are counted when read.

    Raises:
        Damage: If that cannot be told.
    """
    return tally_of(connection, "examples")[0]


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

    Raises:
        Damage: If labels are not as they were written, or not all are there.
    """
    positions = {name: position for position, name in enumerate(known)}
    columns = "SELECT id, label, label_checksum FROM exemplars"
    if after:
        rows = connection.execute(f"{columns} WHERE id > ?", (after,))
    else:  # by the index of labels alone, which is a small part of the file
        rows = connection.execute(f"{columns} ORDER BY label")
    ids, labels, checksums = [], [], []
    of_label: dict[object, int] = {}
    for number, label, checksum in rows:
        if label not in of_label:
            of_label[label] = checksum_of(label)
        if checksum != of_label[label]:
            raise Damage(f"the label of example {number} is damaged")
        ids.append(number)
        labels.append(positions.setdefault(label, len(positions)))
        checksums.append(checksum)
    if not after:
        check_tally(connection, "labels", checksums)
    found = np.array(ids, np.int64)
    order = np.argsort(found, kind="stable")
    return found[order], np.array(labels, np.int32)[order], tuple(positions)


def sources_of(connection: sqlite3.Connection, ids: Sequence[int]) -> list[str]:
    """Where exemplars come from; empty where one is gone."""
    found = {one.id: one.source for one in exemplars_with("id", ids, connection)}
    return [found.get(number, "") for number in ids]


def counts_of(connection: sqlite3.Connection) -> dict[str, int]:
    """Exemplars per label, by label.

    Raises:
        Damage: If labels are not as they were written, or not all are there.
    """
    rows = connection.execute(
        "SELECT label, label_checksum, count(*) FROM exemplars "
        "GROUP BY label, label_checksum ORDER BY label"
    ).fetchall()
    count, total = tally_of(connection, "labels")
    if any(checksum_of(label) != checksum for label, checksum, _ in rows):
        raise Damage("a label is damaged")
    if (count, total) != (sum(row[2] for row in rows), sum(row[1] * row[2] for row in rows)):
        raise Damage("the labels are not those that were written last")
    return {label: number for label, _, number in rows}


def sum_of(row: Row) -> int:
    """The checksums of a row, as the tally of examples adds them up."""
    try:
        return int(row[7] + (row[8] or 0) + (row[9] or 0))
    except TypeError as error:
        raise Damage(f"example {row[0]} is damaged") from error


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
