"""The figures of the papers, in per cent, as printed: what `train/tables/` says of a protocol.

Rows have the names that `titles.py` gives to runs; a row that no run can be has its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from stars_infer.train.tables.table import Column, load_tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of a table.

    Attributes:
        method: Name of the method in the table.
        setting: Setting of the protocol, such as `k=1`.
        accuracy: Per cent.
        where: The table; of STARS where no other paper is named.
    """

    method: str
    setting: str
    accuracy: float
    where: str


def figures(
    protocol: str, dataset: str | None, split: str, *, source: str | None = None
) -> tuple[Figure, ...]:
    """Figures of the papers for a protocol on an official data set, in the order of the tables.

    A number that several tables print is that of the first one.

    Args:
        protocol: Name of the protocol.
        dataset: Official data set, such as `ntu60`; without one there are no figures.
        split: Split, such as `xsub`.
        source: For transfer, the data set of the pretraining.
    """
    found: dict[tuple[str, str], Figure] = {}
    for name, column, figure in _printed():
        test = column.test
        if (name, test.dataset, test.split) != (protocol, dataset, split):
            continue
        if protocol == "transfer" and column.train.dataset != source:
            continue
        found.setdefault((figure.method, figure.setting), figure)
    return tuple(found.values())


@cache
def _printed() -> tuple[tuple[str, Column, Figure], ...]:
    """Protocol, column and figure of every number that is printed in a row."""
    return tuple(_read())


def _read() -> Iterator[tuple[str, Column, Figure]]:
    for table in load_tables():
        if not table.protocol:
            continue
        where = table.number if table.paper == "STARS" else f"{table.paper}, {table.number}"
        for row in table.rows:
            for column, number in zip(table.columns, row.paper, strict=True):
                if number is None:
                    continue
                yield table.protocol, column, Figure(
                    method=row.method,
                    setting=table.setting_of(row, column),
                    accuracy=number,
                    where=where,
                )  # fmt: skip
