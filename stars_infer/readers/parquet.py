"""Parquet files, `.parquet`: a table of positions, as `table` describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stars_infer.clips.clip import MAX_RECORDING_FRAMES
from stars_infer.errors import ClipError, MissingExtraError
from stars_infer.readers.recording import MOST_JOINTS, MOST_POINTS, Recording
from stars_infer.readers.table import Table, recording_of_table


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
    source = str(path)
    try:
        file = parquet.ParquetFile(path)
        shape = file.metadata.num_rows, file.metadata.num_columns
    except Exception as error:  # damage fails in pyarrow in many ways
        raise ClipError(source, f"not a readable Parquet file ({_brief(error)})") from error
    rows, width = shape
    # A few bytes may unpack to any number of equal rows, so the number is checked first.
    if rows * width > 4 * MOST_POINTS or rows > MAX_RECORDING_FRAMES * MOST_JOINTS:
        raise ClipError(source, f"{rows:,} rows of {width} columns: cut it into parts")
    try:
        columns = _columns(file.read())
    except Exception as error:
        raise ClipError(source, f"damaged or cut short ({_brief(error)})") from error
    return (recording_of_table(Table(columns=columns, source=source)),)


def _columns(table: Any) -> dict[str, Any]:
    """Map columns to their cells: arrays of numbers, with NaN for null, or lists of objects."""
    from pyarrow import types

    columns = {}
    for name, cells in zip(table.column_names, table.columns, strict=True):
        plain = types.is_integer(cells.type) or types.is_floating(cells.type)
        columns[str(name)] = cells.to_numpy() if plain else cells.to_pylist()
    return columns


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
