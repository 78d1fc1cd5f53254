"""`stars data inspect`: show what was read from clips, as text, pictures and a web page."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import reads_clips
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import StarsError, printable

if TYPE_CHECKING:
    from rich.console import Console

    from stars_infer.clips.clip import Clip
    from stars_infer.clips.convention import Convention
    from stars_infer.inspection.inspect import BodyInspection, Inspection

_WIDEST = 100
"""Most columns of a picture."""


@reads_clips
def inspect(
    clips: Annotated[list[Path], typer.Argument(help="Clip files, or folders of them.")],
    *,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a page that plays the skeletons in 3D, offline."),
    ] = None,
    picture: Annotated[
        bool | None,
        typer.Option(
            "--picture/--no-picture",
            help="Draw the skeletons.",
            show_default="in a terminal",
        ),
    ] = None,
    convention: Convention,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Show what was read: bodies, time, gaps, bone lengths against a person's, jumps, facing."""
    from rich.console import Console

    from stars_infer.atomic import check_output
    from stars_infer.inspection.inspect import inspect_clip
    from stars_infer.readers.files import clip_files, read_clips

    output = Output(json=json, quiet=quiet)
    files = clip_files(clips, skip=output.failure, note=output.note)
    check_output(html, "--html", endings=(".html", ".htm"), inputs=files)
    console = Console()
    draws = _draws(console) if picture is None else picture
    inspected: list[tuple[Clip, Inspection]] = []
    read = (read_clips(path, convention=convention, skip=output.failure) for path in files)
    for clip in chain.from_iterable(read):
        found = inspect_clip(clip)
        if json:
            output.record(found.to_json())
        elif quiet:
            output.table((), _quiet_rows(found))
        else:
            _show(found, clip if draws else None, console)
        if html is not None:
            inspected.append((clip, found))
    if html is not None:
        _write_page(html, inspected)
        output.note(f"{html}: open it in a browser")
    output.finish()


def _draws(console: Console) -> bool:
    """Whether the console can show pictures, which are made of braille dots."""
    return console.is_terminal and console.encoding.lower().startswith("utf")


def _write_page(html: Path, inspected: list[tuple[Clip, Inspection]]) -> None:
    from stars_infer.atomic import write_text
    from stars_infer.inspection.player import player_page

    if not inspected:
        raise StarsError(f"--html {html}: no clip could be read; nothing was written")
    write_text(html, player_page(inspected))


def _quiet_rows(found: Inspection) -> list[tuple[object, ...]]:
    """Rows of clip, body, `actor` or `-`, frames, seconds, % seen, height in cm, and problems."""
    from stars_infer.inspection.report import problems

    return [
        (
            found.source,
            body.number,
            "actor" if body.actor else "-",
            found.frames,
            f"{found.seconds:.2f}",
            f"{100 * body.share:.0f}",
            f"{body.height:.0f}",
            "; ".join(problems(body)) or "ok",
        )
        for body in found.bodies
    ]


def _show(found: Inspection, drawn: Clip | None, console: Console) -> None:
    from rich.text import Text

    from stars_infer.inspection.report import clip_line, clip_notes

    console.print(Text(printable(found.source), style="bold"), soft_wrap=True)
    console.print(Text(printable(clip_line(found))))
    for note in clip_notes(found):
        console.print(Text(printable(note), style="yellow"))
    if drawn is not None:
        from stars_infer.inspection.drawing import draw_clip

        console.print(draw_clip(drawn, columns=min(console.width, _WIDEST)))
    for body in found.bodies:
        _show_body(body, console)
    console.print()


def _show_body(body: BodyInspection, console: Console) -> None:
    """Print an actor in full, and anybody else in one line."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from stars_infer.inspection.report import body_lines, limb_rows, seen_line

    console.print(Text(seen_line(body), style="bold"))
    if not body.actor:
        return
    for line in body_lines(body):
        console.print(Text(line))
    for finding in body.findings:
        console.print(Text(f"? {finding}", style="yellow"))
    shown = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    columns = ("limb", "left cm", "right cm", "a person's", "verdict")
    for column in columns:
        shown.add_column(column, justify="left" if column in ("limb", "verdict") else "right")
    for limb, left, right, plausible, verdict in limb_rows(body):
        style = "green" if verdict == "ok" else "yellow"
        shown.add_row(limb, left, right, plausible, Text(verdict, style=style))
    console.print(shown)
