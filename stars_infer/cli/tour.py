"""`stars tour`: two minutes that teach, ask, meet something unknown and correct a label."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import DeviceOption, ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.recognizer import Recognizer

_TAUGHT, _STRANGE = ("wave", "clap", "squat"), "kick"
_EXAMPLES, _PEOPLE = 3, 6
_NEXT = """\
Your own clips, one folder per action (many formats; stars data inspect CLIP shows one):
  $ stars fewshot add-class recordings/wave recordings/clap recordings/squat
  $ stars classify new/
Before a camera (extra [video]):
  $ stars teach wave --camera 0
  $ stars watch --camera 0
In a page instead of a terminal (extra [studio]), and a page to send to others:
  $ stars studio
  $ stars report stars.db --out report.html
How far do a few examples go, and what should be labeled next?
  $ stars fewshot eval recordings/
  $ stars fewshot suggest unlabeled/
And stars COMMAND --help has an example for each command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stop:
    """A stop of the tour.

    Attributes:
        title: What it is about.
        told: What there is to say, a line each.
        command: What does the same in a shell.
        shown: What came of it, a line each; may have the colors of Rich.
        facts: The same for programs.
    """

    title: str
    told: str
    command: str
    shown: tuple[object, ...]
    facts: dict[str, object]


def tour(
    out: Annotated[
        Path | None,
        typer.Option(help="Keep clips and index in this new folder.", show_default="a passing one"),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait between the stops.")] = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Show in two minutes how actions are taught, named, unknown and corrected.

    Everything is made in a folder of its own; nothing of yours is read or changed.
    """
    from stars_infer.atomic import check_folder

    output = Output(json=json, quiet=quiet)
    if out is not None:
        if out.exists():
            raise UsageError(f"{out}: is there already; name a new folder by --out")
        check_folder(out, "--out")
        out.mkdir(parents=True)
        _walk(out, model, device, output, wait=not fast)
        output.note(f"clips and index are in {out}")
        return
    with tempfile.TemporaryDirectory(prefix="stars-tour-") as folder:
        _walk(Path(folder), model, device, output, wait=not fast)


def _walk(folder: Path, model: str | None, device: str, output: Output, *, wait: bool) -> None:
    """Go from stop to stop."""
    from rich.console import Console

    console = Console(highlight=False)
    wait = wait and not (output.json or output.quiet)
    wait = wait and sys.stdin.isatty() and console.is_terminal
    width = console.width if console.encoding.lower().startswith("utf") else None
    for number, stop in enumerate(_stops(folder, model, device, width), start=1):
        if output.json:
            output.record({"stop": number, "title": stop.title, **stop.facts})
        elif output.quiet:
            output.table((), [(number, stop.title, *stop.facts.values())])
        else:
            console.print(f"\n[bold]{number}. {stop.title}[/]\n{stop.told}", soft_wrap=True)
            console.print(f"  $ {stop.command}", style="cyan", markup=False, soft_wrap=True)
            for line in stop.shown:
                console.print(line, soft_wrap=True)
            if wait:
                console.input("[dim]Enter to go on[/] ")
    if not (output.json or output.quiet):
        console.print("\n[bold]Where to go next[/]")
        console.print(_NEXT, markup=False, soft_wrap=True)


def _stops(folder: Path, model: str | None, device: str, width: int | None) -> Iterator[_Stop]:
    """Do what each stop shows, when its turn comes.

    Args:
        folder: Where everything is made.
        model: As the command takes it.
        device: As the command takes it.
        width: Characters across for drawings; None where their dots cannot be shown.
    """
    from stars_infer.inspection.drawing import draw_clip
    from stars_infer.readers.files import read_clip
    from stars_infer.recognizer import Recognizer
    from stars_infer.synthetic.files import write_recordings

    actions = (*_TAUGHT, _STRANGE)
    written = list(write_recordings(folder, performers=_PEOPLE, seed=7, actions=actions))
    clips = {action: [one for one in written if one.parent.name == action] for action in actions}
    first = clips["wave"][0]
    yield _Stop(
        title="A clip",
        told="Joints in space over time: here 25 of them, of somebody who waves.",
        command=f"stars data inspect {_name(first)}",
        shown=(draw_clip(read_clip(first), columns=min(width, 80), rows=9),) if width else (),
        facts={"clip": _name(first), "clips": len(written)},
    )
    with Recognizer(folder / "tour.db", model=model, device=device) as recognizer:
        for action in _TAUGHT:
            recognizer.add(action, clips[action][:_EXAMPLES])
        yield _Stop(
            title="Teach",
            told=f"Three actions, {_EXAMPLES} examples of each, by {_EXAMPLES} people.",
            command=f"stars fewshot add-class {{{','.join(_TAUGHT)}}}/*P00[1-{_EXAMPLES}]*",
            shown=tuple(f"  {one}: {count} examples" for one, count in recognizer.counts.items()),
            facts={"examples": dict(recognizer.counts)},
        )
        yield _asked(recognizer, clips["wave"][-1])
        yield _asked(recognizer, clips[_STRANGE][0])
        yield from _corrected(recognizer, clips["clap"][_EXAMPLES])


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _asked(recognizer: Recognizer, path: Path) -> _Stop:
    """Name a clip of somebody else, of an action that was taught or of one that was not."""
    answer = recognizer.predict(path)
    sure = answer.confidence if answer.known else 1 - answer.chance_known
    nearest = answer.neighbors[0]
    strange = path.parent.name not in recognizer.counts
    name = _name(path)
    return _Stop(
        title="Something else" if strange else "Ask",
        told="No example shows a kick, so the answer is that it is unknown."
        if strange
        else "A person who is in none of the examples does one of them.",
        command=f"stars classify {name} --explain",
        shown=(
            f"  [bold]{answer.answer}[/], {'over 99%' if sure > 0.99 else f'{sure:.0%}'} sure",
            f"  most like an example of {nearest.label}: similarity {nearest.similarity:.2f} of 1",
        ),
        facts={"clip": name, "answer": answer.answer, "sure": round(sure, 4)},
    )


def _corrected(recognizer: Recognizer, path: Path) -> Iterator[_Stop]:
    """Give an example a wrong label, find it, and put it right."""
    from stars_infer.curation.check import check

    recognizer.add("wave", path)
    kept = recognizer.index.features()
    findings = check(
        [features for _, features in kept],
        [exemplar.label for exemplar, _ in kept],
        how=recognizer.encoder.info.comparison,
    )
    exemplar, name, right = kept[-1][0], _name(path), path.parent.name
    said = [
        one.labels[1]
        for one in findings
        if one.kind == "mislabeled" and kept[one.positions[0]][0].id == exemplar.id
    ]
    yield _Stop(
        title="A wrong label",
        told=f"{name} was added as a wave. The examples around it say otherwise.",
        command="stars fewshot check",
        shown=tuple(f"  example {exemplar.id}: likely {one}, not {exemplar.label}" for one in said)
        or (f"  nothing is found by {recognizer.encoder.info.name}",),
        facts={"example": exemplar.id, "label": exemplar.label, "likely": said[0] if said else ""},
    )
    recognizer.relabel([exemplar.id], right)
    yield _Stop(
        title="Put right",
        told="The next answer knows it; nothing is trained anew.",
        command=f"stars fewshot relabel {right} {name}",
        shown=tuple(f"  {one}: {count} examples" for one, count in recognizer.counts.items()),
        facts={"examples": dict(recognizer.counts)},
    )
