"""The exemplar index: labeled clips in one SQLite file, and how they name others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import Calibration
from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index.derived import calibration_of_index, index_similarities
from stars_infer.index.gallery import ExemplarStore, Gallery, SmallStore
from stars_infer.index.large.ann import Progress
from stars_infer.index.large.cache import CacheFolder
from stars_infer.index.large.store import LargeStore
from stars_infer.index.rows import Exemplar as Exemplar
from stars_infer.index.rows import NewExemplar as NewExemplar
from stars_infer.index.rows import (
    RowReader,
    as_queries,
    check_features,
    checked,
    count_of,
    exemplar_of,
    insert,
)
from stars_infer.index.schema import set_up
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import CANDIDATES, searcher_of

_BUSY_SECONDS = 30.0
_FALSE_ACCEPT = "false_accept_rate"


class ExemplarIndex:
    """Labeled clips as one model describes them.

    The SQLite file (WAL mode) is the truth: a kill loses nothing that was added, and several
    processes can add at once. What is searched is built from it when first needed, and again when
    the file has changed.
    """

    def __init__(self, path: Path, model: ModelInfo, connection: sqlite3.Connection) -> None:
        self.path = path
        self.model = model
        self._db = connection
        self._gallery: tuple[object, Gallery] | None = None
        self._large: LargeStore | None = None
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
            set_up(connection, model)
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
        return count_of(self._db)

    def add(self, exemplars: Sequence[NewExemplar]) -> list[Exemplar | None]:
        """Add exemplars in one transaction.

        Returns:
            For each, the exemplar that already holds the same clip, which then stays as it is,
            or None where it was added.

        Raises:
            UsageError: If a label is empty or a description does not fit the model.
        """
        rows = checked(exemplars, self.model)
        with self._transaction():
            return insert(self._db, rows)

    def remove(self, *, label: str | None = None, ids: Sequence[int] = ()) -> int:
        """Remove all exemplars of a label, and those with the given ids.

        Returns:
            How many were removed.
        """
        with self._transaction():
            removed = self._db.execute("DELETE FROM exemplars WHERE label = ?", (label,)).rowcount
            for id_ in ids:
                deleted = self._db.execute("DELETE FROM exemplars WHERE id = ?", (id_,))
                removed += deleted.rowcount
        return removed

    def exemplars(self, label: str | None = None) -> list[Exemplar]:
        """All exemplars, or those of a label, by label and then by age."""
        rows = self._db.execute(
            "SELECT id, label, source, content_hash, added FROM exemplars "
            "WHERE ?1 IS NULL OR label = ?1 ORDER BY label, id",
            (label,),
        )
        return [exemplar_of(row) for row in rows]

    def clip_features(self) -> list[tuple[Exemplar, Features]]:
        """All exemplars with what is kept of them, by label and then by age."""
        rows = self._db.execute(
            "SELECT id, label, source, content_hash, added, vector, sequence, bodies "
            "FROM exemplars ORDER BY label, id"
        )
        return [
            (
                exemplar_of(row[:5]),
                Features(
                    vector=np.frombuffer(row[5], "<f4"),
                    sequence=None if row[6] is None else self._sequence(row[6], row[7]),
                ),
            )
            for row in rows
        ]

    def counts(self) -> dict[str, int]:
        """Exemplars per label, by label."""
        rows = self._db.execute("SELECT label, count(*) FROM exemplars GROUP BY label")
        return {str(label): int(count) for label, count in rows}

    def search(self, queries: Sequence[Features], k: int) -> list[list[Neighbor]]:
        """The k nearest exemplars of each clip, nearest first.

        Args:
            queries: From `Encoder.encode`.
            k: How many.

        Raises:
            ExemplarIndexError: If the index is empty.
            UsageError: If a description does not fit the model.
        """
        for query in queries:
            check_features(query, self.model, "query")
        return self._current().nearest(queries, k)

    def classify(
        self, queries: Sequence[Features], options: ClassifyOptions | None = None
    ) -> list[Prediction]:
        """Name clips by their nearest exemplars, and say how surely.

        Args:
            queries: From `Encoder.encode`, as questions or whole.
            options: How; by the default classifier and the index's own threshold if not given.

        Raises:
            ExemplarIndexError: If the index is empty.
            UsageError: If a description does not fit the model.
        """
        for query in queries:
            check_features(query, self.model, "query")
        gallery = self._current()
        if not queries:
            return []
        return gallery.classify(queries, self.options() if options is None else options)

    def options(self) -> ClassifyOptions:
        """How clips are named if nothing else is said: with the threshold that the index keeps."""
        row = self._db.execute(
            "SELECT value FROM settings WHERE key = ?", (_FALSE_ACCEPT,)
        ).fetchone()
        return ClassifyOptions(false_accept_rate=None if row is None else float(row[0]))

    def set_false_accept_rate(self, share: float | None) -> None:
        """Set the threshold for "unknown": the share of unknown clips that may be named, 0 to 1.

        Args:
            share: None for "named if more likely known than not".

        Raises:
            UsageError: If it is not between 0 and 1.
        """
        ClassifyOptions(false_accept_rate=share)
        with self._transaction():
            self._db.execute("DELETE FROM settings WHERE key = ?", (_FALSE_ACCEPT,))
            if share is not None:
                self._db.execute("INSERT INTO settings VALUES (?, ?)", (_FALSE_ACCEPT, repr(share)))

    def calibration(self) -> Calibration:
        """How the exemplars tell known clips from unknown clips.

        Raises:
            ExemplarIndexError: If the index is empty.
        """
        return self._current().open_set(self.options()).calibration

    def prepare(self, progress: Progress = lambda at, end: None) -> None:
        """Make ready to name clips: a large index makes what it is searched by, or extends it.

        That is kept beside the file, in the folder `INDEX.cache`. Naming does it when it was not
        done.

        Args:
            progress: Called with how much is done, and of how much.

        Raises:
            ExemplarIndexError: If the index is empty.
        """
        self._current(progress)

    def compare_exemplars(self, progress: Callable[[], None] = lambda: None) -> FloatArray:
        """Similarity of all exemplars to each other (E, E), in the order of their ids.

        It is kept in the file; only exemplars that are new are compared. Naming needs it, and makes
        it when it is not there.

        Args:
            progress: Called for every exemplar that was compared.

        Raises:
            UsageError: If there are more than `CANDIDATES`, of which not all are compared.
        """
        if len(self) > CANDIDATES:
            raise UsageError(
                f"{self.path}: {len(self):,} exemplars are too many to compare each with each, "
                f"at most {CANDIDATES:,}"
            )
        rows = RowReader(self._db, self.model).newer()
        queries = as_queries(rows, self.model)

        def compared(positions: NDArray[np.intp], progress: Callable[[], None]) -> FloatArray:
            searcher = searcher_of(queries)
            result = np.empty((len(positions), len(queries)), np.float32)
            for at, position in enumerate(positions):
                ((found, similar),) = searcher.nearest([queries[position]], len(queries))
                result[at, found] = similar
                progress()
            return result

        return index_similarities(self._db, rows.ids.tolist(), compared, progress=progress)

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

    def _current(self, progress: Progress = lambda at, end: None) -> Gallery:
        """What the file holds now, ready to name clips.

        Raises:
            ExemplarIndexError: If it holds nothing.
        """
        # data_version moves with other connections' changes, not with ours.
        version = (self._db.execute("PRAGMA data_version").fetchone()[0], self._own_changes)
        if self._gallery is None or self._gallery[0] != version:
            store = self._store(progress)
            gallery = Gallery(
                store,
                self.model,
                similarity=self.compare_exemplars,
                calibrated=lambda made: calibration_of_index(self._db, store, self.model, made),
            )
            self._gallery = version, gallery
        return self._gallery[1]

    def _store(self, progress: Progress) -> ExemplarStore:
        size = len(self)
        if not size:
            raise ExemplarIndexError(
                f"{self.path}: the index is empty; add clips with "
                "`stars fewshot add-class CLASS/*.npy`"
            )
        if size <= CANDIDATES:
            return SmallStore(RowReader(self._db, self.model).newer(), self.model)
        if self._large is None:
            self._large = LargeStore(self._db, CacheFolder(self.path), self.model)
        self._large.refresh(progress)
        return self._large

    def _sequence(self, blob: bytes, bodies: int) -> FloatArray:
        how = self.model.comparison
        assert how is not None
        return np.frombuffer(blob, "<f2").reshape(bodies, *how.shape[1:])
