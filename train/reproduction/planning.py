"""From the cells of a table to the runs that they need."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import TEACHER, kept_name
from stars_infer.train.networks.streams import STREAMS
from stars_infer.train.recipe import load_recipe
from stars_infer.train.reproduction.overrides import Overrides
from stars_infer.train.reproduction.runs import (
    Evaluation,
    Fusion,
    Measurement,
    Node,
    Training,
    make_evaluation,
    make_training,
)
from stars_infer.train.tables.encoders import EncoderPlan, encoder_plan
from stars_infer.train.tables.table import Part, Row, Table

THREE = "three"
"""The stream of a row that adds the scores of joint, motion and bone."""
_ABSENT = {"ntu120": "copy"}
"""Treatment of a missing second body in MAMP's preparation of a data set; else zeros."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """A number of a table: the measurement that gives it, and its setting.

    Attributes:
        row: The row.
        column: Title of the column.
        node: The run; None where nothing is measured.
        setting: Setting of the protocol.
        paper: The printed number.
        x: Place on the axis of a learning curve.
    """

    row: Row
    column: str
    node: Node | None
    setting: str = ""
    paper: float | None = None
    x: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TablePlan:
    """A table with the run of each of its cells.

    Attributes:
        table: The table.
        columns: Titles of the columns.
        cells: The cells of each row.
        overrides: Settings that replace the papers'.
    """

    table: Table
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    overrides: Overrides

    def nodes(self, *, rows: Collection[str] = (), columns: Collection[str] = ()) -> list[Node]:
        """The runs of some rows and columns; by default, of all.

        Raises:
            UsageError: If the table has no such row or column.
        """
        names = [cells[0].row.name for cells in self.cells if cells]
        for wanted, known, what in (
            (rows, names, "row"), (columns, self.columns, "column")
        ):  # fmt: skip
            for name in wanted:
                if name not in known:
                    raise UsageError(
                        f"{self.table.id} has no {what} {name!r}; it has {'; '.join(known)}"
                    )
        return [
            cell.node
            for cells in self.cells
            for cell in cells
            if cell.node is not None
            and (not rows or cell.row.name in rows)
            and (not columns or cell.column in columns)
        ]


def plan_table(table: Table, overrides: Overrides | None = None) -> TablePlan:
    """Find the runs of a table."""
    overrides = overrides or Overrides()
    columns = tuple(column.name for column in table.columns)
    rows = tuple(tuple(_cells(table, row, overrides)) for row in table.rows)
    if table.kind == "curves" and rows:
        columns = tuple(cell.column for cell in rows[0])
    return TablePlan(table=table, columns=columns, cells=rows, overrides=overrides)


def _cells(table: Table, row: Row, overrides: Overrides) -> Iterator[Cell]:
    if table.kind == "curves":
        yield from _curve(table, row, overrides)
        return
    for column, paper in zip(table.columns, row.paper, strict=True):
        node: Node | None = None
        if row.encoder and table.kind == "attention":
            node = _training(encoder_plan(row.encoder, column.train.dataset), row, column.train,
                             overrides)  # fmt: skip
        elif row.encoder and table.protocol:
            node = _measurement(table, row, column.train, column.test, overrides)
        yield Cell(
            row=row,
            column=column.name,
            node=node,
            setting=table.setting_of(row, column),
            paper=paper,
        )


def _curve(table: Table, row: Row, overrides: Overrides) -> Iterator[Cell]:
    """The points of a learning curve: the checkpoints that a run keeps."""
    (column,) = table.columns
    plan = encoder_plan(row.encoder, column.train.dataset)
    training = _training(plan, row, column.train, overrides)
    for number in range(1, training.keep + 1):
        epoch = training.config.loop.epochs * number / training.keep
        node = _evaluation(
            table.protocol, plan, training, row, column.test, overrides, kept_name(number)
        )
        yield Cell(
            row=row, column=f"epoch {epoch:g}", node=node, setting=table.setting, x=epoch
        )  # fmt: skip


def _measurement(
    table: Table, row: Row, train: Part, test: Part, overrides: Overrides
) -> Measurement:
    plan = encoder_plan(row.encoder, train.dataset)
    if row.stream != THREE:
        training = _training(plan, row, train, overrides)
        return _evaluation(table.protocol, plan, training, row, test, overrides)
    parts = (
        _evaluation(
            table.protocol, plan, _training(plan, row, train, overrides, stream=stream), row, test,
            overrides,
        )
        for stream in STREAMS
    )  # fmt: skip
    return Fusion(parts=tuple(parts))


def _training(
    plan: EncoderPlan, row: Row, part: Part, overrides: Overrides, *, stream: str = ""
) -> Training:
    """The run of a row; of random weights, the run whose shape they have."""
    if plan.like:
        return _training(encoder_plan(plan.like, part.dataset), row, part, overrides)
    start = None
    if plan.start:
        first = encoder_plan(plan.start, part.dataset)
        start = _training(first, Row(name=first.title), part, overrides)
    flags: dict[str, Any] = {}
    if plan.bodies == "mamp":
        flags["absent_bodies"] = _ABSENT.get(part.dataset, "zeros")
    flags |= {**plan.flags, **overrides.of_training(load_recipe(plan.recipe)), **row.settings}
    stream = stream or row.stream
    if stream:
        flags["stream"] = stream
    # What is only watched is asked for where the table needs it, and nowhere else.
    keep, validate = flags.pop("keep", plan.keep), flags.pop("validate_every", plan.validate)
    return make_training(
        part,
        plan.recipe,
        flags,
        start=start,
        validate=validate if plan.validate else 0,
        keep=keep if plan.keep else 0,
    )


def _evaluation(
    protocol: str,
    plan: EncoderPlan,
    training: Training,
    row: Row,
    test: Part,
    overrides: Overrides,
    checkpoint: str = "",
) -> Evaluation:
    return make_evaluation(
        protocol,
        test,
        of=None if plan.like else training,
        like=training if plan.like else None,
        checkpoint=checkpoint,
        weights=row.weights or TEACHER,
        flags={
            **plan.measure, **plan.protocols.get(protocol, {}), **overrides.of_protocol(protocol),
        },
    )  # fmt: skip


def training_of(row: Row, part: Part, overrides: Overrides) -> Training:
    """The training of a row's encoder."""
    return _training(encoder_plan(row.encoder, part.dataset), row, part, overrides)
