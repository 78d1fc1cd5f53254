"""What is kept of a clip: its vector, and its sequence where the model compares step by step."""

from __future__ import annotations

from dataclasses import dataclass

from stars_infer.clip import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Description:
    """A clip as an index holds it.

    Attributes:
        vector: (D,), of any length.
        sequence: (M bodies, S steps, F), from `motion_sequence`; None where the model compares
            vectors only.
    """

    vector: FloatArray
    sequence: FloatArray | None = None
