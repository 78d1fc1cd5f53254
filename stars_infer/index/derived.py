"""What an index derives from its exemplars and keeps: their similarities, its calibration."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import Calibration
from stars_infer.encoder.model import ModelInfo
from stars_infer.index.gallery import ExemplarStore

Rows = Callable[[NDArray[np.intp], Callable[[], None]], FloatArray]
"""Similarity (N, E) of the exemplars at some places to all; calls back after each."""


def index_similarities(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    rows: Rows,
    *,
    progress: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Similarity of exemplars (E, E), symmetric; what the file lacks is found and kept there.

    Args:
        connection: The index.
        ids: Of its exemplars.
        rows: Compares.
        progress: Called for every exemplar that was compared anew.
    """
    wanted = np.array(ids, np.int64)
    known, matrix = _kept_matrix(connection)
    position = {int(number): at for at, number in enumerate(known)}
    at = np.array([position.get(number, -1) for number in ids], np.intp)
    result = np.zeros((len(ids), len(ids)), np.float32)
    old, new = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
    result[np.ix_(old, old)] = matrix[np.ix_(at[old], at[old])]
    if len(new):
        result[new] = rows(new, progress)
        result[:, new] = result[new].T
        result[np.ix_(new, new)] = (result[np.ix_(new, new)] + result[np.ix_(new, new)].T) / 2
        np.fill_diagonal(result, 1.0)
    if len(new) or len(known) > len(ids):
        _keep_matrix(connection, wanted, result)
    return result


def _kept_matrix(connection: sqlite3.Connection) -> tuple[NDArray[np.int64], FloatArray]:
    row = connection.execute("SELECT ids, matrix FROM similarity").fetchone()
    if row is None:
        return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    ids = np.frombuffer(row[0], "<i8")
    return ids, np.frombuffer(row[1], "<f4").reshape(len(ids), len(ids))


def _keep_matrix(
    connection: sqlite3.Connection, ids: NDArray[np.int64], matrix: FloatArray
) -> None:
    """Keep it for the next time; a file that cannot be written is no hindrance."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM similarity")
        connection.execute(
            "INSERT INTO similarity VALUES (?, ?)",
            (ids.astype("<i8").tobytes(), matrix.astype("<f4").tobytes()),
        )
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


CHANGE = 0.1
"""Share of exemplars or actions that may come or go before it is measured anew."""
_CALIBRATION_KEY = "calibration"
_CALIBRATION_FORM = 1


def calibration_of_index(
    connection: sqlite3.Connection,
    store: ExemplarStore,
    model: ModelInfo,
    measured: Callable[[], Calibration],
) -> Calibration:
    """The calibration that is kept, if it is still good; else it is measured and kept.

    Args:
        connection: The index.
        store: Its exemplars.
        model: Its model.
        measured: Measures.
    """
    sizes = (int((store.classes >= 0).sum()), len(store.names))
    prior = json.loads(json.dumps(asdict(model.calibration.nearest)))
    kept = _kept_calibration(connection, sizes, prior)
    if kept is not None:
        return kept
    found = measured()
    values = asdict(found) | {
        "unknown": found.unknown.tolist(),
        "known_scores": found.known_scores.tolist(),
    }
    _keep_calibration(
        connection,
        {"form": _CALIBRATION_FORM, "sizes": sizes, "prior": prior, "calibration": values},
    )
    return found


def _kept_calibration(
    connection: sqlite3.Connection, sizes: tuple[int, int], prior: object
) -> Calibration | None:
    row = connection.execute(
        "SELECT value FROM settings WHERE key = ?", (_CALIBRATION_KEY,)
    ).fetchone()
    if row is None:
        return None
    stored = json.loads(row[0])
    changed = [
        abs(now - then) > CHANGE * then for now, then in zip(sizes, stored["sizes"], strict=True)
    ]
    if stored["form"] != _CALIBRATION_FORM or stored["prior"] != prior or any(changed):
        return None
    values = stored["calibration"]
    return Calibration(
        center=values["center"],
        spread=values["spread"],
        known=tuple(values["known"]),
        right=tuple(values["right"]),
        unknown=np.array(values["unknown"], np.float64),
        known_scores=np.array(values["known_scores"], np.float64),
    )


def _keep_calibration(connection: sqlite3.Connection, values: dict[str, object]) -> None:
    """Keep it for the next time; a file that cannot be written is no hindrance."""
    try:
        connection.execute(
            "INSERT INTO settings VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_CALIBRATION_KEY, json.dumps(values)),
        )
    except sqlite3.OperationalError:
        return
