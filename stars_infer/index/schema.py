"""Tables of an exemplar index."""

from __future__ import annotations

import functools
import sqlite3
import time

from stars_infer.encoder.model import ModelInfo
from stars_infer.index.checksums import Damage

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PAUSE = 0.005

APPLICATION_ID = 0x53544152
"""Marks the SQLite file as an exemplar index ("STAR")."""
SCHEMA = 7
SUBJECTS = ("examples", "labels", "settings", "inputs", "removals", "relabelings")
"""Kinds of rows of which the table `tallies` keeps count."""

_TABLES = """
CREATE TABLE model (name TEXT NOT NULL, fingerprint TEXT NOT NULL, width INTEGER NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE exemplars (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL,
    label_checksum INTEGER NOT NULL,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL UNIQUE,
    added TEXT NOT NULL,
    bodies INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    sequence_checksum INTEGER,
    vector_checksum INTEGER,
    sequence BLOB,
    vector BLOB
);
CREATE INDEX exemplars_by_label ON exemplars (label, label_checksum);
CREATE TABLE network_inputs (
    id INTEGER PRIMARY KEY, scale REAL NOT NULL, bodies BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE similarity (
    comparison TEXT NOT NULL, ids BLOB NOT NULL, matrix BLOB NOT NULL, mirrored BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE removed (id INTEGER PRIMARY KEY);
CREATE TABLE relabeled (serial INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL UNIQUE);
CREATE TABLE tallies (subject TEXT PRIMARY KEY, count INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TRIGGER exemplar_removed AFTER DELETE ON exemplars BEGIN
    INSERT OR IGNORE INTO removed VALUES (old.id);
    DELETE FROM relabeled WHERE id = old.id;
    DELETE FROM network_inputs WHERE id = old.id;
END;
CREATE TRIGGER exemplar_relabeled AFTER UPDATE OF label ON exemplars BEGIN
    DELETE FROM relabeled WHERE id = new.id;
    INSERT INTO relabeled (id) VALUES (new.id);
    DELETE FROM settings WHERE key = 'calibration';
END;
CREATE TRIGGER exemplar_rewritten AFTER UPDATE OF id, bodies, sequence, vector ON exemplars
WHEN old.id <> new.id OR old.bodies <> new.bodies OR old.sequence IS NOT new.sequence
    OR (old.vector IS NOT NULL AND old.vector IS NOT new.vector) BEGIN
    DELETE FROM settings WHERE key IN ('cache', 'calibration');
    DELETE FROM similarity;
END;
"""
"""An exemplar's number is never used again. `removed` and `relabeled` say what a cache of the
exemplars must forget or read anew; `network_inputs` holds, in steps of `scale` meters, the bodies
of exemplars whose vector nobody has asked for yet."""


def _tally(subject: str, table: str, value: str, *, changes: str = "") -> str:
    """Triggers that keep count of the rows of a table, and the sum of a value of theirs.

    Args:
        subject: The kind of rows.
        table: Their table.
        value: An expression over the columns, each written as `.column`.
        changes: Columns on which the value depends, where rows are changed.
    """
    old, new = value.replace(".", "old."), value.replace(".", "new.")
    where = f"WHERE subject = '{subject}'"
    made = f"""
CREATE TRIGGER {subject}_more AFTER INSERT ON {table} BEGIN
    UPDATE tallies SET count = count + 1, sum = sum + {new} {where};
END;
CREATE TRIGGER {subject}_fewer AFTER DELETE ON {table} BEGIN
    UPDATE tallies SET count = count - 1, sum = sum - {old} {where};
END;
"""
    if changes:
        made += f"""
CREATE TRIGGER {subject}_other AFTER UPDATE OF {changes} ON {table} BEGIN
    UPDATE tallies SET sum = sum - {old} + {new} {where};
END;
"""
    return made


_DATA = "(.checksum + coalesce(.sequence_checksum, 0) + coalesce(.vector_checksum, 0))"
_ALL = _TABLES + "".join(
    (
        _tally(
            "examples", "exemplars", _DATA, changes="checksum, sequence_checksum, vector_checksum"
        ),
        _tally("labels", "exemplars", ".label_checksum", changes="label_checksum"),
        _tally("settings", "settings", ".checksum", changes="checksum"),
        _tally("inputs", "network_inputs", ".checksum"),
        _tally("removals", "removed", ".id"),
        _tally("relabelings", "relabeled", "(.serial + .id)"),
    )
)


def set_up(connection: sqlite3.Connection, model: ModelInfo, *, wait: float) -> None:
    """Make the tables in a new file, or check that a file is an index.

    Any number of processes may do so at once.

    Args:
        connection: To the file.
        model: Whose exemplars a new file is to hold.
        wait: Seconds for which other processes may use the file.

    Raises:
        sqlite3.DatabaseError: If it is something else, or has other tables.
    """
    if check_tables(connection):
        return
    end = time.monotonic() + wait
    while True:
        try:  # it needs the file for itself, and SQLite does not wait for that
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > end:
                raise
            time.sleep(_PAUSE)
    connection.execute("BEGIN IMMEDIATE")
    if not check_tables(connection):  # another process may have been faster
        for statement in _statements():
            connection.execute(statement)
        connection.execute(
            "INSERT INTO model VALUES (?, ?, ?)", (model.name, model.fingerprint, model.width)
        )
        connection.executemany("INSERT INTO tallies VALUES (?, 0, 0)", [(one,) for one in SUBJECTS])
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def check_tables(connection: sqlite3.Connection) -> bool:
    """Whether a file has the tables of an index; False where it has none at all.

    Raises:
        sqlite3.DatabaseError: If it has others.
    """
    within = connection.in_transaction
    if not within:  # to see one state of the file, whatever other processes do meanwhile
        connection.execute("BEGIN")
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        rows = connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL")
        found = {text for (text,) in rows}
    finally:
        if not within and connection.in_transaction:
            connection.execute("ROLLBACK")
    if application != APPLICATION_ID:
        if found or application:
            raise sqlite3.DatabaseError("a database of another program")
        return False
    if schema != SCHEMA:
        raise sqlite3.DatabaseError(
            "made by another version of stars-infer: make it again with `stars fewshot add-class`"
        )
    if missing := len(_texts() - found):
        raise Damage(f"{missing} of its tables and rules are damaged")
    return True


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the file."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _BUSY


@functools.cache
def _statements() -> tuple[str, ...]:
    """The statements one by one, which can be run within a transaction."""
    found, statement = [], ""
    for line in _ALL.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement.strip())
            statement = ""
    return tuple(found)


@functools.cache
def _texts() -> frozenset[str]:
    """The statements as SQLite keeps them."""
    return frozenset(one.removesuffix(";") for one in _statements())
