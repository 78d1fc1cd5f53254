"""What is known of a clip: its vector, and its sequence where the model compares step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """What a model compares of a clip.

    Attributes:
        vector: The network's vector (D,), of any length; None where the network has not run.
        sequence: (M bodies, S steps, F), from `sequence_of`; None where the model compares
            vectors only.
        bodies: What the network takes to make the vector, (M, T, 25, 3) in meters, from
            `Encoder.prepare`; an index keeps it in the vector's place. None if it is not to.
        views: Other views of a query; of all its views, the most similar one counts.
        flat: Whether the clip is in 2D, as `Clip.flat`.
    """

    vector: FloatArray | None
    sequence: FloatArray | None = None
    bodies: FloatArray | None = None
    views: tuple[Features, ...] = ()
    flat: bool = False


def vectors_of(clip_features: Sequence[Features]) -> FloatArray:
    """The vectors of clips, (N, D).

    Raises:
        UsageError: If a clip has none.
    """
    vectors = [item.vector for item in clip_features if item.vector is not None]
    if len(vectors) < len(clip_features):
        raise UsageError(
            "a clip has no vector: encode it without query=True, and give `ExemplarIndex.features` "
            "the encoder"
        )
    return np.stack(vectors)


def sequences_of(clip_features: Sequence[Features]) -> list[FloatArray]:
    """The sequences of clips, (1 or 2, S, F) each.

    Raises:
        UsageError: If a clip has none.
    """
    sequences = [item.sequence for item in clip_features if item.sequence is not None]
    if len(sequences) < len(clip_features):
        raise UsageError("a clip has no sequence: encode it with a model that compares sequences")
    return sequences


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors (N, D) scaled to length one; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
