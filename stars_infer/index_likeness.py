"""Likeness of an index's exemplars to each other, kept in its file: only new ones are compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.clip import FloatArray

Rows = Callable[[NDArray[np.intp], Callable[[], None]], FloatArray]
"""Likeness (N, E) of the exemplars at some places to all; calls back after each."""


def likeness_of_index(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    rows: Rows,
    *,
    done: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Likeness of exemplars (E, E), symmetric; what is not in the file yet is found and kept there.

    Args:
        connection: The index.
        ids: Of its exemplars.
        rows: Compares.
        done: Called for every exemplar that was compared anew.
    """
    wanted = np.array(ids, np.int64)
    known, matrix = _kept(connection)
    place = {int(number): at for at, number in enumerate(known)}
    at = np.array([place.get(number, -1) for number in ids], np.intp)
    result = np.zeros((len(ids), len(ids)), np.float32)
    old, new = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
    result[np.ix_(old, old)] = matrix[np.ix_(at[old], at[old])]
    if len(new):
        result[new] = rows(new, done)
        result[:, new] = result[new].T
        result[np.ix_(new, new)] = (result[np.ix_(new, new)] + result[np.ix_(new, new)].T) / 2
        np.fill_diagonal(result, 1.0)
    if len(new) or len(known) > len(ids):
        _keep(connection, wanted, result)
    return result


def _kept(connection: sqlite3.Connection) -> tuple[NDArray[np.int64], FloatArray]:
    row = connection.execute("SELECT ids, matrix FROM likeness").fetchone()
    if row is None:
        return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    ids = np.frombuffer(row[0], "<i8")
    return ids, np.frombuffer(row[1], "<f4").reshape(len(ids), len(ids))


def _keep(connection: sqlite3.Connection, ids: NDArray[np.int64], matrix: FloatArray) -> None:
    """Keep it for the next time; a file that cannot be written is no hindrance."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM likeness")
        connection.execute(
            "INSERT INTO likeness VALUES (?, ?)",
            (ids.astype("<i8").tobytes(), matrix.astype("<f4").tobytes()),
        )
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
