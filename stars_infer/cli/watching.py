"""What `stars watch` shows of a stream: lines of text or JSON, or a live display."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stars_infer.classification.prediction import UNKNOWN
from stars_infer.cli.output import Output
from stars_infer.clips.people import people_in_words
from stars_infer.errors import ClipError, printable
from stars_infer.streaming.classifier import StreamAnswer
from stars_infer.streaming.session import StreamSession

_WAIT = 0.1
"""Seconds between two drawings of the display."""
_REPORT = 10.0
"""Shortest time between two reports of lines that cannot be read, seconds."""
_FIGURES = re.compile(r"[\d.,]+")
_LAST = 6
"""Number of past answers that the display shows."""


class Watching:
    """Follows a stream and shows its answers.

    Args:
        output: The form of the output.
        session: The stream.
        every_answer: Print every answer with `--json`, not only changes.
        follow: Called again and again with the answers about those who are there now.
    """

    def __init__(
        self,
        output: Output,
        session: StreamSession,
        *,
        every_answer: bool,
        follow: Callable[[Sequence[StreamAnswer]], None] | None = None,
    ) -> None:
        self._output, self._session, self._every_answer = output, session, every_answer
        self._follow = follow
        self._past: deque[StreamAnswer] = deque(maxlen=_LAST)
        self._current: dict[tuple[str, ...], StreamAnswer] = {}
        self._reported = self._drawn = -_REPORT
        self._unreported = 0
        self._last: ClipError | None = None
        self._noted: set[str] = set()
        console = Console()
        alive = console.is_terminal and not (output.json or output.quiet)
        self._live = Live(console=console, auto_refresh=False) if alive else None

    def __enter__(self) -> Watching:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def run(self) -> None:
        """Follow the stream until it ends, or Ctrl-C.

        Raises:
            OSError: If the source fails, or standard output is closed.
        """
        try:
            for event in self._session.events(timeout=_WAIT):
                if isinstance(event, StreamAnswer):
                    self._show(event)
                elif event is not None:
                    self._unreported += 1
                    self._last = event
                self._report(now=time.monotonic())
                if self._live is not None and time.monotonic() - self._drawn >= _WAIT:
                    self._live.update(self._picture(), refresh=True)
                    self._drawn = time.monotonic()
                if self._follow is not None:
                    self._follow(self._present())
        except KeyboardInterrupt:
            return

    def summarize(self) -> None:
        """Say how many frames and changes there were, and what was lost.

        Raises:
            ClipError: If there were lines, but no frame among them.
        """
        self._report(now=float("inf"))
        self._session.check_readable()
        self._output.note(
            f"{self._session.frames:,} frames, {self._session.changes} changes; {self._condition()}"
        )

    def _show(self, answer: StreamAnswer) -> None:
        self._note(answer.notes)
        new = answer.changed or answer.people not in self._current
        self._current[answer.people] = answer
        if new:
            self._past.append(answer)
        elif not self._every_answer:
            return
        if self._output.json:
            self._output.record(
                {
                    "time": round(answer.time, 4),
                    **({"people": list(answer.people)} if answer.people else {}),
                    "answer": answer.answer,
                    "confidence": round(answer.confidence, 4),
                    "since": round(answer.since, 4),
                    "candidate": answer.candidate,
                    "latency_ms": round(1000 * answer.latency, 2),
                }
            )
        elif self._live is None and new:
            row = [*_who(answer), answer.answer]
            if not self._output.quiet:
                row = [f"{answer.time:.1f} s", *row, f"{answer.confidence:.2f}"]
            sys.stdout.write("\t".join(map(printable, row)) + "\n")
        sys.stdout.flush()

    def _note(self, notes: Sequence[str]) -> None:
        """Print notes of new kinds; the figures in a note change from answer to answer."""
        for note in notes:
            kind = _FIGURES.sub("", note)
            if kind not in self._noted:
                self._noted.add(kind)
                self._output.clip_notes("stream", [note])

    def _report(self, *, now: float) -> None:
        """Say, but not too often, that lines could not be read."""
        if not self._unreported or now - self._reported < _REPORT:
            return
        last = self._last
        assert last is not None
        if self._unreported == 1:
            self._output.error(str(last), source=last.source, problem=last.problem)
        else:
            self._output.error(f"{self._unreported:,} lines could not be read; the last: {last}")
        self._reported = now
        self._unreported = 0

    def _condition(self) -> str:
        """Rate, latency, and what was lost."""
        parts = []
        if (rate := self._session.frame_rate) is not None:
            parts.append(f"{rate:.0f} frames a second")
        if (latency := self._session.latency) is not None:
            half, most = (1000 * seconds for seconds in latency)
            parts.append(f"latency {half:.0f} ms, {most:.0f} ms at 95 %")
        parts += [f"{count:,} {what}" for what, count in self._session.losses.items() if count]
        return ", ".join(parts) or "no answer yet"

    def _present(self) -> list[StreamAnswer]:
        """The latest answers; whoever has left is no longer answered for."""
        latest = max((answer.time for answer in self._current.values()), default=None)
        return [answer for answer in self._current.values() if answer.time == latest]

    def _picture(self) -> RenderableType:
        if not self._current:
            return Text("waiting for frames …", style="dim")
        past = Table.grid(padding=(0, 2))
        for answer in reversed([answer for answer in self._past if answer.answer != UNKNOWN]):
            past.add_row(
                Text(f"{answer.since:.1f} s", style="dim"), *_who(answer), Text(answer.answer)
            )
        condition = Text(self._condition(), style="dim")
        return Group(*(_headline(answer) for answer in self._present()), Text(), past, condition)


def _who(answer: StreamAnswer) -> list[str]:
    """The people an answer is about, if there are several answers."""
    return [people_in_words(answer.people)] if answer.people else []


def _headline(now: StreamAnswer) -> RenderableType:
    known = now.label is not None
    style = "bold green" if known else "bold dim"
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=1.0, completed=now.confidence, width=30),
        f"{now.confidence:.2f}",
        Text("" if known or now.candidate is None else f"{now.candidate}?", style="dim"),
    )
    who = "".join(f"{name}: " for name in _who(now))
    title = Text.assemble((who, "dim"), (now.answer, style), f"  for {now.time - now.since:.1f} s")
    return Group(title, bar)
