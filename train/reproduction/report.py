"""Reports of tables: our figures beside the papers', as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stars_infer.atomic import write_text
from stars_infer.errors import StarsError
from stars_infer.train.checkpoint import FILE, load_checkpoint
from stars_infer.train.recipe import load_recipe
from stars_infer.train.reproduction.made import read_result
from stars_infer.train.reproduction.places import DONE, Places
from stars_infer.train.reproduction.planning import Cell, TablePlan
from stars_infer.train.reproduction.runs import Evaluation, Fusion, Node, with_needs
from stars_infer.train.tables.table import Table

DASH = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """What became of a cell.

    Attributes:
        value: Our number, if there is one.
        deviation: Its standard deviation over draws.
        state: `measured`, `not run`, `refused` or `no run`.
    """

    value: float | None = None
    deviation: float | None = None
    state: str = "no run"

    def __str__(self) -> str:
        if self.value is None:
            return DASH if self.state == "no run" else self.state
        spread = "" if self.deviation is None else f" ± {self.deviation:.1f}"
        return f"{self.value:.1f}{spread}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The numbers of a table.

    Attributes:
        plan: The table and its runs.
        numbers: Of each cell.
        notes: Remarks: what was refused, how runs were made, what the paper leaves open.
        pictures: Files that were drawn.
    """

    plan: TablePlan
    numbers: tuple[tuple[Number, ...], ...]
    notes: tuple[str, ...] = ()
    pictures: tuple[Path, ...] = field(default=())

    @property
    def measured(self) -> int:
        """Number of cells with a number."""
        return sum(number.value is not None for row in self.numbers for number in row)


def read_numbers(
    plan: TablePlan, places: Places, given: Mapping[tuple[str, str], float] | None = None
) -> Report:
    """Read what the runs of a table have measured.

    Args:
        plan: The table.
        places: Folders.
        given: Numbers that no run of a protocol gives, by row and column.
    """
    refused: dict[str, str] = {}
    remarks: dict[str, None] = {}
    numbers = tuple(
        tuple(_number(cell, places, refused, remarks, given or {}) for cell in cells)
        for cells in plan.cells
    )
    notes = [f"Refused: {reason}" for reason in dict.fromkeys(refused.values())]
    return Report(plan=plan, numbers=numbers, notes=(*plan.table.notes, *notes, *remarks))


def _number(
    cell: Cell,
    places: Places,
    refused: dict[str, str],
    remarks: dict[str, None],
    given: Mapping[tuple[str, str], float],
) -> Number:
    if (cell.row.name, cell.column) in given:
        return Number(value=given[cell.row.name, cell.column], state="measured")
    node = cell.node
    if node is None or not isinstance(node, Evaluation | Fusion):
        return Number()
    reasons = [_refusal(each, places) for each in with_needs([node])]
    if reason := next(filter(None, reasons), ""):
        refused[node.key] = reason
        return Number(state="refused")
    if places.state(node) != DONE:
        return Number(state="not run")
    facts = read_result(places.result(node))
    for each in with_needs([node]):
        remarks.update(dict.fromkeys(_remarks(each, places)))
    remarks.update(dict.fromkeys(facts["notes"]))
    for score in facts["scores"]:
        if score["setting"] == cell.setting:
            return Number(
                value=score["accuracy"], deviation=score["deviation"], state="measured"
            )  # fmt: skip
    remarks[f"{places.result(node)} has no {cell.setting}"] = None
    return Number()


def _refusal(node: Node, places: Places) -> str:
    try:
        return places.refusal(node)
    except StarsError as error:
        return str(error)


def _remarks(node: Node, places: Places) -> Iterator[str]:
    """How a run was made, where that may differ from the paper."""
    if isinstance(node, Evaluation | Fusion) or not (places.run(node) / FILE).exists():
        return
    checkpoint = load_checkpoint(places.run(node), tensors=False)
    precision = checkpoint.config["loop"]["precision"]
    if precision != "32-true":
        yield f"Trained in {precision}; the papers train in float32."


