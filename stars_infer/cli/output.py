"""What commands print: results on stdout, everything else on stderr, in three forms."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from stars_infer.cli.tables import print_rows
from stars_infer.errors import ClipError, escape_unprintable, printable

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object per result on stdout.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Results only, tab-separated.")]

_Item = TypeVar("_Item")
_NAMES_SHOWN = 3
"""Clips of one file that failed for one reason of which the name is printed."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as of shells."""
_ALIKE_SHOWN = 3
"""Files that failed for one reason which are named; the others are counted."""
_MOST_NOTES = 20
"""Most notes on clips that are printed; with `--json`, each record has all of its own."""
_NUMBER = re.compile(r"\d+")
_MOST_WIDTH = 1_000
"""Width of a table that goes to no terminal, at most, characters."""


@dataclass(kw_only=True)
class Output:
    """The output of a command: for people, with `--json` for programs, with `--quiet` for scripts.

    Attributes:
        json: Print one JSON object per line.
        quiet: Print tab-separated values, without notes and progress bars.
        failures: Number of inputs that failed so far; if there are any, the command exits with 1.
        same: The last file of many clips of which some failed, why, and their names, not printed
            yet.
        alike: By reason, numbers in it aside, how many files failed, and the last one's reason.
        noted: Number of notes on clips so far.
    """

    json: bool = False
    quiet: bool = False
    failures: int = 0
    noted: int = 0
    same: tuple[str, str, list[str]] | None = None
    alike: dict[str, tuple[int, str]] = field(default_factory=dict)
    current: ClassVar[Output]

    def __post_init__(self) -> None:
        if self.json and self.quiet:
            raise typer.BadParameter("--json and --quiet exclude each other")
        Output.current = self

    def record(self, values: dict[str, Any]) -> None:
        """Print one result as JSON."""
        sys.stdout.write(_json_line(values, sys.stdout.encoding))
        sys.stdout.flush()  # for the program that reads it

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
    ) -> None:
        """Print results as a table, or as tab-separated lines with `--quiet`."""
        if self.quiet:
            for row in rows:
                sys.stdout.write("\t".join(printable(str(cell)) for cell in row) + "\n")
            sys.stdout.flush()
            return
        console = Console()
        if not console.is_terminal and "COLUMNS" not in os.environ:
            # A file or another program has no width into which cells have to be squeezed.
            console.width = max(console.width, _MOST_WIDTH)
        if title is not None:  # not folded to the width of the table
            console.print(Text(printable(title), style="bold"), soft_wrap=True)
        print_rows(console, columns, list(rows))

    def paragraph(self, heading: str, lines: Sequence[str]) -> None:
        """Print lines of text under a heading, as part of the results."""
        if self.quiet:
            return
        console = Console(soft_wrap=True)
        console.print(Text(printable(heading), style="bold"))
        for line in lines:
            console.print(Text(f"  {printable(line)}"))

    def note(self, text: str) -> None:
        """Print a note for people, on stderr."""
        if not (self.json or self.quiet):
            console = Console(stderr=True)
            console.print(Text(printable(text)), soft_wrap=not console.is_terminal)

    def clip_notes(self, source: str, notes: Sequence[str]) -> None:
        """Print what was mended in a clip or is odd about it; with `--json` the record says it."""
        for note in notes:
            self.noted += 1
            if self.noted <= _MOST_NOTES and not (self.json or self.quiet):
                text = Text(printable(f"note: {source}: {note}"), style="yellow")
                Console(stderr=True, soft_wrap=True).print(text)

    def failure(self, error: ClipError) -> None:
        """Report an input that failed; the command goes on with the others.

        The clips of one file that fail for one reason are reported together, in one line, once the
        next error comes or the command ends. Of files that fail for one reason, the first are
        named, and the others counted in the end. With `--json`, each has a line of its own.
        """
        self.failures += 1
        file, mark, name = error.source.partition("#")
        if self.json:
            self.error(str(error), source=error.source, problem=error.problem)
        elif not mark:
            self._tell(str(error), error.problem)
        elif self.same is not None and self.same[:2] == (file, error.problem):
            self.same[2].append(name)
        else:
            self.flush()
            self.same = file, error.problem, [name]

    def flush(self) -> None:
        """Print what is still to be said of clips that failed for one reason."""
        if self.same is None:
            return
        (file, problem, names), self.same = self.same, None
        if len(names) > 1:
            shown = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
            self._tell(f"{file}: {len(names):,} clips ({shown}): {problem}", problem)
        else:
            self._tell(f"{file}#{names[0]}: {problem}", problem)

    def _tell(self, text: str, problem: str) -> None:
        """Print why a file failed, unless enough have failed for that reason."""
        kind = _NUMBER.sub("0", problem)
        count = self.alike.get(kind, (0, ""))[0] + 1
        self.alike[kind] = count, problem
        if count <= _ALIKE_SHOWN:
            self.error(text)
        else:
            self.flush()

    def count_alike(self) -> None:
        """Say how many files failed beside those that were named."""
        self.flush()
        for count, problem in self.alike.values():
            if count > _ALIKE_SHOWN:
                more = count - _ALIKE_SHOWN
                self.error(f"… and {more:,} more for the same reason: {problem}")
        self.alike.clear()

    def error(self, text: str, *, source: str | None = None, problem: str | None = None) -> None:
        """Print an error: a line of text, or of JSON with `--json`."""
        self.flush()
        if self.json:
            said = {"source": source, "error": problem or text}
            sys.stderr.write(_json_line(said, sys.stderr.encoding))
        else:
            Console(stderr=True, soft_wrap=True).print(
                Text(printable(f"error: {text}"), style="red")
            )

    def progress(self, items: Iterable[_Item], what: str, total: int) -> Iterator[_Item]:
        """Iterate with a progress bar on stderr, which disappears at the end."""
        with self.bar() as bar:
            task = bar.add_task(what, total=total)
            for item in items:
                yield item
                bar.advance(task)

    @contextmanager
    def bar(self, *extra: str) -> Iterator[Progress]:
        """A progress bar on stderr; extra columns are format strings over `task.fields`."""
        console = Console(stderr=True)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            *(TextColumn(column) for column in extra),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=self.json or self.quiet or not console.is_terminal,
        ) as bar:
            yield bar

    @contextmanager
    def counter(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar for functions that report how many steps are done and how many there are.

        It shows up with the first report.
        """
        with self.bar() as bar:
            task = bar.add_task(what, total=None, visible=False)
            yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show on stderr that something goes on of which no share that is done is known."""
        console = Console(stderr=True)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=self.json or self.quiet or not console.is_terminal,
        ) as bar:
            bar.add_task(what, total=None)
            yield

    @contextmanager
    def goes_on(self, how_far: Callable[[], str]) -> Iterator[None]:
        """Say after Ctrl-C how far a command came that goes on when it is run again.

        Args:
            how_far: Says what is done and kept.
        """
        try:
            yield
        except KeyboardInterrupt:
            self.count_alike()
            self.error(f"stopped: {how_far()}; run the same command again to go on")
            raise typer.Exit(INTERRUPTED) from None

    def finish(self) -> None:
        """End the command, with exit code 1 if any input failed."""
        self.count_alike()
        if self.noted > _MOST_NOTES:
            self.note(f"and {self.noted - _MOST_NOTES} more notes; --json shows all")
        if self.failures:
            raise typer.Exit(1)


def _json_line(values: dict[str, Any], encoding: str | None) -> str:
    """Write a line of JSON; where an encoding has not got all characters, in ASCII."""
    everything = (encoding or "utf-8").lower().startswith("utf")
    try:
        text = json.dumps(values, ensure_ascii=not everything, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(values), ensure_ascii=not everything, allow_nan=False)
    return escape_unprintable(text) + "\n"


def _finite(value: Any) -> Any:
    """The same, with null for numbers that JSON has not got."""
    if isinstance(value, dict):
        return {_finite(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def count_in_words(number: int, noun: str) -> str:
    """A number of things in words: `1 action`, `2 actions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


Output.current = Output()
