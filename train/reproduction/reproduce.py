"""Tables of the papers: which there are and how far they are, and their reproduction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lightning_fabric import Fabric

from stars_infer.train.protocols.plots import require_plots
from stars_infer.train.reproduction.drawing import DRAWINGS, count_memory, draw
from stars_infer.train.reproduction.hours import hours_of
from stars_infer.train.reproduction.overrides import Overrides
from stars_infer.train.reproduction.places import DONE, Places
from stars_infer.train.reproduction.planning import TablePlan, plan_table
from stars_infer.train.reproduction.report import read_numbers, write_report
from stars_infer.train.reproduction.running import Run, adopt, run_nodes, run_stars
from stars_infer.train.reproduction.runs import Node, Training, with_needs
from stars_infer.train.tables.table import Table, find_table

REPORTS = "tables"
"""Folder of the reports within that of a reproduction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a table needs, and how far it is.

    Attributes:
        table: The table.
        trainings: Number of encoders.
        measurements: Number of measurements and fusions.
        hours: Estimated hours on one H200, if nothing were there.
        done: Number of runs that are there.
        rest: Estimated hours of those that are not.
    """

    table: Table
    trainings: int
    measurements: int
    hours: float
    done: int
    rest: float


def look_at(tables: Sequence[Table], places: Places) -> tuple[list[Outlook], Outlook]:
    """What tables need: each by itself, and all together, where they share runs."""
    nodes = {table.id: with_needs(plan_table(table).nodes()) for table in tables}
    every = with_needs([node for each in nodes.values() for node in each])
    done = {node.key for node in every if places.state(node) == DONE and not places.refusal(node)}
    each = [_outlook(table, nodes[table.id], done) for table in tables]
    whole = Table(id="all", paper="", number="", shows="all of these, with shared runs")
    return each, _outlook(whole, every, done)


def _outlook(table: Table, nodes: Sequence[Node], done: Collection[str]) -> Outlook:
    trainings = sum(isinstance(node, Training) for node in nodes)
    return Outlook(
        table=table,
        trainings=trainings,
        measurements=len(nodes) - trainings,
        hours=sum(map(hours_of, nodes)),
        done=sum(node.key in done for node in nodes),
        rest=sum(hours_of(node) for node in nodes if node.key not in done),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of which tables is run.

    Attributes:
        tables: Ids of the tables.
        rows: Names of their rows; all if empty.
        columns: Names of their columns; all if empty.
        overrides: Settings that replace the papers'.
        runs: Folders of runs that were made before.
    """

    tables: tuple[str, ...]
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    overrides: Overrides = field(default_factory=Overrides)
    runs: tuple[Path, ...] = ()


def plan_selection(
    selection: Selection, places: Places
) -> tuple[list[TablePlan], list[Node], Places]:
    """The tables, the nodes to run, in order, and the places with adopted runs.

    Raises:
        UsageError: If there is no such table, row or column, or a run is none of these tables.
    """
    plans = [plan_table(find_table(name), selection.overrides) for name in selection.tables]
    nodes = with_needs(
        [
            node
            for plan in plans
            for node in plan.nodes(rows=selection.rows, columns=selection.columns)
        ]
    )
    if selection.runs:
        places = adopt(places, nodes, selection.runs)
    return plans, nodes, places


def reproduce(
    selection: Selection,
    places: Places,
    *,
    fabric: Callable[[], Fabric],
    say: Callable[[str], None],
    run: Run = run_stars,
) -> list[Path]:
    """Run what tables still need, and write their reports and pictures.

    Args:
        selection: Tables, rows, columns and settings.
        places: Folders and machines.
        fabric: Opens the device on which attention is computed, where a table needs it.
        say: Called with a line about each run.
        run: Runs a command of `stars`.

    Returns:
        The Markdown file of each table.

    Raises:
        StarsError: If a run that is there was made in another way, or a command fails; when called
            again, it continues there.
    """
    plans, nodes, places = plan_selection(selection, places)
    if any(plan.table.kind in DRAWINGS for plan in plans):
        require_plots()
    run_nodes(nodes, places, say=say, run=run)
    return [_report(plan, places, fabric) for plan in plans]


def _report(plan: TablePlan, places: Places, fabric: Callable[[], Fabric]) -> Path:
    folder = places.out / REPORTS
    given = count_memory(plan) if plan.table.kind == "memory" else {}
    report = read_numbers(plan, places, given)
    if plan.table.kind in DRAWINGS:
        report = draw(report, places, folder, fabric=fabric())
    return write_report(report, folder)
