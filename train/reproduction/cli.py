"""`stars train tables` and `stars train reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.atomic import check_folder
from stars_infer.cli.options import with_options
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.train.options import MachineOptions
from stars_infer.train.reproduction.hours import hours_of
from stars_infer.train.reproduction.overrides import Overrides
from stars_infer.train.reproduction.places import Places
from stars_infer.train.reproduction.planning import plan_table
from stars_infer.train.reproduction.reproduce import (
    Outlook,
    Selection,
    look_at,
    plan_selection,
)
from stars_infer.train.reproduction.reproduce import reproduce as run_selection
from stars_infer.train.reproduction.running import describe, prepare_commands
from stars_infer.train.reproduction.runs import with_needs
from stars_infer.train.session import open_fabric
from stars_infer.train.tables.table import find_table, load_tables

OUT = Path("reproduction")
_ABOUT_HOURS = (
    "hours are estimates for one H200: steps times clips, by rates that are projected, not measured"
)


def register(app: typer.Typer) -> None:
    """Add the commands to `stars train`."""
    app.command(epilog="Example: stars train tables stars-6")(tables)
    app.command(
        epilog="Example: stars train reproduce --table stars-6 --data datasets/ --out reproduction"
    )(with_options(machine=MachineOptions)(reproduce))


def tables(
    table: Annotated[
        str | None, typer.Argument(help="Show the runs of this one.", show_default="all tables")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of a reproduction.")] = OUT,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """List the tables and figures of the papers: what each shows, its runs, their hours.

    `done` counts the runs that are in the folder of a reproduction and were made as the table says.
    """
    output = Output(json=json, quiet=quiet)
    places = Places(out=out)
    if table is not None:
        _show_runs(table, places, output)
        return
    each, whole = look_at(load_tables(), places)
    if json:
        for outlook in each:
            output.record(_facts(outlook))
        return
    columns = ("table", "where", "shows", "encoders", "results", "hours", "done")
    output.table(columns, [_cells(outlook) for outlook in (*each, whole)])
    output.note(_ABOUT_HOURS)


def reproduce(
    table: Annotated[
        list[str],
        typer.Option(help="Id of a table or figure (see `stars train tables`). Repeatable."),
    ],
    data: Annotated[
        Path,
        typer.Option(help="Folder of the data sets, packs or raw: ntu60, ntu120, pku1, pku2."),
    ],
    machine: MachineOptions,
    out: Annotated[Path, typer.Option("--out", help="Folder of packs, runs and reports.")] = OUT,
    row: Annotated[
        list[str] | None,
        typer.Option(help="Run this row only. Repeatable.", show_default="all rows"),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Run this column only. Repeatable.", show_default="all columns"),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            help="Folder of a run that was made before; refused if none of the tables needs it as "
            "it was made. Repeatable.",
        ),
    ] = None,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE, or STAGE.KEY=VALUE: a setting of all runs that is not the papers'; "
            "the report says so. Repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands, and run none.")
    ] = False,
    quiet: QuietFlag = False,
) -> None:
    """Run what tables of the papers need, and write them with our figures beside the printed ones.

    Called again, it goes on where it stopped. Tables share their runs.
    """
    output = Output(quiet=quiet)
    check_folder(out, "--out")
    places = Places(
        out=out,
        data=data,
        machine=machine.to_flags(),
        device=("--accelerator", machine.accelerator),
    )
    selection = Selection(
        tables=tuple(table),
        rows=tuple(row or ()),
        columns=tuple(column or ()),
        overrides=Overrides.parse(changed or ()),
        runs=tuple(run or ()),
    )
    if dry_run:
        _show_commands(selection, places, output)
        return
    for path in run_selection(
        selection,
        places,
        fabric=lambda: open_fabric(machine.accelerator, 1, "32-true"),
        say=output.note,
    ):
        output.note(f"{path}:")
        typer.echo(path.read_text(encoding="utf-8"))


def _show_runs(name: str, places: Places, output: Output) -> None:
    table = find_table(name)
    nodes = with_needs(plan_table(table).nodes())
    if output.json:
        for node in nodes:
            output.record(
                {"run": node.name, "what": describe(node), "key": node.key,
                 "hours": round(hours_of(node), 3), "state": places.state(node),
                 "refused": places.refusal(node) or None}
            )  # fmt: skip
        return
    output.note(f"{table.where}: {table.shows}")
    rows = [
        (describe(node), node.key, f"{hours_of(node):.2f}", places.state(node),
         places.refusal(node))
        for node in nodes
    ]  # fmt: skip
    output.table(("run", "key", "hours", "state", "refused"), rows)
    for note in table.notes:
        output.note(note)
    output.note(_ABOUT_HOURS)


def _show_commands(selection: Selection, places: Places, output: Output) -> None:
    _, nodes, places = plan_selection(selection, places)
    for command in prepare_commands(nodes, places):
        output.table((), [("open", "", f"stars {' '.join(command)}")])
    rows = [
        (places.refusal(node) or places.state(node), f"{hours_of(node):.2f}",
         f"stars {' '.join(places.command(node))}")
        for node in nodes
    ]  # fmt: skip
    output.table((), rows)
    total = sum(hours_of(node) for node in nodes)
    output.note(f"{len(nodes)} runs, {total:.1f} hours; {_ABOUT_HOURS}")


def _cells(outlook: Outlook) -> tuple[str, ...]:
    table, runs = outlook.table, outlook.trainings + outlook.measurements
    return (
        table.id,
        table.where if table.paper else "",
        table.shows,
        str(outlook.trainings),
        str(outlook.measurements),
        f"{outlook.hours:.1f}",
        f"{outlook.done} of {runs}" if runs else "nothing to run",
    )


def _facts(outlook: Outlook) -> dict[str, object]:
    table = outlook.table
    return {
        "table": table.id,
        "where": table.where,
        "kind": table.kind,
        "shows": table.shows,
        "encoders": outlook.trainings,
        "results": outlook.measurements,
        "hours": round(outlook.hours, 2),
        "done": outlook.done,
        "hours_left": round(outlook.rest, 2),
    }
