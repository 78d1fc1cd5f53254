"""A stream from its lines to its answers, with a count of what was lost on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from stars_infer.errors import ClipError, UsageError
from stars_infer.streaming.classifier import StreamAnswer, StreamClassifier
from stars_infer.streaming.feed import FrameFeed, Line
from stars_infer.streaming.frames import FrameReader

_MEASURED = 500
"""Number of recent answers, and frames, of which latency and frame rate are taken."""


class StreamSession:
    """Reads the lines of a feed, classifies the frames, and counts.

    Args:
        feed: Gives the lines.
        reader: Reads a line as a frame.
        start: Makes the classifier for a joint layout; called when the first frame tells which
            layout it is.
        even: Whether frames that do not say their time come at the even rate of the reader;
            otherwise their time is that of their arrival.

    Attributes:
        frames: Frames read so far.
        unreadable: Lines that were no frame.
        changes: Answers whose label differed from that of the answer before.
        last_error: Why the last unreadable line was none; None if all could be read.
    """

    def __init__(
        self,
        feed: FrameFeed,
        reader: FrameReader,
        start: Callable[[str], StreamClassifier],
        *,
        even: bool,
    ) -> None:
        self.frames = self.unreadable = self.changes = 0
        self.last_error: ClipError | None = None
        self._feed, self._reader, self._start, self._even = feed, reader, start, even
        self._classifier: StreamClassifier | None = None
        self._latencies: deque[float] = deque(maxlen=_MEASURED)
        self._arrivals: deque[float] = deque(maxlen=_MEASURED)

    def events(self, *, timeout: float) -> Iterator[StreamAnswer | ClipError | None]:
        """Follow the feed until it ends.

        Args:
            timeout: Longest time without an event, seconds.

        Yields:
            For each line the answers if they were due, the error if the line is no frame, else
            None; and None where no line came in time, so that the caller can do something else.

        Raises:
            OSError: If the source fails.
            UsageError: If nothing says which joints a frame has.
            ExemplarIndexError: If the index is empty.
        """
        while True:
            try:
                line = self._feed.get(timeout)
            except EOFError:
                return
            yield from [None] if line is None else self._take(line)

    @property
    def frame_rate(self) -> float | None:
        """Frames per second that arrived lately; None if there were too few."""
        if len(self._arrivals) < 2 or self._arrivals[-1] <= self._arrivals[0]:
            return None
        return (len(self._arrivals) - 1) / (self._arrivals[-1] - self._arrivals[0])

    @property
    def latency(self) -> tuple[float, float] | None:
        """Seconds that recent answers took, median and 95th percentile; None if there are none."""
        if not self._latencies:
            return None
        half, most = np.percentile(self._latencies, (50, 95))
        return float(half), float(most)

    @property
    def losses(self) -> dict[str, int]:
        """How many lines, frames and answers were lost, by the reason."""
        classifier = self._classifier
        return {
            "dropped": self._feed.dropped,
            "late": classifier.late if classifier else 0,
            "unreadable": self.unreadable,
            "answers skipped": classifier.skipped if classifier else 0,
        }

    def check_readable(self) -> None:
        """Make sure that there was a frame, if there were lines.

        Raises:
            ClipError: If no line could be read; it names the last problem.
        """
        if self.unreadable and not self.frames:
            raise ClipError(
                "frames",
                f"none of {self.unreadable:,} line(s) could be read; the last: {self.last_error}",
            )

    def _take(self, line: Line) -> Sequence[StreamAnswer | ClipError | None]:
        try:
            frame = self._reader.read(line.text, source=f"line {line.number}")
        except ClipError as error:
            self.unreadable += 1
            self.last_error = error
            return [error]
        if frame is None:
            return [None]
        self.frames += 1
        self._arrivals.append(line.arrived)
        if self._classifier is None:
            self._classifier = self._start(frame.layout)
        moment = frame.time
        if moment is None:
            moment = line.number / self._reader.fps if self._even else line.arrived
        try:
            answers = self._classifier.push_people(
                frame.bodies, moment, identities=frame.identities
            )
        except UsageError as problem:  # of this frame: the stream goes on
            self.unreadable += 1
            self.last_error = ClipError(f"line {line.number}", str(problem))
            return [self.last_error]
        if answers:
            self._latencies.append(answers[0].latency)
            self.changes += sum(answer.changed for answer in answers)
        return answers or [None]
