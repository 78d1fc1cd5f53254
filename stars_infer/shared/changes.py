"""What a transaction of a local copy changes, so that it can be written to the log."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass, field

from stars_infer.index.checksums import checksum_of
from stars_infer.index.exemplar import VALUES_PER_STATEMENT
from stars_infer.index.values import CACHE, LASTING, read_values, write_value
from stars_infer.shared.record import Record

_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS changed (kind TEXT, what, UNIQUE (kind, what) ON CONFLICT IGNORE)
"""
_TRIGGERS = tuple(
    f"CREATE TEMP TRIGGER IF NOT EXISTS note_{kind}_{event.split()[0].lower()} "
    f"AFTER {event} ON main.{table} "
    f"BEGIN INSERT INTO changed VALUES ('{kind}', {row}.{key}); END"
    for kind, event, table, row, key in (
        ("added", "INSERT", "exemplars", "new", "id"),
        ("removed", "DELETE", "exemplars", "old", "id"),
        ("labeled", "UPDATE OF label", "exemplars", "new", "id"),
        ("set", "INSERT", "settings", "new", "key"),
        ("set", "UPDATE", "settings", "new", "key"),
        ("set", "DELETE", "settings", "old", "key"),
    )
)
_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'exemplars'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is other than before a transaction.

    Attributes:
        added: Numbers of new exemplars.
        removed: Numbers of exemplars that are gone.
        labels: Numbers of exemplars with a new label, by label.
        settings: New settings, None where one is forgotten.
        last: The greatest number that any exemplar ever had.
    """

    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    settings: dict[str, str | None] = field(default_factory=dict)
    last: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.labels or self.settings)


def watch(connection: sqlite3.Connection) -> None:
    """Begin to note what is changed through a connection, which notes nothing in the file."""
    connection.execute(_TABLE)
    for trigger in _TRIGGERS:
        connection.execute(trigger)
    connection.execute("DELETE FROM temp.changed")


def changes_of(connection: sqlite3.Connection) -> Changes:
    """What was changed since `watch`, within the transaction."""
    noted: dict[str, set[int]] = {"added": set(), "removed": set(), "labeled": set()}
    keys = set()
    for kind, what in connection.execute("SELECT kind, what FROM temp.changed"):
        if kind == "set":
            keys.add(what)
        else:
            noted[kind].add(what)
    added, removed = noted["added"], noted["removed"]
    values = read_values(connection) if keys else {}
    return Changes(
        added=tuple(sorted(added - removed)),
        removed=tuple(sorted(removed - added)),
        labels=_labels(connection, sorted(noted["labeled"] - added - removed)),
        settings={key: values.get(key) for key in LASTING if key in keys},
        last=last_number(connection),
    )


def repeat(connection: sqlite3.Connection, record: Record) -> None:
    """Change a local copy as a record says, besides the exemplars that it adds."""
    for label, ids in record.labels.items():
        checksum = checksum_of(label)
        connection.executemany(
            "UPDATE exemplars SET label = ?, label_checksum = ? WHERE id = ?",
            [(label, checksum, number) for number in ids],
        )
    connection.executemany("DELETE FROM exemplars WHERE id = ?", [(one,) for one in record.removed])
    for key, value in record.settings.items():
        if key in LASTING:
            write_value(connection, key, value)
    if record.last > last_number(connection):
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'exemplars'")
        connection.execute("INSERT INTO sqlite_sequence VALUES ('exemplars', ?)", (record.last,))


def forget_removal(connection: sqlite3.Connection, number: int) -> None:
    """Take note that an exemplar is back, if it was removed: a large index is laid out anew."""
    if connection.execute("DELETE FROM removed WHERE id = ?", (number,)).rowcount:
        write_value(connection, CACHE, secrets.token_hex(8))


def last_number(connection: sqlite3.Connection) -> int:
    """The greatest number that any exemplar ever had."""
    row = connection.execute(_LAST).fetchone()
    return 0 if row is None else int(row[0])


def _labels(connection: sqlite3.Connection, ids: list[int]) -> dict[str, tuple[int, ...]]:
    """Numbers of exemplars, by their labels."""
    found: dict[str, list[int]] = {}
    for start in range(0, len(ids), VALUES_PER_STATEMENT):
        some = ids[start : start + VALUES_PER_STATEMENT]
        marks = ",".join("?" * len(some))
        for number, label in connection.execute(
            f"SELECT id, label FROM exemplars WHERE id IN ({marks})", some
        ):
            found.setdefault(label, []).append(number)
    return {label: tuple(sorted(numbers)) for label, numbers in found.items()}
