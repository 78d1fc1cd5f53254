"""Embedded clips as new examples of an index, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stars_infer.embedding.files import EmbeddedFile
from stars_infer.errors import ClipError, UsageError
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.index.labels import normalize_label


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A clip that was not added, because the index holds it already.

    Attributes:
        source: Where the clip comes from.
        label: The action that it was to be an example of.
        id: Number of the example that holds it.
        known_label: Its action.
        known_source: Where it came from when it was added.
    """

    source: str
    label: str
    id: int
    known_label: str
    known_source: str

    @property
    def is_contradiction(self) -> bool:
        """Whether it is known as another action."""
        return self.known_label != self.label

    def __str__(self) -> str:
        other = f" as {self.known_label!r}" if self.is_contradiction else ""
        same = "" if self.known_source == self.source else f", from {self.known_source}"
        return f"{self.source}: already in the index{other}{same}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Added:
    """What became of clips that were to be added.

    Attributes:
        added: Where those come from that were added.
        duplicates: Those that the index held already.
        failures: Why others could not be used.
    """

    added: tuple[str, ...]
    duplicates: tuple[Duplicate, ...] = ()
    failures: tuple[ClipError, ...] = ()

    def __repr__(self) -> str:
        parts = [f"{len(self.added)} added"]
        if self.duplicates:
            parts.append(f"{len(self.duplicates)} already there")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        return f"<{', '.join(parts)}>"


def add_embedded(
    index: ExemplarIndex,
    embedded: Sequence[EmbeddedFile],
    label: str | None,
    *,
    failures: Sequence[ClipError] = (),
) -> Added:
    """Add embedded clips to an index, all or none.

    Args:
        index: The index.
        embedded: The clips.
        label: Their action; None to take the name of the folder in which each file lies.
        failures: Errors of clips that were left out before, for the result.

    Raises:
        UsageError: If the label cannot be one, no file lies behind a clip that takes its folder's
            name, or a clip is not of the index's model.
        ExemplarIndexError: If the index cannot be written.
    """
    new = [
        NewExemplar(
            label=normalize_label(_folder_of(file) if label is None else label),
            features=file.features,
            source=file.source,
            content_hash=file.content_hash,
        )
        for file in embedded
    ]
    there = list(zip(new, index.add(new), strict=True))
    return Added(
        added=tuple(one.source for one, known in there if known is None),
        duplicates=tuple(
            Duplicate(
                source=one.source,
                label=one.label,
                id=known.id,
                known_label=known.label,
                known_source=known.source,
            )
            for one, known in there
            if known is not None
        ),
        failures=tuple(failures),
    )


def _folder_of(file: EmbeddedFile) -> str:
    """The name of the folder in which a file lies."""
    path = file.path if file.path.exists() else Path(str(file.path).partition("#")[0])
    if not path.exists():
        raise UsageError(
            f"{file.source}: say which action it shows; only files take the name of their folder"
        )
    return path.resolve().parent.name