def markdown(report: Report) -> str:
    """A table as Markdown: each column twice, ours and the paper's."""
    table, plan = report.plan.table, report.plan
    lines = [f"# {table.where}: {table.shows}", ""]
    if plan.overrides and plan.columns:
        lines += [
            "**Not the papers' settings.** All runs have these settings instead: "
            f"{plan.overrides}. The rows are not those of the paper.",
            "",
        ]
    if table.kind == "settings":
        lines += _settings_lines(table)
    elif table.kind == "diagram":
        lines.append("A drawing of the method: there is nothing to measure.")
    elif plan.columns:
        lines += _table_lines(report)
    lines += [""] + [f"- {note}" for note in report.notes] if report.notes else []
    for picture in report.pictures:
        if picture.suffix == ".png":
            lines += ["", f"![{table.shows}]({picture.name})"]
    return "\n".join(lines) + "\n"


def _table_lines(report: Report) -> Iterator[str]:
    """Rows of a table; without the columns of the paper where it prints no number."""
    plan, table = report.plan, report.plan.table
    printed = table.others or any(cell.paper is not None for row in plan.cells for cell in row)
    head = [table.unit]
    for column in plan.columns:
        head += [column, "paper"] if printed else [column]
    yield _row(head)
    yield _row(["---"] * len(head))
    for cells, numbers in zip(plan.cells, report.numbers, strict=True):
        words = [cells[0].row.name + (" (other settings)" if plan.overrides else "")]
        for cell, number in zip(cells, numbers, strict=True):
            words += [str(number), _printed(cell.paper)] if printed else [str(number)]
        yield _row(words)
    for name, others in table.others:
        words = [f"{name}, paper"]
        for value in others:
            words += [DASH, _printed(value)]
        yield _row(words)


def comma_separated(report: Report) -> str:
    """A table as CSV: a line a cell."""
    plan, text = report.plan, io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("table", "row", "column", "protocol", "setting", "x", "ours", "deviation", "paper",
         "state", "key", "other_settings")
    )  # fmt: skip
    for cells, numbers in zip(plan.cells, report.numbers, strict=True):
        for cell, number in zip(cells, numbers, strict=True):
            x = cell.x if cell.x is not None else cell.row.x
            writer.writerow(
                (plan.table.id, cell.row.name, cell.column, plan.table.protocol, cell.setting,
                 _plain(x), _plain(number.value), _plain(number.deviation), _plain(cell.paper),
                 number.state, cell.node.key if cell.node else "", str(plan.overrides))
            )  # fmt: skip
    for name, printed in plan.table.others:
        for column, value in zip(plan.columns, printed, strict=True):
            writer.writerow(
                (plan.table.id, name, column, plan.table.protocol, "", "", "", "", _plain(value),
                 "of others", "", "")
            )  # fmt: skip
    for line in plan.table.settings:
        ours = _recipe_value(plan.table, line.key)
        writer.writerow(
            (plan.table.id, line.name, plan.table.recipe, "", line.key, "", ours, "", line.paper,
             "recipe", "", "")
        )  # fmt: skip
    return text.getvalue()


def write_report(report: Report, folder: Path) -> Path:
    """Write a table as Markdown and CSV; return the path of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.plan.table.id}.md"
    write_text(path.with_suffix(".csv"), comma_separated(report))
    write_text(path, markdown(report))
    return path


def _settings_lines(table: Table) -> Sequence[str]:
    lines = [_row(["setting", f"recipe `{table.recipe}`", "paper"]), _row(["---"] * 3)]
    for line in table.settings:
        lines.append(_row([line.name, _recipe_value(table, line.key) or DASH, line.paper]))
    return lines


def _recipe_value(table: Table, key: str) -> str:
    """The value of a setting in the recipe of a table of settings."""
    if not key:
        return ""
    config = load_recipe(table.recipe).configure(data="", clips=1)
    for section in (config.settings, config.loop, config.views):
        if hasattr(section, key):
            value: Any = getattr(section, key)
            return f"{value:g}" if isinstance(value, float) else str(value)
    raise StarsError(f"{table.id}: recipe {table.recipe} has no setting {key!r}")


def _row(words: Sequence[str]) -> str:
    return "| " + " | ".join(words) + " |"


def _printed(number: float | None) -> str:
    return DASH if number is None else f"{number:,.1f}"


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:g}"
