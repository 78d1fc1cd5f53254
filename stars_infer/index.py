"""The exemplar index: labelled vectors in one SQLite file, searched through FAISS."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.classify import Neighbour, Prediction, predict
from stars_infer.clip import FloatArray
from stars_infer.errors import ExemplarIndexError, MissingExtraError, UsageError
from stars_infer.model import ModelInfo

if TYPE_CHECKING:
    import faiss

APPLICATION_ID = 0x53544152
"""Marks the SQLite file as an exemplar index ("STAR")."""
SCHEMA = 1
MAX_DEFAULT_K = 5
_BUSY_SECONDS = 30.0
_FIRST_REACH = 64

_TABLES = """
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExemplar:
    """A labelled clip on its way into the index.

    Attributes:
        label: Its action.
        vector: (D,), any length.
        source: Where it comes from.
        content_hash: `Clip.content_hash`, which tells a clip that is already there.
    """

    label: str
    vector: FloatArray
    source: str
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A labelled clip in the index."""

    id: int
    label: str
    source: str
    content_hash: str
    added: str
    """Time of adding, UTC, ISO 8601."""


class ExemplarIndex:
    """Labelled vectors of one model.

    The SQLite file (WAL mode) is the truth: a kill loses nothing that was added, and several
    processes can add at once. The FAISS index (inner product over unit vectors) is built from it
    when first searched, and again when the file has changed.
    """

    def __init__(self, path: Path, model: ModelInfo, connection: sqlite3.Connection) -> None:
        self.path = path
        self.model = model
        self._db = connection
        self._searcher: tuple[object, _Searcher] | None = None
        self._own_changes = 0

    @classmethod
    def open(cls, path: str | Path, model: ModelInfo, *, create: bool = True) -> ExemplarIndex:
        """Open the index of a model.

        Args:
            path: The SQLite file.
            model: The model whose vectors it holds or is to hold.
            create: Make the file if there is none.

        Raises:
            ExemplarIndexError: If the file is missing, no index, or made by another model.
        """
        path = Path(path)
        if not path.exists() and not create:
            raise ExemplarIndexError(
                f"{path}: no exemplar index here; add clips with "
                "`stars fewshot add-class CLASS/*.npy`, or name one with --index"
            )
        try:
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            _set_up(connection, model)
            name, fingerprint = connection.execute("SELECT name, fingerprint FROM model").fetchone()
        except (sqlite3.Error, TypeError) as error:
            raise ExemplarIndexError(f"{path}: not a usable exemplar index ({error})") from error
        if fingerprint != model.fingerprint:
            connection.close()
            raise ExemplarIndexError(
                f"{path}: made by the model {name!r} ({fingerprint[:12]}), but this is "
                f"{model.name!r} ({model.fingerprint[:12]}); use that model, or another --index"
            )
        return cls(path, model, connection)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> ExemplarIndex:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM exemplars").fetchone()[0])

    def add(self, exemplars: Sequence[NewExemplar]) -> list[Exemplar | None]:
        """Add exemplars in one transaction.

        Returns:
            For each, the exemplar that already holds the same clip, which then stays as it is,
            or None where it was added.

        Raises:
            UsageError: If a label is empty or a vector does not fit the model.
        """
        rows = [self._row(exemplar) for exemplar in exemplars]
        there: list[Exemplar | None] = []
        with self._transaction():
            for row in rows:
                done = self._db.execute(
                    "INSERT OR IGNORE INTO exemplars (label, vector, source, content_hash, added) "
                    "VALUES (?, ?, ?, ?, ?)",
                    row,
                )
                there.append(None if done.rowcount else self._by_hash(row[3]))
        return there

    def remove(self, *, label: str | None = None, ids: Sequence[int] = ()) -> int:
        """Remove all exemplars of a label, and those with the given ids.

        Returns:
            How many were removed.
        """
        with self._transaction():
            removed = self._db.execute("DELETE FROM exemplars WHERE label = ?", (label,)).rowcount
            for id_ in ids:
                done = self._db.execute("DELETE FROM exemplars WHERE id = ?", (id_,))
                removed += done.rowcount
        return removed

    def exemplars(self, label: str | None = None) -> list[Exemplar]:
        """All exemplars, or those of a label, by label and then by age."""
        rows = self._db.execute(
            "SELECT id, label, source, content_hash, added FROM exemplars "
            "WHERE ?1 IS NULL OR label = ?1 ORDER BY label, id",
            (label,),
        )
        return [_exemplar(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Exemplars per label, by label."""
        rows = self._db.execute("SELECT label, count(*) FROM exemplars GROUP BY label")
        return {str(label): int(count) for label, count in rows}

    def search(self, vectors: FloatArray, k: int) -> list[list[Neighbour]]:
        """The k nearest exemplars of each vector (N, D), nearest first.

        Raises:
            ExemplarIndexError: If the index is empty.
        """
        return self._current().search(vectors, k)

    def classify(self, vectors: FloatArray, *, k: int | None = None) -> list[Prediction]:
        """Name clips by the n-nearest-neighbour vote.

        Args:
            vectors: (N, D).
            k: Exemplars that vote; if not given, as many as the smallest class has (the papers'
                n of n-shot), at most `MAX_DEFAULT_K`.

        Raises:
            ExemplarIndexError: If the index is empty.
        """
        counts = self.counts()
        voters = k or min([MAX_DEFAULT_K, *counts.values()])
        searcher = self._current()
        reach = max(voters, min(_FIRST_REACH, searcher.size))
        predictions = [predict(near, voters) for near in searcher.search(vectors, reach)]
        if len(counts) > 1 and reach < searcher.size:
            # A margin needs a second label, which may lie far out in a large index.
            for at, prediction in enumerate(predictions):
                if prediction.margin is None:
                    near = searcher.search(vectors[at : at + 1], searcher.size)[0]
                    predictions[at] = predict(near, voters)
        return predictions

    def _row(self, exemplar: NewExemplar) -> tuple[str, bytes, str, str, str]:
        label = exemplar.label.strip()
        if not label or not label.isprintable():
            raise UsageError(f"{exemplar.label!r} cannot be a label: give it a printable name")
        if exemplar.vector.shape != (self.model.width,) or not np.isfinite(exemplar.vector).all():
            raise UsageError(
                f"{exemplar.source}: expected a finite vector ({self.model.width},), "
                f"got {exemplar.vector.shape}"
            )
        vector = exemplar.vector.astype("<f4").tobytes()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return label, vector, exemplar.source, exemplar.content_hash, now

    def _by_hash(self, content_hash: str) -> Exemplar:
        row = self._db.execute(
            "SELECT id, label, source, content_hash, added FROM exemplars WHERE content_hash = ?",
            (content_hash,),
        ).fetchone()
        return _exemplar(row)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        self._own_changes += 1

    def _current(self) -> _Searcher:
        """A searcher over what the file holds now."""
        # data_version moves with other connections' changes, not with ours.
        version = (self._db.execute("PRAGMA data_version").fetchone()[0], self._own_changes)
        if self._searcher is None or self._searcher[0] != version:
            rows = self._db.execute("SELECT label, source, vector FROM exemplars").fetchall()
            if not rows:
                raise ExemplarIndexError(
                    f"{self.path}: the index is empty; add clips with "
                    "`stars fewshot add-class CLASS/*.npy`"
                )
            self._searcher = version, _Searcher(rows, self.model.width)
        return self._searcher[1]


