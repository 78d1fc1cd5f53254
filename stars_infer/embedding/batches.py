"""Embedded clips go into an index in batches, so that stopping early keeps what is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from stars_infer.embedding.files import EmbeddedFile
from stars_infer.index.index import Exemplar, ExemplarIndex, NewExemplar
from stars_infer.index.labels import check_label

CLIPS_PER_BATCH = 64
SECONDS_PER_BATCH = 2.0
"""A batch is written when it has so many clips, or when so much time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What became of a clip that was to be added.

    Attributes:
        file: The clip.
        label: The action that it was to be an example of.
        known: The exemplar that already holds the same clip; None where it was added.
    """

    file: EmbeddedFile
    label: str
    known: Exemplar | None


class BatchAdder:
    """Adds clips to an index, some at a time; several programs may add to one index.

    Args:
        open_index: Opens the index, or makes it; called when there is something to add.
        label: The action of all clips; that of each is the name of its folder if None.

    Attributes:
        index: The index, once it is open.
        done: What became of the clips so far, in order.
    """

    def __init__(self, open_index: Callable[[], ExemplarIndex], label: str | None) -> None:
        self._open_index = open_index
        self._label = label
        self._waiting: list[EmbeddedFile] = []
        self._began = 0.0
        self.index: ExemplarIndex | None = None
        self.done: list[Addition] = []

    @property
    def added(self) -> int:
        """How many clips were added; those that were there already do not count."""
        return sum(one.known is None for one in self.done)

    def open(self) -> ExemplarIndex:
        """The index; opened now if it is not open yet."""
        if self.index is None:
            self.index = self._open_index()
        return self.index

    def add(self, file: EmbeddedFile) -> None:
        """Take a clip; when the batch is full, or has waited for long, add it.

        Raises:
            UsageError: If a label cannot be one, or features do not fit the model.
            ExemplarIndexError: If the index cannot be written.
        """
        if not self._waiting:
            self._began = time.monotonic()
        self._waiting.append(file)
        late = time.monotonic() - self._began > SECONDS_PER_BATCH
        if late or len(self._waiting) >= CLIPS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        """Add the clips that wait; see `add`."""
        if not self._waiting:
            return
        new = [
            NewExemplar(
                label=label_of(file, self._label),
                features=file.features,
                source=file.source,
                content_hash=file.content_hash,
            )
            for file in self._waiting
        ]
        known = self.open().add(new)
        files, self._waiting = self._waiting, []
        self.done += [
            Addition(file=file, label=one.label, known=there)
            for file, one, there in zip(files, new, known, strict=True)
        ]


def label_of(file: EmbeddedFile, label: str | None) -> str:
    """The label that is given, or the name of the folder in which the file lies.

    Raises:
        UsageError: If it cannot be a label.
    """
    return check_label(file.path.resolve().parent.name if label is None else label)
