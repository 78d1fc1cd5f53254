"""What follows from the exemplars of an index and is kept: their similarities, its calibration."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import Calibration
from stars_infer.encoder.model import ModelInfo
from stars_infer.index.checksums import Damage, checksum_of
from stars_infer.index.file import IndexFile
from stars_infer.index.values import read_values, write_value
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import between, between_mirrored, pairwise

Tables = tuple[FloatArray, FloatArray]
"""Similarity of exemplars to each other, and of their mirror images to exemplars, (E, E) each."""


class ExemplarSimilarity:
    """Similarity of exemplars among themselves; only new ones are compared, and the rest is kept.

    Args:
        file: The index; used within `IndexFile.reading` when this is made.
        ids: Numbers of the exemplars, ascending, (E,).
        queries: The exemplars.
        how: How their model compares sequences; None if it compares vectors.
        before: That of an earlier state of the index, whose tables are taken over.
        sparing: Keep tables in the file only where those there lack many exemplars.
    """

    def __init__(
        self,
        file: IndexFile,
        ids: NDArray[np.int64],
        queries: Sequence[Features],
        how: SequenceConfig | None,
        *,
        before: ExemplarSimilarity | None = None,
        sparing: bool = False,
    ) -> None:
        self._file = file
        self._ids = ids
        self._queries = queries
        self._how = how
        self._sparing = sparing
        self._digest = "" if how is None else how.digest()
        self._kept = None if before is None else before._known_of(ids, queries, self._digest)
        if self._kept is None or self._lacks_less(file.connection, self._kept[0]):
            self._kept = read_tables(file.connection, self._digest)
        self._tables: Tables | None = None
        self._lock = threading.Lock()

    def matrix(self, progress: ReportProgress = lambda at, end: None) -> FloatArray:
        """Similarities (E, E), symmetric, in the order of the exemplars' numbers.

        Args:
            progress: Called with how many exemplars were compared, and of how many.
        """
        return self._all(progress)[0]

    def mirrored(self) -> FloatArray:
        """Similarities of the mirror images of exemplars to exemplars, (E, E), symmetric.

        They are those of `matrix` where the model compares vectors.
        """
        return self._all(lambda at, end: None)[1]

    def _known_of(
        self, ids: NDArray[np.int64], queries: Sequence[Features], digest: str
    ) -> tuple[NDArray[np.int64], Tables] | None:
        """Tables as `read_tables` gives them, without exemplars that are no longer the same."""
        tables = self._tables
        if tables is None or digest != self._digest:
            return None
        now = dict(zip(ids.tolist(), queries, strict=True))
        same = [
            number in now and _are_equal(now[number], one)
            for number, one in zip(self._ids.tolist(), self._queries, strict=True)
        ]
        return np.where(same, self._ids, 0), tables

    def _all(self, progress: ReportProgress) -> Tables:
        with self._lock:
            if self._tables is None:
                self._tables = self._compare(progress)
            return self._tables

    def _compare(self, progress: ReportProgress) -> Tables:
        assert self._kept is not None
        known, kept = self._kept
        position = {int(number): at for at, number in enumerate(known)}
        at = np.array([position.get(int(number), -1) for number in self._ids], np.intp)
        old, new = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
        plain, mirrored = np.zeros((2, len(at), len(at)), np.float32)
        for table, before in zip((plain, mirrored), kept, strict=True):
            table[np.ix_(old, old)] = before[np.ix_(at[old], at[old])]
        if len(new):
            done = iter(range(1, len(new) + 1))

            def count() -> None:
                progress(next(done), len(new))

            added = [self._queries[int(one)] for one in new]
            kept_ones = [self._queries[int(one)] for one in old]
            beside = between(added, kept_ones, self._how, progress=count if len(old) else None)
            among = pairwise(added, self._how, progress=None if len(old) else count)
            _fill(plain, new, old, beside, among)
            if self._how is not None:
                beside = between_mirrored(added, kept_ones, self._how)
                among = between_mirrored(added, added, self._how)
                _fill(mirrored, new, old, beside, np.asarray((among + among.T) / 2))
            progress(len(new), len(new))
        if self._how is None:
            mirrored = plain
        if (len(new) or len(known) > len(at)) and not (self._sparing and self._mostly_kept()):
            self._file.keep(
                lambda connection: _write_tables(
                    connection, self._digest, self._ids, (plain, mirrored)
                )
            )
        self._kept = None
        return plain, mirrored

    def _lacks_less(self, connection: sqlite3.Connection, known: NDArray[np.int64]) -> bool:
        """Whether many are lacking among those that are known, and fewer in the file."""
        lacking = len(np.setdiff1d(self._ids, known))
        return lacking > _FEW_LACKING and self._lacking(connection) < lacking

    def _mostly_kept(self) -> bool:
        """Whether the file keeps the tables of nearly all exemplars."""
        with self._file.reading() as connection:
            lacking = self._lacking(connection)
        return lacking <= max(_FEW_LACKING, _SHARE_LACKING * len(self._ids))

    def _lacking(self, connection: sqlite3.Connection) -> int:
        """How many exemplars are lacking in the tables of the file."""
        row = connection.execute(
            "SELECT ids FROM similarity WHERE comparison = ?", (self._digest,)
        ).fetchone()
        kept = np.frombuffer(b"" if row is None else row[0], "<i8")
        return len(np.setdiff1d(self._ids, kept))


def _are_equal(one: Features, other: Features) -> bool:
    pairs = ((one.sequence, other.sequence), (one.vector, other.vector))
    return all(
        a is b or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs
    )


def _fill(
    table: FloatArray,
    new: NDArray[np.intp],
    old: NDArray[np.intp],
    beside: FloatArray,
    among: FloatArray,
) -> None:
    """Put the similarities of new exemplars to old ones and among each other into a table."""
    table[np.ix_(new, old)] = beside
    table[np.ix_(old, new)] = beside.T
    table[np.ix_(new, new)] = among


def read_tables(
    connection: sqlite3.Connection, digest: str
) -> tuple[NDArray[np.int64], tuple[FloatArray, FloatArray]]:
    """Numbers of exemplars and their tables; none where another comparison made them."""
    row = connection.execute(
        "SELECT ids, matrix, mirrored, checksum FROM similarity WHERE comparison = ?", (digest,)
    ).fetchone()
    if row is None:
        empty = np.zeros((0, 0), np.float32)
        return np.zeros(0, np.int64), (empty, empty)
    if checksum_of(digest, *row[:3]) != row[3]:
        raise Damage("the kept similarities are damaged")
    ids = np.frombuffer(row[0], "<i8")
    plain, mirrored = (np.frombuffer(blob, "<f4").reshape(len(ids), len(ids)) for blob in row[1:3])
    return ids, (plain, mirrored)


def _write_tables(
    connection: sqlite3.Connection, digest: str, ids: NDArray[np.int64], tables: Tables
) -> None:
    blobs = (ids.astype("<i8").tobytes(), *(one.astype("<f4").tobytes() for one in tables))
    connection.execute("DELETE FROM similarity")
    connection.execute(
        "INSERT INTO similarity VALUES (?, ?, ?, ?, ?)",
        (digest, *blobs, checksum_of(digest, *blobs)),
    )


_FEW_LACKING = 8
_SHARE_LACKING = 0.02
"""Exemplars, and the share of them, that may be lacking without other tables being looked for."""
TOLERATED_CHANGE = 0.1
"""Share of exemplars or actions that may come or go before a calibration is measured anew."""
_CALIBRATION_KEY = "calibration"
_CALIBRATION_FORM = 3


def read_calibration(
    connection: sqlite3.Connection, sizes: tuple[int, int], model: ModelInfo
) -> Calibration | None:
    """The calibration that a large index keeps; None where it must be measured.

    Args:
        connection: The index.
        sizes: How many exemplars and actions it holds.
        model: Its model.
    """
    text = read_values(connection).get(_CALIBRATION_KEY)
    if text is None:
        return None
    stored = json.loads(text)
    changed = [
        abs(now - then) > TOLERATED_CHANGE * then
        for now, then in zip(sizes, stored["sizes"], strict=True)
    ]
    if stored["form"] != _CALIBRATION_FORM or stored["prior"] != _prior(model) or any(changed):
        return None
    return Calibration.from_json(stored["calibration"])


def write_calibration(
    connection: sqlite3.Connection,
    calibration: Calibration,
    sizes: tuple[int, int],
    model: ModelInfo,
) -> None:
    """Keep a calibration, within the transaction that is open; see `read_calibration`."""
    stored = {
        "form": _CALIBRATION_FORM,
        "sizes": sizes,
        "prior": _prior(model),
        "calibration": calibration.to_json(),
    }
    write_value(connection, _CALIBRATION_KEY, json.dumps(stored))


def _prior(model: ModelInfo) -> object:
    """What a kept calibration depends on, besides the exemplars."""
    how = model.comparison
    compared = None if how is None else (how.digest(), how.temperature)
    return json.loads(json.dumps([asdict(model.calibration.ridge), compared]))
