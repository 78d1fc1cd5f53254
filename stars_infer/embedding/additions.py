"""Embedded clips as new examples of an index: all at once, or in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stars_infer.embedding.files import EmbeddedFile
from stars_infer.errors import ClipError, UsageError
from stars_infer.index.index import Exemplar, ExemplarIndex, NewExemplar
from stars_infer.index.labels import check_label
from stars_infer.readers.files import file_and_name

CLIPS_PER_BATCH = 64
SECONDS_PER_BATCH = 2.0
"""A batch is written when it has so many clips, or when so much time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What became of a clip that was to be added.

    Attributes:
        source: Where the clip comes from.
        label: The action that it was to be an example of.
        notes: What was mended in the clip, and what is odd about it, in words.
        known: The exemplar that already holds the same clip; None where it was added.
    """

    source: str
    label: str
    notes: tuple[str, ...]
    known: Exemplar | None

    @property
    def is_contradiction(self) -> bool:
        """Whether the index holds the clip as another action."""
        return self.known is not None and self.known.label != self.label

    def __str__(self) -> str:
        if self.known is None:
            return f"{self.source}: added as {self.label!r}"
        other = f" as {self.known.label!r}" if self.is_contradiction else ""
        same = "" if self.known.source == self.source else f", from {self.known.source}"
        return f"{self.source}: already in the index{other}{same}; nothing changed"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Added:
    """What became of clips that were to be added.

    Attributes:
        clips: Those that could be used, in order.
        failures: Why others could not be used.
    """

    clips: tuple[Addition, ...]
    failures: tuple[ClipError, ...] = ()

    @property
    def added(self) -> tuple[str, ...]:
        """Where those come from that were added."""
        return tuple(one.source for one in self.clips if one.known is None)

    @property
    def duplicates(self) -> tuple[Addition, ...]:
        """Those that the index held already."""
        return tuple(one for one in self.clips if one.known is not None)

    def __repr__(self) -> str:
        parts = [f"{len(self.added)} added"]
        if self.duplicates:
            parts.append(f"{len(self.duplicates)} already there")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        return f"<{', '.join(parts)}>"


def add_clips(
    index: ExemplarIndex, files: Sequence[EmbeddedFile], label: str | None
) -> list[Addition]:
    """Add embedded clips to an index, all or none.

    Args:
        index: The index.
        files: The clips, from `embed_files` with `defer_network`.
        label: Their action; None to take the name of the folder in which each file lies.

    Raises:
        UsageError: If a label cannot be one, no file lies behind a clip that takes its folder's
            name, or a clip is not of the index's model.
        ExemplarIndexError: If the index cannot be written.
    """
    for file in files:
        if label is None and not _file_of(file.path).exists():
            raise UsageError(
                f"{file.source}: say which action it shows; only files take the name of their "
                "folder"
            )
    new = [
        NewExemplar(
            label=label_of(file.path, label),
            features=file.features,
            source=file.source,
            content_hash=file.content_hash,
        )
        for file in files
    ]
    return [
        Addition(source=file.source, label=one.label, notes=file.notes, known=known)
        for file, one, known in zip(files, new, index.add(new), strict=True)
    ]


def label_of(path: Path, label: str | None) -> str:
    """The label that is given, or the name of the folder in which a file lies.

    Raises:
        UsageError: If it cannot be a label.
    """
    return check_label(_file_of(path).resolve().parent.name if label is None else label)


def _file_of(path: Path) -> Path:
    """The file in which a clip lies, without the name of the clip in it."""
    return file_and_name(path)[0]


class BatchAdder:
    """Adds clips to an index, some at a time, so that stopping early keeps what is done.

    Args:
        open_index: Opens the index, or makes it; called when there is something to add.
        label: As in `add_clips`.

    Attributes:
        index: The index, once it is open.
        done: What became of the clips so far, in order.
    """

    def __init__(self, open_index: Callable[[], ExemplarIndex], label: str | None) -> None:
        self._open_index = open_index
        self._label = label
        self._waiting: list[EmbeddedFile] = []
        self._began = 0.0
        self._told = 0
        self.index: ExemplarIndex | None = None
        self.done: list[Addition] = []

    @property
    def added(self) -> int:
        """How many clips were added; those that were there already do not count."""
        return sum(one.known is None for one in self.done)

    def news(self) -> Iterator[Addition]:
        """What became of clips since this was last asked, also if that was interrupted."""
        while self._told < len(self.done):
            yield self.done[self._told]
            self._told += 1

    def open(self) -> ExemplarIndex:
        """The index; opened now if it is not open yet."""
        if self.index is None:
            self.index = self._open_index()
        return self.index

    def add(self, file: EmbeddedFile) -> None:
        """Take a clip; when the batch is full, or has waited for long, add it.

        Raises:
            StarsError: As for `add_clips`.
        """
        if not self._waiting:
            self._began = time.monotonic()
        self._waiting.append(file)
        late = time.monotonic() - self._began > SECONDS_PER_BATCH
        if late or len(self._waiting) >= CLIPS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        """Add the clips that wait; see `add`."""
        if self._waiting:
            self.done += add_clips(self.open(), self._waiting, self._label)
            self._waiting = []
