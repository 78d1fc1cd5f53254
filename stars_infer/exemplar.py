"""A labelled clip: on its way into an index, and in it."""

from __future__ import annotations

from dataclasses import dataclass

from stars_infer.description import Description


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExemplar:
    """A labelled clip on its way into the index.

    Attributes:
        label: Its action.
        description: From `Encoder.describe`.
        source: Where it comes from.
        content_hash: `Clip.content_hash`, which tells a clip that is already there.
    """

    label: str
    description: Description
    source: str
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A labelled clip in the index."""

    id: int
    label: str
    source: str
    content_hash: str
    added: str
    """Time of adding, UTC, ISO 8601."""
