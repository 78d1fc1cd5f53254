"""The `stars` command: registers its sub-commands, and turns known errors into one clear line.

Nothing heavy is imported here: numpy, FAISS and ONNX Runtime load inside the commands that need
them, `stars train`, `stars export` and what trains in `stars data` only when they are called.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from stars_infer.cli import bench, data, demo, doctor, embed, extras, fewshot, model
from stars_infer.cli.classify import classify
from stars_infer.cli.layouts import layouts
from stars_infer.cli.options import DEFAULT_INDEX
from stars_infer.cli.output import Output
from stars_infer.cli.pose import pose
from stars_infer.cli.report import report
from stars_infer.cli.search import search
from stars_infer.cli.segment import segment
from stars_infer.cli.serve import serve
from stars_infer.cli.studio import studio
from stars_infer.cli.teach import teach
from stars_infer.cli.terminal import print_plainly
from stars_infer.cli.tour import tour
from stars_infer.cli.view import view
from stars_infer.cli.watch import watch
from stars_infer.errors import StarsError, StarsWarning, UsageError, in_words

app = typer.Typer(
    name="stars",
    help="Name human motion clips from a few labeled examples per action.",
    epilog="Example: stars demo --out demo",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_FIRST_STEPS = """
New here? Three lines to begin with:
  stars tour                                 two minutes, on clips that it makes itself
  stars fewshot add-class wave/ clap/ jump/  learn actions: a folder of a few clips for each
  stars classify new/                        name other clips
"""
"""What `stars` says where there are no examples yet."""

EXIT_CODES: dict[type[BaseException], int] = {UsageError: 2, StarsError: 1, OSError: 1}
"""Known errors, the most special first."""


@app.callback(invoke_without_command=True)
def stars(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="STARS_DEBUG", help="Show tracebacks of errors.")
    ] = False,
) -> None:
    """Name human motion clips from a few labeled examples per action."""
    if debug:
        os.environ["STARS_DEBUG"] = "1"
    if version:
        from importlib.metadata import version as installed

        sys.stdout.write(f"stars-infer {installed('stars-infer')}\n")
    elif context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
        if not Path(os.environ.get("STARS_INDEX", DEFAULT_INDEX)).exists():
            sys.stdout.write(_FIRST_STEPS)


_RUN, _MAKE, _LOOK = "Name clips", "Make encoders", "Look around"

app.command(epilog="Example: stars classify clip.skeleton --json", rich_help_panel=_RUN)(classify)
app.command(epilog="Example: stars segment morning.npy --svg morning.svg", rich_help_panel=_RUN)(
    segment
)
app.command(epilog="Example: stars watch --udp 127.0.0.1:9000", rich_help_panel=_RUN)(watch)
app.command(epilog="Example: stars teach wave --camera 0", rich_help_panel=_RUN)(teach)
app.command(epilog="Example: stars pose clap.mp4 --out clap.json", rich_help_panel=_RUN)(pose)
app.add_typer(fewshot.app, name="fewshot", rich_help_panel=_RUN)
app.command(epilog="Example: stars serve --index stars.db --port 8000", rich_help_panel=_RUN)(serve)
app.command(epilog="Example: stars studio --index stars.db", rich_help_panel=_RUN)(studio)
app.command(epilog="Example: stars embed clips/ --out vectors.npz", rich_help_panel=_RUN)(
    embed.embed
)
app.command(
    epilog="Example: stars search clip.skeleton --in vectors.npz -k 5", rich_help_panel=_RUN
)(search)
app.command(epilog="Example: stars view a.npy b.npy --out both.gif", rich_help_panel=_LOOK)(view)
app.command(epilog="Example: stars report stars.db --out report.html", rich_help_panel=_LOOK)(
    report
)
app.command(epilog="Example: stars demo --out demo/", rich_help_panel=_LOOK)(demo.demo)
app.command(epilog="Example: stars tour", rich_help_panel=_LOOK)(tour)
app.command(epilog="Example: stars layouts coco17", rich_help_panel=_LOOK)(layouts)
app.command(epilog="Example: stars bench --save", rich_help_panel=_LOOK)(bench.bench)
app.command(epilog="Example: stars doctor", rich_help_panel=_LOOK)(doctor.doctor)
app.add_typer(model.app, name="model", rich_help_panel=_LOOK)
app.add_typer(data.app, name="data", rich_help_panel=_LOOK)
for group in (extras.TRAIN, extras.EXPORT):
    app.command(
        group.name,
        help=group.help,
        rich_help_panel=_MAKE,
        add_help_option=False,
        context_settings=extras.PASS_ON,
    )(group.command())


def main() -> None:
    """Run the command line; exit 0 all well, 1 a known failure, 2 wrong usage."""
    print_plainly()
    try:
        with warnings.catch_warnings():
            _say_warnings()
            app()
    except tuple(EXIT_CODES) as error:
        if os.environ.get("STARS_DEBUG"):
            raise
        code = next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
        source, problem = getattr(error, "source", None), getattr(error, "problem", None)
        Output.current.count_alike()
        told = in_words(error) if isinstance(error, OSError) else str(error)
        Output.current.error(told, source=source, problem=problem)
        sys.exit(code)
    except Exception as error:
        if os.environ.get("STARS_DEBUG"):
            raise
        Output.current.count_alike()
        Output.current.error(
            f"unexpected {type(error).__name__}: {error} (this is a bug; "
            "`stars --debug …` shows where, please report it)"
        )
        sys.exit(1)


def _say_warnings() -> None:
    """Our own warnings become notes for people; all others stay as they are."""
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, StarsWarning):
            Output.current.note(f"note: {message}")
        else:
            others(message, category, *where, **more)

    warnings.showwarning = show
    warnings.simplefilter("always", StarsWarning)
