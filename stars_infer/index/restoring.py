"""Exemplars that are taken out of an index and can be put back as they were."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.exemplar import COLUMNS, INSERT, Exemplar, check_ids, exemplars_with
from stars_infer.index.kept_features import checked_features
from stars_infer.index.network_inputs import read_input
from stars_infer.index.rows import ROW
from stars_infer.index.settings import IndexSettings
from stars_infer.index.values import CACHE, FLAT, read_values, write_value
from stars_infer.similarity.features import Features

_INPUT = "id, scale, bodies, checksum"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TakenRow:
    """An exemplar that was taken out, with all that the index held of it.

    Attributes:
        id: Its number.
        label: Its action.
        source: Where it comes from.
        content_hash: `Clip.content_hash`.
    """

    id: int
    label: str
    source: str
    content_hash: str
    _row: tuple[Any, ...] = field(repr=False)
    _input: tuple[Any, ...] | None = field(repr=False)
    _flat: str | None = field(repr=False)


class RestorableIndex(IndexSettings):
    """An index of which removals can be undone.

    Attributes:
        model: Its model.
    """

    model: ModelInfo

    def exemplar(self, number: int) -> Exemplar | None:
        """An exemplar by its number; None where it is gone."""
        with self._file.reading() as connection:
            found = exemplars_with("id", check_ids([number]), connection)
        return found[0] if found else None

    def held_of(self, number: int) -> Features | None:
        """All that is held of one exemplar; None where it is gone."""
        with self._file.reading() as connection:
            row = connection.execute(
                f"SELECT {ROW}, sequence, vector FROM exemplars WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                return None
            found = checked_features(row, self.model)
            bodies = read_input(connection, number, self.model)
        return replace(found, bodies=bodies)

    def take_out(self, ids: Sequence[int]) -> list[TakenRow]:
        """Remove exemplars, and give what was held of them.

        Args:
            ids: Their numbers; there need not be such exemplars.

        Raises:
            UsageError: If an id is no whole number above 0.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        numbers = check_ids(ids)
        with self._file.writing("nothing was removed") as connection:
            exemplars_with("id", numbers, connection)  # damage is told, not carried on
            flat = read_values(connection).get(FLAT)
            taken = [one for number in numbers if (one := _row_of(connection, number, flat))]
            for one in taken:
                connection.execute("DELETE FROM exemplars WHERE id = ?", (one.id,))
        return taken

    def put_back(self, rows: Sequence[TakenRow]) -> list[int]:
        """Put exemplars back as they were, with their numbers.

        Those whose clip was added again meanwhile stay out.

        Returns:
            The numbers of those that are back.

        Raises:
            ExemplarIndexError: If 2D and 3D would be mixed, the file cannot be written, or others
                write for too long.
        """
        with self._file.writing("nothing was put back") as connection:
            hashes = [one.content_hash for one in rows]
            there = {one.content_hash for one in exemplars_with("content_hash", hashes, connection)}
            back = [one for one in rows if one.content_hash not in there]
            if back:
                self._fit_flat(connection, back[0]._flat)
            for one in back:
                connection.execute(INSERT, one._row)
                if one._input is not None:
                    connection.execute("INSERT INTO network_inputs VALUES (?, ?, ?, ?)", one._input)
                connection.execute("DELETE FROM removed WHERE id = ?", (one.id,))
            if back:
                # What a large index is searched by may have forgotten them: it is made anew.
                write_value(connection, CACHE, secrets.token_hex(8))
        return [one.id for one in back]

    def _fit_flat(self, connection: sqlite3.Connection, flat: str | None) -> None:
        (empty,) = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM exemplars)").fetchone()
        if empty:
            write_value(connection, FLAT, flat)
        elif read_values(connection).get(FLAT) != flat:
            raise ExemplarIndexError(
                f"{self._file}: examples in 2D and in 3D cannot be mixed; nothing was put back"
            )


def _row_of(connection: sqlite3.Connection, number: int, flat: str | None) -> TakenRow | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM exemplars WHERE id = ?", (number,)).fetchone()
    if row is None:
        return None
    held = connection.execute(
        f"SELECT {_INPUT} FROM network_inputs WHERE id = ?", (number,)
    ).fetchone()
    return TakenRow(
        id=row[0],
        label=row[1],
        source=row[3],
        content_hash=row[4],
        _row=tuple(row),
        _input=None if held is None else tuple(held),
        _flat=flat,
    )
