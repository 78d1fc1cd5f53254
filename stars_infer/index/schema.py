"""Tables of an exemplar index, and how an older file gets them."""

from __future__ import annotations

import sqlite3

from stars_infer.encoder.model import ModelInfo

APPLICATION_ID = 0x53544152
"""Marks the SQLite file as an exemplar index ("STAR")."""
SCHEMA = 4

_NEW_IN_2 = """
ALTER TABLE exemplars ADD COLUMN sequence BLOB;
ALTER TABLE exemplars ADD COLUMN bodies INTEGER NOT NULL DEFAULT 1;
"""
_NEW_IN_3 = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE similarity (ids BLOB NOT NULL, matrix BLOB NOT NULL);
"""
_NEW_IN_4 = """
CREATE TABLE removed (id INTEGER PRIMARY KEY);
CREATE TRIGGER exemplar_removed AFTER DELETE ON exemplars BEGIN
    INSERT OR IGNORE INTO removed VALUES (old.id);
END;
CREATE TRIGGER exemplar_rewritten AFTER UPDATE ON exemplars BEGIN
    DELETE FROM settings WHERE key = 'cache';
    DELETE FROM similarity;
END;
"""
"""What a cache of the exemplars needs to know: which of those it holds are gone, and that none was
changed; an exemplar's number is never used again."""
_TABLES = f"""
CREATE TABLE model (name TEXT NOT NULL, fingerprint TEXT NOT NULL, width INTEGER NOT NULL);
CREATE TABLE exemplars (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL,
    vector BLOB NOT NULL,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL UNIQUE,
    added TEXT NOT NULL
);
CREATE INDEX exemplars_by_label ON exemplars (label);
{_NEW_IN_2}{_NEW_IN_3}{_NEW_IN_4}"""


def set_up(connection: sqlite3.Connection, model: ModelInfo) -> None:
    """Make the tables in a new file, or check that a file is an index.

    Raises:
        sqlite3.DatabaseError: If it is something else.
    """
    mark, tables = _mark(connection)
    if mark == APPLICATION_ID:
        _bring_up_to_date(connection)
        return
    if tables:
        raise sqlite3.DatabaseError("a database of another program")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if _mark(connection)[0] != APPLICATION_ID:  # another process may have been faster
        _run(connection, _TABLES)
        connection.execute(
            "INSERT INTO model VALUES (?, ?, ?)", (model.name, model.fingerprint, model.width)
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Give an index of an older version the columns it lacks; what it holds stays.

    Raises:
        sqlite3.DatabaseError: If it was made by a newer version.
    """
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise sqlite3.DatabaseError(f"schema {schema} is newer than {SCHEMA}: update stars-infer")
    if schema == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    (schema,) = connection.execute("PRAGMA user_version").fetchone()  # a process may be faster
    if schema < 2:
        _run(connection, _NEW_IN_2)
    if schema < 3:
        _run(connection, _NEW_IN_3)
    if schema < 4:
        _run(connection, _NEW_IN_4)
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


def _mark(connection: sqlite3.Connection) -> tuple[int, int]:
    """Application id, and number of tables."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    return int(application), int(tables)
