"""Rows of an exemplar index: added in one go, and read by their numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.nearest import coarse_descriptor, coarse_descriptors, unit

Ids = NDArray[np.int64]
"""Numbers of exemplars."""

_AT_ONCE = 500
"""Rows asked for in one statement; SQLite may take no more than 999 values."""
_BLOCK = 2000
"""Rows decoded at once."""
_COLUMNS = "id, label, source, content_hash, added"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Some exemplars in the order of their numbers.

    Attributes:
        ids: Their numbers, (N,).
        labels: Their actions.
        sources: Where they come from.
        bodies: How many bodies each shows, (N,).
        data: Their sequences in half precision where the model compares those, (bodies, S, F) after
            each other; else their vectors (N, D).
    """

    ids: Ids
    labels: list[str]
    sources: list[str]
    bodies: NDArray[np.intp]
    data: FloatArray

    def parts(self) -> list[FloatArray]:
        """The data of each exemplar."""
        return list(np.split(self.data, np.cumsum(self.bodies)[:-1])) if len(self.ids) else []


def checked(exemplars: Sequence[NewExemplar], model: ModelInfo) -> list[tuple[object, ...]]:
    """Rows for `insert`.

    Raises:
        UsageError: If a label is empty or a description does not fit the model.
    """
    for exemplar in exemplars:
        label = exemplar.label.strip()
        if not label or not label.isprintable():
            raise UsageError(f"{exemplar.label!r} cannot be a label: give it a printable name")
        check_features(exemplar.features, model, exemplar.source)
    if not exemplars:
        return []
    vectors = vectors_of([exemplar.features for exemplar in exemplars]).astype("<f4")
    added = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        (
            exemplar.label.strip(),
            vector.tobytes(),
            None if sequence is None else sequence.astype("<f2").tobytes(),
            1 if sequence is None else len(sequence),
            exemplar.source,
            exemplar.content_hash,
            added,
        )
        for exemplar, vector in zip(exemplars, vectors, strict=True)
        for sequence in (exemplar.features.sequence,)
    ]


def check_features(features: Features, model: ModelInfo, source: str) -> None:
    """Make sure that a description is one of a model.

    Raises:
        UsageError: If it is not.
    """
    vector, sequence, how = features.vector, features.sequence, model.comparison
    if vector is not None and (vector.shape != (model.width,) or not np.isfinite(vector).all()):
        raise UsageError(f"{source}: expected a finite vector ({model.width},), got {vector.shape}")
    if how is None:
        fits, wanted = sequence is None, "no sequence"
    else:
        fits = sequence is not None and how.fits(sequence)
        wanted = f"a finite sequence {how.shape}"
    if not fits:
        found = None if sequence is None else sequence.shape
        raise UsageError(f"{source}: expected {wanted}, got {found}; use Encoder.encode")


