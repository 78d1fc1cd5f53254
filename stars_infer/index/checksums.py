"""Checksums of what an index holds, so that damage is told and never read as something else.

Each row of an exemplar carries a CRC-32 of its label, of what is said of it, of its sequence and of
its vector. The table `tallies` holds, for each kind of row, how many there are and the sum of their
checksums, which triggers keep up. A page that is lost, or of another time, changes one of them.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

ABOUT = "id, label, source, content_hash, added, bodies, label_checksum, checksum"
"""Columns that `check_about` takes."""


class Damage(sqlite3.DatabaseError):
    """What an index holds is not what was written."""


def checksum_of(*parts: object) -> int:
    """CRC-32 of numbers and texts, and of bytes.

    Raises:
        Damage: If a part is something else.
    """
    value = 0
    for part in parts:
        if isinstance(part, int | str):
            part = f"{part}\0".encode()
        if not isinstance(part, bytes):
            raise Damage(f"{type(part).__name__} in the place of text or bytes")
        value = zlib.crc32(part, value)
    return value


def about_checksum(
    number: int, source: object, content_hash: object, added: object, bodies: object
) -> int:
    """Of what is said of an exemplar, besides its label.

    Raises:
        Damage: If a value is of another type.
    """
    try:
        text = "\0".join((source, content_hash, added))  # type: ignore[arg-type]
    except TypeError as error:
        raise Damage(f"example {number} is damaged") from error
    return zlib.crc32(f"{number}\0{bodies}\0{text}".encode())


def data_checksum(number: int, data: object) -> int | None:
    """Of a sequence or vector, as bytes; None where there is none.

    Raises:
        Damage: If it is something else.
    """
    if data is None:
        return None
    if not isinstance(data, bytes):
        raise Damage(f"example {number} is damaged")
    return zlib.crc32(data, number & 0xFFFFFFFF)


def check_about(rows: Iterable[Sequence[Any]]) -> None:
    """Make sure that rows, which begin with the columns `ABOUT`, are as they were written.

    Raises:
        Damage: If one is not; it names its number.
    """
    labels: dict[object, int] = {}
    for number, label, source, content_hash, added, bodies, of_label, of_rest, *_ in rows:
        if label not in labels:
            labels[label] = checksum_of(label)
        if labels[label] != of_label or of_rest != about_checksum(
            number, source, content_hash, added, bodies
        ):
            raise Damage(f"example {number} is damaged")


def check_data(number: int, data: object, checksum: object) -> None:
    """Make sure that the sequence or vector of an exemplar is as it was written.

    Raises:
        Damage: If it is not.
    """
    if data_checksum(number, data) != checksum:
        raise Damage(f"example {number} is damaged")


def check_tally(connection: sqlite3.Connection, subject: str, checksums: Sequence[int]) -> None:
    """Make sure that all rows of a kind were read.

    Args:
        connection: The index.
        subject: The kind, as in the table `tallies`.
        checksums: Of the rows that were read.

    Raises:
        Damage: If there should be more, fewer, or others.
    """
    check_count(connection, subject, len(checksums))
    if tally_of(connection, subject)[1] != sum(checksums):
        raise Damage(f"the {subject} are not those that were written last")


def check_count(connection: sqlite3.Connection, subject: str, count: int) -> None:
    """Make sure that so many rows of a kind were read as there should be.

    Raises:
        Damage: If there should be more, or fewer.
    """
    wanted, _ = tally_of(connection, subject)
    if wanted != count:
        raise Damage(f"{count:,} {subject} were found where there should be {wanted:,}")


def tally_of(connection: sqlite3.Connection, subject: str) -> tuple[int, int]:
    """How many rows of a kind there should be, and the sum of their checksums.

    Raises:
        Damage: If that cannot be told.
    """
    row = connection.execute(
        "SELECT count, sum FROM tallies WHERE subject = ?", (subject,)
    ).fetchone()
    if row is None or not all(isinstance(value, int) for value in row):
        raise Damage(f"how many {subject} there should be is lost")
    return int(row[0]), int(row[1])
