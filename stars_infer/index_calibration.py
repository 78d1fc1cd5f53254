"""Calibration of a large index, kept in its file; measured anew only when much has changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from stars_infer.evidence import Calibration
from stars_infer.holdings import Holdings
from stars_infer.model import ModelInfo

CHANGE = 0.1
"""Share of exemplars or actions that may come or go before it is measured anew."""
_KEY = "calibration"
_FORM = 1


def calibration_of_index(
    connection: sqlite3.Connection,
    holdings: Holdings,
    model: ModelInfo,
    measured: Callable[[], Calibration],
) -> Calibration:
    """The calibration that is kept, if it is still good; else it is measured and kept.

    Args:
        connection: The index.
        holdings: Its exemplars.
        model: Its model.
        measured: Measures.
    """
    sizes = (int((holdings.classes >= 0).sum()), len(holdings.names))
    prior = json.loads(json.dumps(asdict(model.calibration.nearest)))
    kept = _kept(connection, sizes, prior)
    if kept is not None:
        return kept
    found = measured()
    values = asdict(found) | {
        "strangers": found.strangers.tolist(),
        "familiar": found.familiar.tolist(),
    }
    _keep(connection, {"form": _FORM, "sizes": sizes, "prior": prior, "calibration": values})
    return found


def _kept(
    connection: sqlite3.Connection, sizes: tuple[int, int], prior: object
) -> Calibration | None:
    row = connection.execute("SELECT value FROM settings WHERE key = ?", (_KEY,)).fetchone()
    if row is None:
        return None
    stored = json.loads(row[0])
    changed = [
        abs(now - then) > CHANGE * then for now, then in zip(sizes, stored["sizes"], strict=True)
    ]
    if stored["form"] != _FORM or stored["prior"] != prior or any(changed):
        return None
    values = stored["calibration"]
    return Calibration(
        centre=values["centre"],
        spread=values["spread"],
        known=tuple(values["known"]),
        right=tuple(values["right"]),
        strangers=np.array(values["strangers"], np.float64),
        familiar=np.array(values["familiar"], np.float64),
    )


def _keep(connection: sqlite3.Connection, values: dict[str, object]) -> None:
    """Keep it for the next time; a file that cannot be written is no hindrance."""
    try:
        connection.execute(
            "INSERT INTO settings VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_KEY, json.dumps(values)),
        )
    except sqlite3.OperationalError:
        return
