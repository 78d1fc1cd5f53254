"""What `stars watch` does with each line, and what it shows of it."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stars_infer.classification.prediction import UNKNOWN
from stars_infer.cli.output import Output
from stars_infer.errors import ClipError
from stars_infer.streaming.classifier import StreamAnswer, StreamClassifier
from stars_infer.streaming.feed import FrameFeed, Line
from stars_infer.streaming.frames import FrameReader

_WAIT = 0.1
"""Seconds from one drawing of the display to the next."""
_REPORT = 10.0
"""Least seconds between two reports of lines that cannot be read."""
_LAST = 6
"""Answers that are still shown."""
_MEASURED = 500
"""Answers, and frames, over which latency and rate are taken."""


class Watching:
    """Takes lines from a feed, has them named, and shows the answers.

    Args:
        output: The form of the output.
        feed: Where lines come from.
        reader: What reads them.
        start: Makes what names them, once their layout is known.
        every_answer: Print every answer with `--json`, not only changes.
        numbered: Lines that do not say their time come at an even rate; else their time is that
            at which they arrive.
    """

    def __init__(
        self,
        output: Output,
        feed: FrameFeed,
        reader: FrameReader,
        start: Callable[[str], StreamClassifier],
        *,
        every_answer: bool,
        numbered: bool,
    ) -> None:
        self.frames = self.unreadable = self.changes = 0
        self._output, self._feed, self._reader, self._start = output, feed, reader, start
        self._every_answer, self._numbered = every_answer, numbered
        self._classifier: StreamClassifier | None = None
        self._latencies: deque[float] = deque(maxlen=_MEASURED)
        self._arrivals: deque[float] = deque(maxlen=_MEASURED)
        self._past: deque[StreamAnswer] = deque(maxlen=_LAST)
        self._current: StreamAnswer | None = None
        self._reported = self._drawn = -_REPORT
        self._unsaid = 0
        self._last_problem: ClipError | None = None
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
        """Follow the feed until it ends, or Ctrl-C.

        Raises:
            OSError: If the source fails, or standard output is closed.
        """
        try:
            while True:
                line = self._feed.get(_WAIT)
                if line is not None:
                    self._take(line)
                self._report(now=time.monotonic())
                if self._live is not None and time.monotonic() - self._drawn >= _WAIT:
                    self._live.update(self._picture(), refresh=True)
                    self._drawn = time.monotonic()
        except (EOFError, KeyboardInterrupt):
            return

    def summarize(self) -> None:
        """Say what came and went.

        Raises:
            ClipError: If lines came, but no frame was among them.
        """
        self._report(now=float("inf"))
        if self.unreadable and not self.frames:
            assert self._last_problem is not None
            raise ClipError(
                "frames",
                f"none of {self.unreadable:,} line(s) could be read; the last: "
                f"{self._last_problem}",
            )
        self._output.note(f"{self.frames:,} frames, {self.changes} changes; {self._condition()}")

    def _take(self, line: Line) -> None:
        try:
            frame = self._reader.read(line.text, source=f"line {line.number}")
        except ClipError as error:
            self.unreadable += 1
            self._unsaid += 1
            self._last_problem = error
            return
        if frame is None:
            return
        self.frames += 1
        self._arrivals.append(line.arrived)
        if self._classifier is None:
            self._classifier = self._start(frame.layout)
        moment = frame.time
        if moment is None:
            moment = line.number / self._reader.fps if self._numbered else line.arrived
        answer = self._classifier.push(frame.bodies, moment)
        if answer is not None:
            self._show(answer)

    def _show(self, answer: StreamAnswer) -> None:
        self._latencies.append(answer.latency)
        first, self._current = self._current is None, answer
        if answer.changed or first:
            self.changes += answer.changed
            self._past.append(answer)
        elif not self._every_answer:
            return
        if self._output.json:
            self._output.record(
                {
                    "time": round(answer.time, 4),
                    "answer": answer.answer,
                    "confidence": round(answer.confidence, 4),
                    "since": round(answer.since, 4),
                    "candidate": answer.candidate,
                    "latency_ms": round(1000 * answer.latency, 2),
                }
            )
        elif self._live is None and (answer.changed or first):
            row = [answer.answer]
            if not self._output.quiet:
                row = [f"{answer.time:.1f} s", answer.answer, f"{answer.confidence:.2f}"]
            sys.stdout.write("\t".join(row) + "\n")
        sys.stdout.flush()

    def _report(self, *, now: float) -> None:
        """Say from time to time that lines could not be read."""
        if not self._unsaid or now - self._reported < _REPORT or self._last_problem is None:
            return
        if self._unsaid == 1:
            self._output.error(
                str(self._last_problem),
                source=self._last_problem.source,
                problem=self._last_problem.problem,
            )
        else:
            self._output.error(
                f"{self._unsaid:,} lines could not be read; the last: {self._last_problem}"
            )
        self._reported, self._unsaid = now, 0

    def _condition(self) -> str:
        """Rate, latency, and what was lost."""
        parts = []
        if len(self._arrivals) > 1 and self._arrivals[-1] > self._arrivals[0]:
            rate = (len(self._arrivals) - 1) / (self._arrivals[-1] - self._arrivals[0])
            parts.append(f"{rate:.0f} frames a second")
        if self._latencies:
            half, most = 1000 * np.percentile(self._latencies, (50, 95))
            parts.append(f"latency {half:.0f} ms, {most:.0f} ms at 95 %")
        lost = {
            "dropped": self._feed.dropped,
            "late": self._classifier.late if self._classifier else 0,
            "unreadable": self.unreadable,
            "answers skipped": self._classifier.skipped if self._classifier else 0,
        }
        parts += [f"{count:,} {what}" for what, count in lost.items() if count]
        return ", ".join(parts) or "no answer yet"

    def _picture(self) -> RenderableType:
        now = self._current
        if now is None:
            return Text("waiting for frames …", style="dim")
        known = now.label is not None
        style = "bold green" if known else "bold dim"
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=1.0, completed=now.confidence, width=30),
            f"{now.confidence:.2f}",
            Text("" if known or now.candidate is None else f"{now.candidate}?", style="dim"),
        )
        past = Table.grid(padding=(0, 2))
        for answer in reversed([answer for answer in self._past if answer.answer != UNKNOWN]):
            past.add_row(Text(f"{answer.since:.1f} s", style="dim"), Text(answer.answer))
        title = Text.assemble((now.answer, style), f"  for {now.time - now.since:.1f} s")
        return Group(title, bar, Text(), past, Text(self._condition(), style="dim"))
