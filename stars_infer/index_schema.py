"""Tables of an exemplar index, and how an older file gets them."""

from __future__ import annotations

import sqlite3

from stars_infer.model import ModelInfo

APPLICATION_ID = 0x53544152
"""Marks the SQLite file as an exemplar index ("STAR")."""
SCHEMA = 2

_TABLES = """
CREATE TABLE model (name TEXT NOT NULL, fingerprint TEXT NOT NULL, width INTEGER NOT NULL);
CREATE TABLE exemplars (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL,
    vector BLOB NOT NULL,
    sequence BLOB,
    bodies INTEGER NOT NULL DEFAULT 1,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL UNIQUE,
    added TEXT NOT NULL
);
CREATE INDEX exemplars_by_label ON exemplars (label);
"""


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
        for statement in _TABLES.split(";")[:-1]:
            connection.execute(statement)
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
    if connection.execute("PRAGMA user_version").fetchone()[0] < SCHEMA:
        connection.execute("ALTER TABLE exemplars ADD COLUMN sequence BLOB")
        connection.execute("ALTER TABLE exemplars ADD COLUMN bodies INTEGER NOT NULL DEFAULT 1")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _mark(connection: sqlite3.Connection) -> tuple[int, int]:
    """Application id, and number of tables."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    return int(application), int(tables)
