"""What tells whether an index still holds the same, whatever else was written into its file."""

from __future__ import annotations

import sqlite3

from stars_infer.index.checksums import tally_of
from stars_infer.index.values import CACHE, LASTING, read_values

Contents = tuple[object, ...]


def contents_of(connection: sqlite3.Connection) -> Contents:
    """A value that differs after every change of exemplars and settings.

    What programs only keep in the file, such as similarities, does not count. Numbers of exemplars
    and of new labels are never used again, so that nothing that changes can change back.

    Raises:
        Damage: If settings or tallies are damaged.
    """
    values = read_values(connection)
    numbers = connection.execute("SELECT name, seq FROM sqlite_sequence ORDER BY name").fetchall()
    settings = tuple(values.get(key) for key in (*LASTING, CACHE))
    return *map(tuple, numbers), tally_of(connection, "examples"), settings
