"""Exemplars copied from one index to another, as between a file and a shared index."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index.exemplar import EncodedExemplar, exemplars_with, insert_rows
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.values import FLAT, LASTING, read_values, write_value
from stars_infer.parallel import ReportProgress
from stars_infer.shared.changes import last_number
from stars_infer.shared.row_text import encoded_rows

AT_ONCE = 256
"""Exemplars that are copied in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied.

    Attributes:
        added: Exemplars that are new in the target.
        known: Exemplars whose clip the target held already, and which it keeps as they were.
        settings: Whether settings were copied: only to an index that held nothing.
    """

    added: int
    known: int
    settings: bool


def copy_index(
    source: ExemplarIndex,
    target: ExemplarIndex,
    *,
    progress: ReportProgress = lambda at, end: None,
) -> Copied:
    """Copy exemplars as they are, with label, source and time of adding, some hundred at a time.

    An index that never held any keeps their numbers, too, and takes over the settings. What was
    copied before stays where this is interrupted, and is known the next time.

    Args:
        source: Which stays as it is.
        target: Of the same model.
        progress: Called with how many exemplars are done, and of how many.

    Raises:
        UsageError: If both are one, or of two models.
        ExemplarIndexError: If one cannot be read or written, or 2D and 3D would be mixed.
    """
    if _is_one(source, target):
        raise UsageError(f"{source.path}: source and target are one index; name another target")
    if source.model.fingerprint != target.model.fingerprint:
        raise UsageError(
            f"the indexes are of two models, {source.model.name!r} and {target.model.name!r}"
        )
    with source._file.reading() as connection:
        values = read_values(connection)
        ids = [row[0] for row in connection.execute("SELECT id FROM exemplars ORDER BY id")]
    with target._file.writing("nothing was copied") as connection:
        fresh = not last_number(connection) and not set(read_values(connection)) & set(LASTING)
        if fresh:
            for key in LASTING:
                write_value(connection, key, values.get(key))
    added = 0
    for start in range(0, len(ids), AT_ONCE):
        with source._file.reading() as connection:
            rows = encoded_rows(connection, ids[start : start + AT_ONCE])
        with target._file.writing(f"{added} were copied") as connection:
            _fit_flat(connection, values.get(FLAT), target)
            added += _insert(connection, rows, keep_numbers=fresh)
        progress(min(start + AT_ONCE, len(ids)), len(ids))
    return Copied(added=added, known=len(ids) - added, settings=fresh)


def _is_one(source: ExemplarIndex, target: ExemplarIndex) -> bool:
    """Whether two indexes are one, by whatever names."""
    if source.path is None or target.path is None:
        return False
    if str(source.path) == str(target.path):
        return True
    return source.path.exists() and target.path.exists() and source.path.samefile(target.path)


def _fit_flat(connection: sqlite3.Connection, flat: str | None, target: ExemplarIndex) -> None:
    (empty,) = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM exemplars)").fetchone()
    if empty:
        write_value(connection, FLAT, flat)
    elif read_values(connection).get(FLAT) != flat:
        raise ExemplarIndexError(
            f"{target.path}: examples in 2D and in 3D cannot be mixed; copy to another index"
        )


def _insert(
    connection: sqlite3.Connection,
    rows: Sequence[tuple[int, EncodedExemplar]],
    *,
    keep_numbers: bool,
) -> int:
    """Add exemplars whose clips are new, and say how many these are."""
    hashes = [one.content_hash for _, one in rows]
    known = {one.content_hash for one in exemplars_with("content_hash", hashes, connection)}
    last, added = last_number(connection), 0
    for number, one in rows:
        if one.content_hash not in known:
            last = number if keep_numbers and number > last else last + 1
            insert_rows(connection, [(last, one)])
            added += 1
    return added
