"""Tables of an exemplar index."""

from __future__ import annotations

import sqlite3

from stars_infer.encoder.model import ModelInfo

APPLICATION_ID = 0x53544152
"""Marks the SQLite file as an exemplar index ("STAR")."""
SCHEMA = 6

_TABLES = """
CREATE TABLE model (name TEXT NOT NULL, fingerprint TEXT NOT NULL, width INTEGER NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE exemplars (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL UNIQUE,
    added TEXT NOT NULL,
    bodies INTEGER NOT NULL,
    sequence BLOB,
    vector BLOB
);
CREATE INDEX exemplars_by_label ON exemplars (label);
CREATE TABLE network_inputs (id INTEGER PRIMARY KEY, scale REAL NOT NULL, bodies BLOB NOT NULL);
CREATE TABLE similarity (
    comparison TEXT NOT NULL, ids BLOB NOT NULL, matrix BLOB NOT NULL, mirrored BLOB NOT NULL
);
CREATE TABLE removed (id INTEGER PRIMARY KEY);
CREATE TABLE relabeled (serial INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL UNIQUE);
CREATE TRIGGER exemplar_removed AFTER DELETE ON exemplars BEGIN
    INSERT OR IGNORE INTO removed VALUES (old.id);
    DELETE FROM relabeled WHERE id = old.id;
    DELETE FROM network_inputs WHERE id = old.id;
END;
CREATE TRIGGER exemplar_relabeled AFTER UPDATE OF label ON exemplars BEGIN
    INSERT OR REPLACE INTO relabeled (id) VALUES (new.id);
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


def set_up(connection: sqlite3.Connection, model: ModelInfo) -> None:
    """Make the tables in a new file, or check that a file is an index.

    Raises:
        sqlite3.DatabaseError: If it is something else, or has other tables.
    """
    application, tables = _contents(connection)
    if application == APPLICATION_ID:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if schema != SCHEMA:
            raise sqlite3.DatabaseError(
                "made by another version of stars-infer: make it again with "
                "`stars fewshot add-class`"
            )
        return
    if tables:
        raise sqlite3.DatabaseError("a database of another program")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if _contents(connection)[0] != APPLICATION_ID:  # another process may have been faster
        _run(connection, _TABLES)
        connection.execute(
            "INSERT INTO model VALUES (?, ?, ?)", (model.name, model.fingerprint, model.width)
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _run(connection: sqlite3.Connection, statements: str) -> None:
    """Run statements one by one, within the transaction that is open."""
    statement = ""
    for line in statements.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _contents(connection: sqlite3.Connection) -> tuple[int, int]:
    """Application id, and number of tables."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    return int(application), int(tables)