def insert(
    connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]
) -> list[Exemplar | None]:
    """Add rows within the transaction that is open.

    Returns:
        For each, the exemplar that already holds the same clip, or None where it was added.
    """
    (before,) = connection.execute("SELECT coalesce(max(id), 0) FROM exemplars").fetchone()
    progress = connection.executemany(
        "INSERT OR IGNORE INTO exemplars "
        "(label, vector, sequence, bodies, source, content_hash, added) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    if progress.rowcount == len(rows):
        return [None] * len(rows)
    hashes = [str(row[5]) for row in rows]
    there: dict[str, Exemplar] = {}
    for start in range(0, len(hashes), _AT_ONCE):
        some = hashes[start : start + _AT_ONCE]
        found = connection.execute(
            f"SELECT {_COLUMNS} FROM exemplars WHERE content_hash IN ({_marks(some)})", some
        )
        there.update((row[3], exemplar_of(row)) for row in found)
    result: list[Exemplar | None] = []
    new: set[str] = set()
    for content_hash in hashes:
        known = there[content_hash]
        added = known.id > before and content_hash not in new
        new.add(content_hash)
        result.append(None if added else known)
    return result


def exemplar_of(row: tuple[int, str, str, str, str]) -> Exemplar:
    """From id, label, source, content hash and time of adding."""
    id_, label, source, content_hash, added = row
    return Exemplar(id=id_, label=label, source=source, content_hash=content_hash, added=added)


class RowReader:
    """Reads what a model compares of exemplars.

    Args:
        connection: The index.
        model: Its model.
    """

    def __init__(self, connection: sqlite3.Connection, model: ModelInfo) -> None:
        self._db = connection
        self._how = model.comparison
        self._column = "vector" if self._how is None else "sequence"
        self._width = model.width

    def newer(self, after: int = 0) -> Rows:
        """Exemplars that were added after one, of which the number is given."""
        return _joined(list(self._blocks(after)) or [self._rows([])])

    def with_ids(self, ids: Ids) -> Rows:
        """Those of some exemplars that are still there, in the order of their numbers."""
        wanted = np.sort(ids).tolist()
        found: list[tuple[int, str, str, int, bytes]] = []
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            found += self._db.execute(
                f"SELECT id, label, source, bodies, {self._column} FROM exemplars "
                f"WHERE id IN ({_marks(some)}) ORDER BY id",
                some,
            )
        return self._rows(found)

    def unit_vectors(self, ids: Ids) -> FloatArray:
        """What is searched of exemplars (N, W), zero where one is gone; as `unit_vectors_of`."""
        result = np.zeros((len(ids), self.searched_width), np.float32)
        for start in range(0, len(ids), _BLOCK):
            some = ids[start : start + _BLOCK]
            rows = self.with_ids(some)
            order = np.argsort(some)
            positions = start + order[np.searchsorted(some[order], rows.ids)]
            result[positions] = self.unit_vectors_of(rows)
        return result

    def unit_vectors_of(self, rows: Rows) -> FloatArray:
        """Unit vectors (N, D), or unit coarse descriptors of sequences."""
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
    def searched_width(self) -> int:
        """W, numbers of what is searched."""
        if self._how is None:
            return self._width
        return len(coarse_descriptor(np.zeros((1, *self._how.shape[1:]), np.float16)))

    def _blocks(self, after: int) -> Iterator[Rows]:
        found = self._db.execute(
            f"SELECT id, label, source, bodies, {self._column} FROM exemplars "
            "WHERE id > ? ORDER BY id",
            (after,),
        )
        while block := found.fetchmany(_BLOCK):
            yield self._rows(block)

    def _rows(self, found: Sequence[tuple[int, str, str, int, bytes]]) -> Rows:
        how = self._how
        form = (self._width,) if how is None else how.shape[1:]
        blobs = b"".join([row[4] for row in found])
        return Rows(
            ids=np.array([row[0] for row in found], np.int64),
            labels=[row[1] for row in found],
            sources=[row[2] for row in found],
            bodies=np.array([1 if how is None else row[3] for row in found], np.intp),
            data=np.frombuffer(blobs, "<f4" if how is None else "<f2").reshape(-1, *form),
        )


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
        known: Actions that have a place already.

    Returns:
        Numbers (N,), places of their actions (N,), and the actions by their places.
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


def sources_of(connection: sqlite3.Connection, ids: Sequence[int]) -> list[str]:
    """Where exemplars come from; empty where one is gone."""
    found: dict[int, str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        found.update(
            connection.execute(
                f"SELECT id, source FROM exemplars WHERE id IN ({_marks(some)})", some
            ).fetchall()
        )
    return [found.get(number, "") for number in ids]


def _joined(blocks: Sequence[Rows]) -> Rows:
    return Rows(
        ids=np.concatenate([block.ids for block in blocks]),
        labels=[label for block in blocks for label in block.labels],
        sources=[source for block in blocks for source in block.sources],
        bodies=np.concatenate([block.bodies for block in blocks]),
        data=np.concatenate([block.data for block in blocks]),
    )


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def as_queries(rows: Rows, model: ModelInfo) -> list[Features]:
    """Exemplars as clips that are to be named."""
    if model.comparison is None:
        return [Features(vector=vector) for vector in rows.data]
    return [Features(vector=None, sequence=sequence) for sequence in rows.parts()]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExemplar:
    """A labeled clip on its way into the index.

    Attributes:
        label: Its action.
        features: From `Encoder.encode`.
        source: Where it comes from.
        content_hash: `Clip.content_hash`, which tells a clip that is already there.
    """

    label: str
    features: Features
    source: str
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A labeled clip in the index."""

    id: int
    label: str
    source: str
    content_hash: str
    added: str
    """Time of adding, UTC, ISO 8601."""
