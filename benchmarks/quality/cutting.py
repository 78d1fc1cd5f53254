"""Ways from the named windows of a recording to its segments, and how right they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from stitching import Interval

from stars_infer.segmentation.confidence import confidence_of, log_odds
from stars_infer.segmentation.segment import Segment, SegmentOptions, segments_of
from stars_infer.segmentation.windows import NamedWindow

TICK = 0.1
"""Seconds from one moment to the next where moments are named."""
SWITCH = 1.0
"""What a change of action costs the way through the moments, in log-odds times seconds."""

Cut = Callable[[Sequence[NamedWindow], float, float], list[Segment]]
"""Segments from named windows, the frame rate, and the length of the recording in seconds."""


def ways() -> dict[str, Cut]:
    """The plainest first."""
    how = SegmentOptions()

    def one_length(windows: Sequence[NamedWindow], fps: float, seconds: float) -> list[Segment]:
        same = [w for w in windows if round((w.window.end - w.window.start) / fps, 1) == 2.0]
        return _moments(same, fps, seconds, switch=0.0, middle=True)

    def all_lengths(windows: Sequence[NamedWindow], fps: float, seconds: float) -> list[Segment]:
        return _moments(windows, fps, seconds, switch=0.0)

    def smoothed(windows: Sequence[NamedWindow], fps: float, seconds: float) -> list[Segment]:
        return _moments(windows, fps, seconds, switch=SWITCH)

    def class_out(windows: Sequence[NamedWindow], fps: float, _: float) -> list[Segment]:
        return segments_of(_all_known(windows), fps, replace(how, merge_gap=0.0))

    def joined(windows: Sequence[NamedWindow], fps: float, _: float) -> list[Segment]:
        return segments_of(_all_known(windows), fps, how)

    def whole(windows: Sequence[NamedWindow], fps: float, _: float) -> list[Segment]:
        return segments_of(windows, fps, how)

    return {
        "windows of 2 s, each moment by its own": one_length,
        "all lengths, each moment by its surest window": all_lengths,
        "the same, smoothed (Viterbi)": smoothed,
        "windows that do not overlap, worth most": class_out,
        "the same, neighbors joined": joined,
        "**the same, what is not known left out: `stars segment`**": whole,
    }


def _all_known(windows: Sequence[NamedWindow]) -> list[NamedWindow]:
    return [replace(window, known=1.0) for window in windows]


def _moments(
    windows: Sequence[NamedWindow],
    fps: float,
    seconds: float,
    *,
    switch: float,
    middle: bool = False,
) -> list[Segment]:
    """Name each moment by the windows around it, or by that of which it is the middle."""
    labels = sorted({window.label for window in windows})
    ticks = int(seconds / TICK) + 1
    score_features = np.full((ticks, len(labels) + 1), -5.0)
    score_features[:, -1] = 0.0  # background
    threshold = log_odds(SegmentOptions().min_confidence)
    for window in windows:
        start, end = window.window.start / fps, window.window.end / fps
        if middle:
            reach = (end - start) / 12 + TICK / 2  # to the middle of the next window
            start, end = (start + end) / 2 - reach, (start + end) / 2 + reach
        there = slice(round(start / TICK), max(round(end / TICK), round(start / TICK) + 1))
        column = score_features[there, labels.index(window.label)]
        np.maximum(column, log_odds(confidence_of(window)) - threshold, out=column)
    path = _cheapest(-TICK * score_features, switch)
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), ticks]
    return [
        Segment(start=a * TICK, end=b * TICK, label=labels[path[a]], confidence=1.0, similarity=1.0)
        for a, b in pairwise(edges)
        if path[a] < len(labels)
    ]


def _cheapest(costs: np.ndarray, switch: float) -> list[int]:
    """The cheapest way through states (T, C), where each change of state costs the same."""
    total = costs[0].copy()
    came = np.zeros(costs.shape, np.intp)
    for tick in range(1, len(costs)):
        best = int(total.argmin())
        stay = total <= total[best] + switch
        came[tick] = np.where(stay, np.arange(len(total)), best)
        total = np.where(stay, total, total[best] + switch) + costs[tick]
    path = [int(total.argmin())]
    for tick in range(len(costs) - 1, 0, -1):
        path.append(int(came[tick, path[-1]]))
    return path[::-1]


@dataclass(slots=True)
class Tally:
    """Right and wrong segments over several recordings.

    Attributes:
        right: Segments of the right label that overlap a true one enough; each counts once.
        found: Segments.
        true: Those there are.
        time_right: Seconds with the right label, background too.
        time: Seconds in all.
    """

    overlap: float
    right: int = 0
    found: int = 0
    true: int = 0
    time_right: float = 0.0
    time: float = 0.0

    def add(self, segments: Sequence[Segment], truth: Sequence[Interval], seconds: float) -> None:
        """Count a recording."""
        self.right += sum(matched(segments, truth, self.overlap))
        self.found += len(segments)
        self.true += len(truth)
        moments = np.arange(0, seconds, TICK) + TICK / 2
        said, real = (_labels_at(moments, spans) for spans in (segments, truth))
        self.time_right += TICK * sum(a == b for a, b in zip(said, real, strict=True))
        self.time += TICK * len(moments)

    @property
    def precision(self) -> float:
        """Right ones among those found, per cent."""
        return 100 * self.right / max(self.found, 1)

    @property
    def recall(self) -> float:
        """Found ones among the true, per cent."""
        return 100 * self.right / max(self.true, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, per cent."""
        return 200 * self.right / max(self.found + self.true, 1)


def matched(segments: Sequence[Segment], truth: Sequence[Interval], overlap: float) -> list[bool]:
    """For each segment whether it is right: same label, enough overlap, and no other is nearer."""
    pairs = sorted(
        (
            (real.overlap(said.start, said.end), position, number)
            for position, said in enumerate(segments)
            for number, real in enumerate(truth)
            if said.label == real.label
        ),
        reverse=True,
    )
    right = [False] * len(segments)
    taken: set[int] = set()
    for share, position, number in pairs:
        if share >= overlap and not right[position] and number not in taken:
            right[position] = True
            taken.add(number)
    return right


def _labels_at(
    moments: np.ndarray, spans: Sequence[Segment] | Sequence[Interval]
) -> list[str | None]:
    labels: list[str | None] = [None] * len(moments)
    for span in spans:
        for position in np.flatnonzero((moments >= span.start) & (moments < span.end)):
            labels[position] = span.label
    return labels
