"""Exemplars: what is added to an index, how it is checked and written, and what is said of it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError, check_range
from stars_infer.index.labels import check_label
from stars_infer.index.network_inputs import EncodedBodies, encode_bodies
from stars_infer.similarity.features import Features

COLUMNS = "id, label, source, content_hash, added"
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
    def of_row(cls, row: tuple[int, str, str, str, str]) -> Exemplar:
        """From the values of `COLUMNS`."""
        id_, label, source, content_hash, added = row
        return cls(id=id_, label=label, source=source, content_hash=content_hash, added=added)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedExemplar:
    """A new exemplar as the tables hold it.

    Attributes:
        values: Label, source, content hash, time of adding, number of bodies, sequence, vector.
        content_hash: `Clip.content_hash`.
        network_input: What the vector can be made of, where there is none.
    """

    values: tuple[object, ...]
    content_hash: str
    network_input: EncodedBodies | None


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
    (before,) = connection.execute("SELECT coalesce(max(id), 0) FROM exemplars").fetchone()
    inserted = connection.executemany(
        "INSERT OR IGNORE INTO exemplars "
        "(label, source, content_hash, added, bodies, sequence, vector) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [one.values for one in exemplars],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO network_inputs "
        "SELECT id, ?, ? FROM exemplars WHERE content_hash = ? AND vector IS NULL",
        [
            (one.network_input.scale, one.network_input.steps, one.content_hash)
            for one in exemplars
            if one.network_input is not None
        ],
    )
    if inserted.rowcount == len(exemplars):
        return [None] * len(exemplars)
    hashes = [one.content_hash for one in exemplars]
    there = exemplars_with("content_hash", hashes, connection)
    by_hash = {one.content_hash: one for one in there}
    result: list[Exemplar | None] = []
    new: set[str] = set()
    for content_hash in hashes:
        known = by_hash[content_hash]
        added = known.id > before and content_hash not in new
        new.add(content_hash)
        result.append(None if added else known)
    return result


def exemplars_with(
    column: str, values: Sequence[object], connection: sqlite3.Connection
) -> list[Exemplar]:
    """The exemplars whose value in a column is one of many."""
    found: list[Exemplar] = []
    for start in range(0, len(values), VALUES_PER_STATEMENT):
        some = values[start : start + VALUES_PER_STATEMENT]
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM exemplars WHERE {column} IN ({','.join('?' * len(some))})", some
        )
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
        values=(
            check_label(exemplar.label),
            exemplar.source,
            exemplar.content_hash,
            added,
            1 if sequence is None else len(sequence),
            None if sequence is None else _blob(sequence, "<f2"),
            None if vector is None else _blob(vector, "<f4"),
        ),
        content_hash=exemplar.content_hash,
        network_input=(
            encode_bodies(features.bodies)
            if vector is None and features.bodies is not None
            else None
        ),
    )


def _blob(array: FloatArray, kind: str) -> bytes:
    return np.asarray(array).astype(kind).tobytes()
