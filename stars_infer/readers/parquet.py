"""Parquet files, `.parquet`: a table of positions, as `table` describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.errors import ClipError, MissingExtraError
from stars_infer.readers.bounds import check_memory
from stars_infer.readers.recording import Recording
from stars_infer.readers.table import Table, recording_of_table

_BATCH = 65_536
"""Rows that are unpacked at a time."""
_A_CELL = 32
"""Bytes that a number takes, from the table to the clip."""
_NO_NUMBER = "a list"
"""Stands for what is neither a number nor a text."""


def read_parquet(path: Path) -> tuple[Recording, ...]:
    """Read the columns of a Parquet file.

    Raises:
        ClipError: If the file is damaged, or is not a table of positions.
        MissingExtraError: If pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("reading .parquet", "formats", "pyarrow") from error
    source, size = str(path), path.stat().st_size
    try:
        with parquet.ParquetFile(path) as file:
            texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        # Texts of few kinds stay as few as they are in the file.
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            schema = file.schema_arrow
            read = [at for at, field in enumerate(schema) if _is_plain(field.type)]
            # A few bytes may unpack to any number of equal rows, so the number is checked first.
            taken = _A_CELL * file.metadata.num_rows * len(schema.names)
            what = f"{file.metadata.num_rows:,} rows of {len(schema.names):,} columns"
            check_memory(taken, what, source=source, size=size)
            columns = _columns(file, read, _Limit(source, size, taken))
    except ClipError:
        raise
    except Exception as error:  # damage fails in pyarrow in many ways
        if isinstance(error, OSError) and error.errno is not None:  # not of pyarrow
            raise
        raise ClipError(source, f"not a readable Parquet file ({_brief(error)})") from error
    return (recording_of_table(Table(columns=columns, source=source, size=size)),)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_plain(kind: Any) -> bool:
    """Whether cells of a type are numbers, texts or times, not lists."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(_is_text(kind) or types.is_primitive(kind) or types.is_null(kind)
                or types.is_decimal(kind))  # fmt: skip


@dataclass
class _Limit:
    """How much memory texts may still take.

    Attributes:
        taken: Bytes that are taken.
    """

    source: str
    size: int
    taken: int

    def take(self, more: int) -> None:
        self.taken += more
        check_memory(self.taken, "its texts", source=self.source, size=self.size)


def _columns(file: Any, read: list[int], limit: _Limit) -> dict[str, Any]:
    """Map columns to their cells: arrays of numbers, with NaN for null, or lists of objects."""
    names = file.schema_arrow.names
    chosen = None if len(read) == len(names) else [names[at] for at in read]
    parts: dict[str, list[Any]] = {names[at]: [] for at in read}
    for batch in file.iter_batches(batch_size=_BATCH, columns=chosen):
        cells = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, those in parts.items():
            those.append(_cells(cells[name], limit))
    made: dict[str, Any] = {}
    for name, those in parts.items():
        numbers = bool(those) and all(isinstance(part, np.ndarray) for part in those)
        made[name] = np.concatenate(those) if numbers else [one for part in those for one in part]
        those.clear()
    lists = {name: [_NO_NUMBER] * file.metadata.num_rows for name in names if name not in parts}
    return {**made, **lists}


def _cells(cells: Any, limit: _Limit) -> Any:
    from pyarrow import types

    kind = cells.type
    if types.is_integer(kind) or types.is_floating(kind):
        return cells.to_numpy(zero_copy_only=False)
    if not types.is_dictionary(kind):
        limit.take(2 * cells.nbytes)
        return cells.to_pylist()
    limit.take(2 * cells.dictionary.nbytes)
    texts = cells.dictionary.to_pylist()
    return [None if at is None else texts[at] for at in cells.indices.to_pylist()]


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