class _Searcher:
    """Labels, sources and a flat FAISS index over unit vectors."""

    def __init__(self, rows: Sequence[tuple[str, str, bytes]], width: int) -> None:
        try:
            import faiss
        except ImportError as error:
            raise MissingExtraError("searching an index", "cpu", "faiss") from error
        self.labels = [row[0] for row in rows]
        self.sources = [row[1] for row in rows]
        vectors = np.frombuffer(b"".join(row[2] for row in rows), "<f4").reshape(-1, width)
        self._flat: faiss.IndexFlatIP = faiss.IndexFlatIP(width)
        self._flat.add(unit(vectors))

    @property
    def size(self) -> int:
        return len(self.labels)

    def search(self, vectors: FloatArray, k: int) -> list[list[Neighbour]]:
        similarities, places = self._flat.search(unit(vectors), min(k, self.size))
        return [
            [
                Neighbour(
                    label=self.labels[place],
                    similarity=float(similarity),
                    source=self.sources[place],
                )
                for similarity, place in zip(row, near, strict=True)
            ]
            for row, near in zip(similarities, places, strict=True)
        ]


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors (N, D) scaled to length one; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def _set_up(connection: sqlite3.Connection, model: ModelInfo) -> None:
    """Make the tables in a new file, or check that a file is an index.

    Raises:
        sqlite3.DatabaseError: If it is something else.
    """
    mark, tables = _mark(connection)
    if mark == APPLICATION_ID:
        return
    if tables:
        raise sqlite3.DatabaseError("a database of another program")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if _mark(connection)[0] != APPLICATION_ID:  # another process may have been faster
        for statement in _TABLES.split(";")[:-1]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO model VALUES (?, ?, ?)", (model.name, model.fingerprint, model.width)
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _mark(connection: sqlite3.Connection) -> tuple[int, int]:
    """Application id, and number of tables."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    return int(application), int(tables)


def _exemplar(row: tuple[int, str, str, str, str]) -> Exemplar:
    id_, label, source, content_hash, added = row
    return Exemplar(id=id_, label=label, source=source, content_hash=content_hash, added=added)
