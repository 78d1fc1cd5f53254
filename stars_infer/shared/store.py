"""What a database must do to hold a shared index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stars_infer.arrays import FloatArray
from stars_infer.errors import ExemplarIndexError

AT_ONCE = 64
"""Rows that are written or fetched together: some megabytes."""
SECONDS = 10.0
"""For how long an answer of a database is waited for."""
LONG_SECONDS = 25.0
"""The same, where it is given rows: it may have to put what it holds in order."""


class StoreError(ExemplarIndexError):
    """A database cannot be reached, or refuses what it is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the log: a change of the index, or the wish to make one.

    Attributes:
        key: Its name.
        number: Its place in the log; -1 for a wish.
        text: What it says.
    """

    key: str
    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """An exemplar in the database.

    Attributes:
        key: Its name.
        number: Of the exemplar.
        label: Its action when it was added; for those who look into the database.
        source: Where it comes from; likewise.
        text: All of its row.
        vector: By which the database itself can search, (W,).
    """

    key: str
    number: int
    label: str
    source: str
    text: str
    vector: FloatArray


class Store(Protocol):
    """A log and a table of exemplars in a database.

    What was written when a call returned is there for every call that begins later, of any client.
    All calls raise a `StoreError` that names the database and a remedy. Any thread may call.
    """

    def exists(self) -> bool:
        """Whether the log and the table are there."""

    def create(self, width: int) -> None:
        """Make them, unless they are there.

        Args:
            width: Of the vectors of exemplars.
        """

    def entries(self, first: int, count: int) -> list[Entry]:
        """Entries with the numbers first, …, first + count - 1, by number."""

    def put_entry(self, entry: Entry) -> None:
        """Write an entry, in the place of the one with its key."""

    def remove_entry(self, key: str) -> None:
        """Remove an entry, if it is there."""

    def put_rows(self, rows: Sequence[StoredRow]) -> None:
        """Write rows, in the place of those with their keys."""

    def rows(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts of rows, as far as they are there."""

    def remove_rows(self, numbers: Sequence[int]) -> None:
        """Remove the rows of exemplars, by the numbers of those."""

    def close(self) -> None:
        """End the connection."""
