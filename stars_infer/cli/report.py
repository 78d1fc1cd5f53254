"""`stars report`: one page to send by mail, of an index, an evaluation or a training run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stars_infer.cli.examples import read_example
from stars_infer.cli.options import ModelOption, existing_index, reads_clips
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError
from stars_infer.shared.place import IndexPath, place_of

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.reporting.page import Report

_STDOUT = Path("-")
_SQLITE = b"SQLite format 3\0"
_MOST_ADVICE = 12
_LARGEST = 64 * 1024 * 1024
"""Bytes of an evaluation that is read."""


@reads_clips
def report(
    source: Annotated[
        Path,
        typer.Argument(
            parser=IndexPath,
            metavar="PATH",
            help="An index, the output of `stars fewshot eval --json`, or the folder of a run of "
            "`stars train`.",
            show_default="stars.db",
        ),
    ] = Path("stars.db"),
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Write the page here; - for stdout.")
    ] = Path("report.html"),
    hardest: Annotated[
        int, typer.Option(min=0, max=12, help="Clips that are hardest to name, shown as players.")
    ] = 6,
    convention: Convention,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write one page that says how good an index, an evaluation or a training run is."""
    from stars_infer.atomic import check_output, write_text
    from stars_infer.reporting.page import report_page
    from stars_infer.shared.open import index_exists

    output = Output(json=json, quiet=quiet)
    if not index_exists(source):
        raise UsageError(f"{source}: there is no such index, file or folder")
    if out == _STDOUT:
        if json or quiet:
            raise UsageError("--out - writes the page to stdout: leave --json and --quiet out")
    else:
        check_output(out, "--out", endings=(".html", ".htm"), inputs=[source])
    made = _made(source, model, convention, hardest, output)
    page = report_page(made)
    if out == _STDOUT:
        sys.stdout.write(page)
        return
    write_text(out, page)
    _say(made, out, output)
    output.finish()


def _made(
    source: Path, model: str | None, convention: Convention, hardest: int, output: Output
) -> Report:
    """The report of what the source is."""
    if place_of(source) is not None:
        return _of_index(source, model, convention, hardest, output)
    if source.is_dir():
        from stars_infer.reporting.run_report import run_report

        return run_report(source)
    with source.open("rb") as file:
        begin = file.read(len(_SQLITE))
    if begin == _SQLITE:
        return _of_index(source, model, convention, hardest, output)
    from stars_infer.reporting.evaluation_report import evaluation_report, read_records

    if source.stat().st_size > _LARGEST:
        raise UsageError(f"{source}: too large for an evaluation, and no index")
    text = source.read_text(encoding="utf-8", errors="replace")
    return evaluation_report(read_records(text, str(source)), name=source.name)


def _of_index(
    source: Path, model: str | None, convention: Convention, hardest: int, output: Output
) -> Report:
    from stars_infer.reporting.index_report import MOST_EXAMPLES, index_report

    with existing_index(source, model) as opened:
        held = opened.features()
    advice = _advice(held, opened.model.comparison, output)
    compared = min(len(held), MOST_EXAMPLES)
    with output.counter("comparing") as progress:
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            progress(done, compared)

        return index_report(
            held,
            opened.model,
            name=source.name,
            advice=advice,
            read=lambda one: read_example(one.source, one.content_hash, convention),
            hardest=hardest,
            progress=step,
        )


def _advice(held: list[Any], how: Any, output: Output) -> list[str]:
    """What `stars fewshot check` finds, in words."""
    from stars_infer.cli.curate import remedy
    from stars_infer.curation.check import check
    from stars_infer.curation.words import what
    from stars_infer.reporting.hardest import end_of_path

    if not held:
        return []
    exemplars = [replace(exemplar, source=end_of_path(exemplar)) for exemplar, _ in held]
    with output.counter("checking") as progress:
        found = check(
            [features for _, features in held],
            [exemplar.label for exemplar in exemplars],
            how=how,
            progress=progress,
        )
    words = []
    for one in found[:_MOST_ADVICE]:
        who = exemplars[one.positions[0]]
        about = f"Example {who.id}" if one.kind not in ("few", "overlap") else f"“{who.label}”"
        words.append(f"{about}: {what(one, exemplars)}; {remedy(one, exemplars)}")
    if len(found) > _MOST_ADVICE:
        more = len(found) - _MOST_ADVICE
        words.append(f"{more} more findings: stars fewshot check lists them all")
    return words


def _say(made: Report, out: Path, output: Output) -> None:
    if output.json:
        output.record(
            {
                "title": made.title,
                "facts": dict(made.facts),
                "advice": list(made.advice),
                "file": str(out),
            }
        )
        return
    output.table(("what", "value"), list(made.facts), title=made.title)
    output.note(f"wrote {out}: open it in a browser, and print it there for a PDF")
