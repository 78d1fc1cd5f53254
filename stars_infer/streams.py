"""The streams of a fused model: parts of a vector, each with a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stars_infer.clip import FloatArray
from stars_infer.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A part of a fused model's vector.

    Attributes:
        stream: What of the joints it sees: joint, motion or bone.
        model: Name of the model it was.
        fingerprint: That of that model.
        width: Numbers of the vector that are its own.
        weight: Length of its part of every vector.
    """

    stream: str
    model: str
    fingerprint: str
    width: int
    weight: float

    def __post_init__(self) -> None:
        if not (self.weight > 0 and np.isfinite(self.weight)):
            raise ModelError(f"{self.model}: the weight of a stream is above 0, not {self.weight}")

    def in_words(self) -> str:
        """Itself, for people."""
        return f"{self.stream} of {self.model} ({self.width} numbers, weight {self.weight:g})"


def weighted(vector: FloatArray, streams: Sequence[Stream]) -> FloatArray:
    """A clip's vector (D,) with every stream's part scaled to the length of its weight.

    The cosine of two such vectors is the mean of the streams' cosines, weighted by the squares of
    their weights.
    """
    ends = np.cumsum([stream.width for stream in streams])[:-1]
    parts = [
        part * np.float32(stream.weight / max(float(np.linalg.norm(part)), 1e-12))
        for part, stream in zip(np.split(vector, ends), streams, strict=True)
    ]
    return np.concatenate(parts)
