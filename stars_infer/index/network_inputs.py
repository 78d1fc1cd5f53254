"""Bodies that wait for the network: adding a clip keeps them, whoever needs vectors runs it.

Naming clips by their sequences needs no vectors, and the network takes most of the time of adding a
clip. So it runs for exemplars only when their vectors are asked for.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.index.checksums import Damage, check_tally, checksum_of, data_checksum
from stars_infer.index.file import IndexFile

CLIPS_AT_ONCE = 32
"""Clips whose vectors are made, and written, together."""
_LARGEST = 32767


@dataclass(frozen=True, slots=True)
class EncodedBodies:
    """Bodies in fixed point: half the bytes, and of meters no more than 0.1 mm is lost.

    Attributes:
        scale: Meters of one step.
        steps: The joints in steps, 16-bit integers as bytes.
    """

    scale: float
    steps: bytes

    def checksum(self, number: int) -> int:
        """CRC-32, as those of an exemplar.

        Raises:
            Damage: If these are no bodies.
        """
        if not isinstance(self.scale, float):
            raise Damage(f"what the vector of example {number} is made of is damaged")
        return checksum_of(number, struct.pack("<d", self.scale), self.steps)


def encode_bodies(bodies: FloatArray) -> EncodedBodies:
    """Bodies (M, T, 25, 3) in fixed point."""
    scale = float(np.abs(bodies).max(initial=0)) / _LARGEST or 1.0
    return EncodedBodies(scale, np.rint(bodies / scale).astype("<i2").tobytes())


def decode_bodies(encoded: EncodedBodies, frames: int) -> FloatArray:
    """Bodies (M, T, 25, 3) of so many frames T."""
    steps = np.frombuffer(encoded.steps, "<i2").reshape(-1, frames, 25, 3)
    return np.asarray(steps * encoded.scale, np.float32)


def count_waiting(connection: sqlite3.Connection) -> int:
    """How many exemplars have no vector yet.

    Raises:
        Damage: If it is not as many as there should be.
    """
    rows = connection.execute("SELECT checksum FROM network_inputs").fetchall()
    check_tally(connection, "inputs", [checksum for (checksum,) in rows])
    return len(rows)


def write_input(connection: sqlite3.Connection, number: int, encoded: EncodedBodies) -> None:
    """Keep what the vector of an exemplar can be made of."""
    connection.execute(
        "INSERT INTO network_inputs VALUES (?, ?, ?, ?)",
        (number, encoded.scale, encoded.steps, encoded.checksum(number)),
    )


def read_inputs(
    connection: sqlite3.Connection, model: ModelInfo, *, most: int = -1
) -> dict[int, FloatArray]:
    """Bodies (M, T, 25, 3) of exemplars that have no vector, by number.

    Args:
        connection: The index.
        model: Its model.
        most: How many at most; all of them if negative.

    Raises:
        Damage: If they are not as they were written.
    """
    if most < 0:
        count_waiting(connection)
    rows = connection.execute(
        "SELECT id, scale, bodies, checksum FROM network_inputs ORDER BY id LIMIT ?", (most,)
    )
    frames = model.preprocessing.samplings * model.preprocessing.frames
    result = {}
    for number, scale, steps, checksum in rows:
        encoded = EncodedBodies(scale, steps)
        if encoded.checksum(number) != checksum:
            raise Damage(f"what the vector of example {number} is made of is damaged")
        result[number] = decode_bodies(encoded, frames)
    return result


def read_input(connection: sqlite3.Connection, number: int, model: ModelInfo) -> FloatArray | None:
    """Bodies (M, T, 25, 3) of one exemplar; None where it has a vector.

    Raises:
        Damage: If they are not as they were written.
    """
    row = connection.execute(
        "SELECT scale, bodies, checksum FROM network_inputs WHERE id = ?", (number,)
    ).fetchone()
    if row is None:
        return None
    encoded = EncodedBodies(row[0], row[1])
    if encoded.checksum(number) != row[2]:
        raise Damage(f"what the vector of example {number} is made of is damaged")
    return decode_bodies(encoded, model.preprocessing.samplings * model.preprocessing.frames)


def make_vectors(
    file: IndexFile, encoder: Encoder, model: ModelInfo, progress: Callable[[int, int], None]
) -> int:
    """Run the network for exemplars without a vector; every batch is written when it is made.

    Args:
        file: The index.
        encoder: Its model.
        model: The same.
        progress: Called with how many are done, and of how many.

    Returns:
        How many vectors were made.

    Raises:
        UsageError: If the encoder is another model's.
        ExemplarIndexError: If the index cannot be written.
    """
    if encoder.info.fingerprint != model.fingerprint:
        raise UsageError(
            f"{file}: made by the model {model.name!r}, but the encoder is {encoder.info.name!r}"
        )
    with file.reading() as connection:
        total = count_waiting(connection)
    done = 0
    while True:
        with file.reading() as connection:
            waiting = read_inputs(connection, model, most=CLIPS_AT_ONCE)
        if not waiting:
            return done
        vectors = encoder.embed_prepared(list(waiting.values()))
        with file.writing("the vectors were not kept") as connection:
            _write(connection, list(waiting), vectors)
        done += len(waiting)
        progress(done, max(done, total))


def _write(connection: sqlite3.Connection, ids: Sequence[int], vectors: FloatArray) -> None:
    blobs = [vector.astype("<f4").tobytes() for vector in vectors]
    connection.executemany(
        "UPDATE exemplars SET vector = ?, vector_checksum = ? WHERE id = ? AND vector IS NULL",
        [
            (blob, data_checksum(number, blob), number)
            for number, blob in zip(ids, blobs, strict=True)
        ],
    )
    connection.executemany("DELETE FROM network_inputs WHERE id = ?", [(one,) for one in ids])
