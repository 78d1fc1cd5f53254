"""What is kept of a clip: its vector, and its sequence where the model compares step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """A clip as an index holds it.

    Attributes:
        vector: (D,), of any length; None in a question to an index that compares sequences.
        sequence: (M bodies, S steps, F), from `motion_sequence`; None where the model compares
            vectors only.
        views: Other views of the clip, in a question: of all, the most alike counts.
    """

    vector: FloatArray | None
    sequence: FloatArray | None = None
    views: tuple[Features, ...] = ()


def vectors_of(clip_features: Sequence[Features]) -> FloatArray:
    """The vectors of clips, (N, D).

    Raises:
        UsageError: If a clip was described as a question, without its vector.
    """
    vectors = [item.vector for item in clip_features if item.vector is not None]
    if len(vectors) < len(clip_features):
        raise UsageError("a clip has no vector: Encoder.encode it without query=True")
    return np.stack(vectors)
