"""Bodies that wait for the network: adding a clip keeps them, whoever needs vectors runs it.

Naming clips by their sequences needs no vectors, and the network takes most of the time of adding a
clip. So it runs for exemplars only when their vectors are asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
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


def encode_bodies(bodies: FloatArray) -> EncodedBodies:
    """Bodies (M, T, 25, 3) in fixed point."""
    scale = float(np.abs(bodies).max(initial=0)) / _LARGEST or 1.0
    return EncodedBodies(scale, np.rint(bodies / scale).astype("<i2").tobytes())


def decode_bodies(encoded: EncodedBodies, frames: int) -> FloatArray:
    """Bodies (M, T, 25, 3) of so many frames T."""
    steps = np.frombuffer(encoded.steps, "<i2").reshape(-1, frames, 25, 3)
    return np.asarray(steps * encoded.scale, np.float32)


def count_waiting(connection: sqlite3.Connection) -> int:
    """How many exemplars have no vector yet."""
    return int(connection.execute("SELECT count(*) FROM network_inputs").fetchone()[0])


def read_inputs(connection: sqlite3.Connection, model: ModelInfo) -> dict[int, FloatArray]:
    """Bodies (M, T, 25, 3) of the exemplars that have no vector, by number."""
    rows = connection.execute("SELECT id, scale, bodies FROM network_inputs").fetchall()
    return {number: _decode(scale, steps, model) for number, scale, steps in rows}


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
            waiting = connection.execute(
                "SELECT id, scale, bodies FROM network_inputs ORDER BY id LIMIT ?",
                (CLIPS_AT_ONCE,),
            ).fetchall()
        if not waiting:
            return done
        bodies = [_decode(scale, steps, model) for _, scale, steps in waiting]
        vectors = encoder.embed_prepared(bodies)
        with file.writing("the vectors were not kept") as connection:
            _write(connection, [number for number, _, _ in waiting], vectors)
        done += len(waiting)
        progress(done, max(done, total))


def _decode(scale: float, steps: bytes, model: ModelInfo) -> FloatArray:
    frames = model.preprocessing.samplings * model.preprocessing.frames
    return decode_bodies(EncodedBodies(scale, steps), frames)


def _write(connection: sqlite3.Connection, ids: Sequence[int], vectors: FloatArray) -> None:
    connection.executemany(
        "UPDATE exemplars SET vector = ? WHERE id = ? AND vector IS NULL",
        [
            (vector.astype("<f4").tobytes(), number)
            for number, vector in zip(ids, vectors, strict=True)
        ],
    )
    connection.executemany("DELETE FROM network_inputs WHERE id = ?", [(one,) for one in ids])
