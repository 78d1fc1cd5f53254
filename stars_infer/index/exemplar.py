"""Exemplars: what is added to an index, how it is checked and written, and what is said of it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError, check_range
from stars_infer.index.checksums import (
    ABOUT,
    about_checksum,
    check_about,
    checksum_of,
    data_checksum,
)
from stars_infer.index.labels import check_label
from stars_infer.index.network_inputs import EncodedBodies, encode_bodies, write_input
from stars_infer.similarity.features import Features

COLUMNS = (
    "id, label, label_checksum, source, content_hash, added, bodies, checksum, sequence_checksum, "
    "vector_checksum, sequence, vector"
)
INSERT = f"INSERT INTO exemplars ({COLUMNS}) VALUES ({', '.join('?' * 12)})"
_GREATEST_ID = 2**63 - 1
"""What SQLite can hold; no exemplar has it."""
VALUES_PER_STATEMENT = 500
"""Numbers or hashes named in one statement; SQLite may take no more than 999 values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExemplar:
    """A labeled clip that is to be added to an index.

    Attributes:
        label: Its action.
        features: From `Encoder.encode`. Where the model compares sequences, the bodies may stand
            in for the vector.
        source: Where it comes from.
        content_hash: `Clip.content_hash`, by which a clip that is already there is recognized.
    """

    label: str
    features: Features
    source: str
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A labeled clip in an index.

    Attributes:
        id: Its number, which no other exemplar of the index ever gets.
        label: Its action.
        source: Where it comes from.
        content_hash: `Clip.content_hash`.
        added: When it was added, UTC, ISO 8601.
    """

    id: int
    label: str
    source: str
    content_hash: str
    added: str

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Exemplar:
        """From a row that begins with the columns `stars_infer.index.checksums.ABOUT`."""
        id_, label, source, content_hash, added = row[:5]
        return cls(id=id_, label=label, source=source, content_hash=content_hash, added=added)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedExemplar:
    """A new exemplar as the tables hold it.

    Attributes:
        label: Its action.
        source: Where it comes from.
        content_hash: `Clip.content_hash`.
        added: Time of adding.
        bodies: How many it shows.
        sequence: As bytes.
        vector: As bytes.
        network_input: What the vector can be made of, where there is none.
    """

    label: str
    source: str
    content_hash: str
    added: str
    bodies: int
    sequence: bytes | None
    vector: bytes | None
    network_input: EncodedBodies | None

    def row(self, number: int) -> tuple[object, ...]:
        """What the table of exemplars holds of it: the values of `COLUMNS`."""
        return (
            number,
            self.label,
            checksum_of(self.label),
            self.source,
            self.content_hash,
            self.added,
            self.bodies,
            about_checksum(number, self.source, self.content_hash, self.added, self.bodies),
            data_checksum(number, self.sequence),
            data_checksum(number, self.vector),
            self.sequence,
            self.vector,
        )


def encode_exemplars(exemplars: Sequence[NewExemplar], model: ModelInfo) -> list[EncodedExemplar]:
    """Check new exemplars, and encode them for `insert`.

    Raises:
        UsageError: If a label cannot be one, or the features do not fit the model.
    """
    for exemplar in exemplars:
        check_label(exemplar.label)
        check_features(exemplar.features, model, exemplar.source)
        _check_vector(exemplar.features, model, exemplar.source)
    added = datetime.now(UTC).isoformat(timespec="seconds")
    return [_encode(exemplar, added) for exemplar in exemplars]


def check_ids(ids: Iterable[int]) -> list[int]:
    """Make sure that these can be numbers of exemplars, whether or not there are such.

    Raises:
        UsageError: If one is no whole number above 0.
    """
    given: object = ids  # callers without a type checker may give anything
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"ids must be a list of numbers of examples, not {given!r}")
    numbers = list(ids)
    for number in numbers:
        check_range("an id", math.nan if number is None else number, at_least=1, whole=True)
    return [min(int(number), _GREATEST_ID) for number in numbers]


def check_features(features: Features, model: ModelInfo, source: str) -> None:
    """Make sure that features are those of a model.

    Raises:
        UsageError: If they are not.
    """
    vector, sequence, how = features.vector, features.sequence, model.comparison
    if vector is not None and (vector.shape != (model.width,) or not np.isfinite(vector).all()):
        raise UsageError(f"{source}: expected a finite vector ({model.width},), got {vector.shape}")
    if how is None:
        fits, wanted = sequence is None, "no sequence"
    else:
        fits = sequence is not None and how.fits(sequence)
        wanted = f"a finite sequence {how.shape}"
    if not fits:
        found = None if sequence is None else sequence.shape
        raise UsageError(f"{source}: expected {wanted}, got {found}; use Encoder.encode")


def insert(
    connection: sqlite3.Connection, exemplars: Sequence[EncodedExemplar]
) -> list[Exemplar | None]:
    """Add exemplars within the transaction that is open.

    Returns:
        For each, the exemplar that already holds the same clip, or None where it was added.
    """
    hashes = [one.content_hash for one in exemplars]
    known = {one.content_hash: one for one in exemplars_with("content_hash", hashes, connection)}
    (number,) = connection.execute(
        "SELECT max(coalesce((SELECT max(id) FROM exemplars), 0), "
        "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'exemplars'), 0))"
    ).fetchone()
    result: list[Exemplar | None] = []
    for one in exemplars:
        if one.content_hash in known:
            result.append(known[one.content_hash])
            continue
        number += 1
        insert_rows(connection, [(number, one)])
        known[one.content_hash] = Exemplar(
            id=number,
            label=one.label,
            source=one.source,
            content_hash=one.content_hash,
            added=one.added,
        )
        result.append(None)
    return result


def insert_rows(
    connection: sqlite3.Connection, numbered: Sequence[tuple[int, EncodedExemplar]]
) -> None:
    """Write exemplars under numbers that nothing has had, within the transaction that is open."""
    for number, one in numbered:
        connection.execute(INSERT, one.row(number))
        if one.network_input is not None:
            write_input(connection, number, one.network_input)


def exemplars_with(
    column: str, values: Sequence[object], connection: sqlite3.Connection
) -> list[Exemplar]:
    """The exemplars whose value in a column is one of many."""
    found: list[Exemplar] = []
    for start in range(0, len(values), VALUES_PER_STATEMENT):
        some = values[start : start + VALUES_PER_STATEMENT]
        rows = connection.execute(
            f"SELECT {ABOUT} FROM exemplars WHERE {column} IN ({','.join('?' * len(some))})", some
        ).fetchall()
        check_about(rows)
        found += [Exemplar.of_row(row) for row in rows]
    return found


def _check_vector(features: Features, model: ModelInfo, source: str) -> None:
    """Make sure that there is a vector, or that one can be made where it is not compared."""
    if features.vector is not None:
        return
    if model.compares_vectors:
        raise UsageError(f"{source}: expected a vector; encode the clip without query=True")
    how, bodies = model.preprocessing, features.bodies
    form = (how.samplings * how.frames, 25, 3)
    if bodies is None:
        raise UsageError(
            f"{source}: expected a vector, or the bodies to make it of; encode the clip with "
            "defer_network=True"
        )
    assert features.sequence is not None
    if bodies.shape != (len(features.sequence), *form) or not np.isfinite(bodies).all():
        raise UsageError(
            f"{source}: expected finite bodies {(len(features.sequence), *form)}, "
            f"got {bodies.shape}; use Encoder.encode"
        )


def _encode(exemplar: NewExemplar, added: str) -> EncodedExemplar:
    features = exemplar.features
    sequence, vector = features.sequence, features.vector
    return EncodedExemplar(
        label=check_label(exemplar.label),
        # SQLite takes UTF-8 only, which the name of a file may be none of.
        source=exemplar.source.encode("utf-8", "backslashreplace").decode(),
        content_hash=exemplar.content_hash,
        added=added,
        bodies=1 if sequence is None else len(sequence),
        sequence=None if sequence is None else _blob(sequence, "<f2"),
        vector=None if vector is None else _blob(vector, "<f4"),
        network_input=(
            encode_bodies(features.bodies)
            if vector is None and features.bodies is not None
            else None
        ),
    )


def _blob(array: FloatArray, kind: str) -> bytes:
    return np.asarray(array).astype(kind).tobytes()
