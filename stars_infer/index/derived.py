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
from stars_infer.index.file import IndexFile
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import between, pairwise


class ExemplarSimilarity:
    """Similarity of exemplars among themselves; only new ones are compared, and the rest is kept.

    Args:
        file: The index; used within `IndexFile.reading` when this is made.
        ids: Numbers of the exemplars, ascending, (E,).
        queries: The exemplars.
    """

    def __init__(
        self, file: IndexFile, ids: NDArray[np.int64], queries: Sequence[Features]
    ) -> None:
        self._file = file
        self._ids = ids
        self._queries = queries
        self._kept = _read_matrix(file.connection)
        self._matrix: FloatArray | None = None
        self._lock = threading.Lock()

    def matrix(self, progress: ReportProgress = lambda at, end: None) -> FloatArray:
        """Similarities (E, E), symmetric, in the order of the exemplars' numbers.

        Args:
            progress: Called with how many exemplars were compared, and of how many.
        """
        with self._lock:
            if self._matrix is None:
                self._matrix = self._compare(progress)
            return self._matrix

    def _compare(self, progress: ReportProgress) -> FloatArray:
        known, kept = self._kept
        position = {int(number): at for at, number in enumerate(known)}
        at = np.array([position.get(int(number), -1) for number in self._ids], np.intp)
        old, new = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
        result = np.zeros((len(at), len(at)), np.float32)
        result[np.ix_(old, old)] = kept[np.ix_(at[old], at[old])]
        if len(new):
            done = iter(range(1, len(new) + 1))

            def count() -> None:
                progress(next(done), len(new))

            added = [self._queries[int(one)] for one in new]
            if len(old):
                beside = between(added, [self._queries[int(one)] for one in old], progress=count)
                result[np.ix_(new, old)] = beside
                result[np.ix_(old, new)] = beside.T
            result[np.ix_(new, new)] = pairwise(added, progress=None if len(old) else count)
            progress(len(new), len(new))
        if len(new) or len(known) > len(at):
            self._file.keep(lambda connection: _write_matrix(connection, self._ids, result))
        return result


def _read_matrix(connection: sqlite3.Connection) -> tuple[NDArray[np.int64], FloatArray]:
    row = connection.execute("SELECT ids, matrix FROM similarity").fetchone()
    if row is None:
        return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    ids = np.frombuffer(row[0], "<i8")
    return ids, np.frombuffer(row[1], "<f4").reshape(len(ids), len(ids))


def _write_matrix(
    connection: sqlite3.Connection, ids: NDArray[np.int64], matrix: FloatArray
) -> None:
    connection.execute("DELETE FROM similarity")
    connection.execute(
        "INSERT INTO similarity VALUES (?, ?)",
        (ids.astype("<i8").tobytes(), matrix.astype("<f4").tobytes()),
    )


TOLERATED_CHANGE = 0.1
"""Share of exemplars or actions that may come or go before a calibration is measured anew."""
_CALIBRATION_KEY = "calibration"
_CALIBRATION_FORM = 2


def read_calibration(
    connection: sqlite3.Connection, sizes: tuple[int, int], model: ModelInfo
) -> Calibration | None:
    """The calibration that a large index keeps; None where it must be measured.

    Args:
        connection: The index.
        sizes: How many exemplars and actions it holds.
        model: Its model.
    """
    row = connection.execute(
        "SELECT value FROM settings WHERE key = ?", (_CALIBRATION_KEY,)
    ).fetchone()
    if row is None:
        return None
    stored = json.loads(row[0])
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
    connection.execute(
        "INSERT OR REPLACE INTO settings VALUES (?, ?)", (_CALIBRATION_KEY, json.dumps(stored))
    )


def _prior(model: ModelInfo) -> object:
    return json.loads(json.dumps(asdict(model.calibration.nearest)))
