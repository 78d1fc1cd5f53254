"""The table of settings: texts by their keys, each with a checksum."""

from __future__ import annotations

import sqlite3

from stars_infer.index.checksums import Damage, check_tally, checksum_of

FALSE_ACCEPT = "false_accept_rate"
EXPECTED = "unknown_share"
KNOWN, UNKNOWN = "known_clips", "unknown_clips"
FLAT = "flat"
CACHE = "cache"
"""Names the files by which a large index is searched."""
LASTING = (FALSE_ACCEPT, EXPECTED, KNOWN, UNKNOWN, FLAT)
"""Settings that do not follow from the exemplars."""


def read_values(connection: sqlite3.Connection) -> dict[str, str]:
    """All settings of an index.

    Raises:
        Damage: If one is not as it was written, or one is lost.
    """
    rows = connection.execute("SELECT key, value, checksum FROM settings").fetchall()
    for key, value, checksum in rows:
        if checksum_of(key, value) != checksum:
            raise Damage(f"the setting {str(key)[:24]!r} is damaged")
    check_tally(connection, "settings", [row[2] for row in rows])
    return {key: value for key, value, _ in rows}


def write_value(connection: sqlite3.Connection, key: str, value: str | None) -> None:
    """Keep a setting, or forget it, within the transaction that is open."""
    if value is None:
        connection.execute("DELETE FROM settings WHERE key = ?", (key,))
        return
    connection.execute(
        "INSERT INTO settings VALUES (?1, ?2, ?3) "
        "ON CONFLICT (key) DO UPDATE SET value = ?2, checksum = ?3",
        (key, value, checksum_of(key, value)),
    )
