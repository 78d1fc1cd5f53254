"""From a long recording to its actions: when each begins and ends, and how sure that is.

Windows of several lengths are named one by one. Of all windows that may be an action, those are
taken that do not overlap and whose log-odds of being right, less what is asked for at least, add up
to most (weighted interval scheduling). What lies between them is background.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import exp, log

from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import check_range
from stars_infer.index.index import ExemplarIndex
from stars_infer.segmentation.windows import NamedWindow, Window, WindowGrid, name_windows

MIN_CONFIDENCE = 0.58
"""Less sure windows are background; docs/segmentation-and-streaming.md shows other values."""
MERGE_GAP = 0.3
"""Segments of the same action that are nearer than this, seconds, are one."""

_UNLIKE = 0.75
"""Similarity of a window of background to its nearest exemplar, which stands for the second action
where the index holds only one."""
_NEARNESS, _LEAD, _OFFSET = 1.14, 1.88, -2.98
"""Log-odds that a window is right (its label, and at least half of the union of its span and the
true one), by logistic regression on stitched recordings of three data sets."""

Progress = Callable[[int, int], None]
"""Called with windows done and windows in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An action in a recording.

    Attributes:
        start: Seconds from the beginning of the recording.
        end: The same.
        label: The action.
        confidence: Probability that the label is right and the span about right.
        similarity: To the nearest exemplar of the action.
    """

    start: float
    end: float
    label: str
    confidence: float
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOptions:
    """How a recording is cut.

    Attributes:
        grid: Windows that are looked at.
        min_confidence: Least confidence of a segment, 0 to 1; more for fewer and surer segments.
        merge_gap: Gap between segments of the same action up to which they are one, seconds.
        min_duration: Segments shorter than this are background, seconds.
    """

    grid: WindowGrid = field(default_factory=WindowGrid)
    min_confidence: float = MIN_CONFIDENCE
    merge_gap: float = MERGE_GAP
    min_duration: float = 0.0

    def __post_init__(self) -> None:
        check_range("min_confidence", self.min_confidence, above=0, below=1)
        check_range("merge_gap", self.merge_gap, at_least=0)
        check_range("min_duration", self.min_duration, at_least=0)


def segment(
    clip: Clip,
    encoder: Encoder,
    index: ExemplarIndex,
    how: SegmentOptions | None = None,
    *,
    progress: Progress | None = None,
) -> list[Segment]:
    """Find the actions in a recording.

    Args:
        clip: The recording, of any length, from `read_clip(path, recording=True)`.
        encoder: The model.
        index: Its exemplars.
        how: How it is cut.
        progress: Told from time to time how far it is.

    Returns:
        Segments in order; they do not overlap.

    Raises:
        ExemplarIndexError: If the index is empty.
    """
    how = how or SegmentOptions()
    windows = how.grid.windows(clip.frames, clip.fps)
    found = []
    for count, (_, named) in enumerate(name_windows(clip, windows, encoder, index), start=1):
        if named is not None and confidence_of(named) > how.min_confidence:
            found.append(named)
        if progress is not None:
            progress(count, len(windows))
    return segments_of(found, clip.fps, how)


def segments_of(windows: Sequence[NamedWindow], fps: float, how: SegmentOptions) -> list[Segment]:
    """Choose the segments of a recording among its named windows.

    Args:
        windows: In any order.
        fps: Frames per second of the recording.
        how: How it is cut.
    """
    threshold = log_odds(how.min_confidence)
    worths = [log_odds(confidence_of(window)) - threshold for window in windows]
    chosen = best_apart([window.window for window in windows], worths)
    segments = joined((_segment(windows[place], fps) for place in chosen), how.merge_gap)
    return [part for part in segments if part.end - part.start >= how.min_duration]


def confidence_of(window: NamedWindow) -> float:
    """Probability that a window is an action of its label, from start to end.

    That of `Prediction` takes it for granted that a clip is an action from start to end; windows
    of which that is known are rare. So it stands in only for models that compare vectors, for
    which nothing was fitted.
    """
    if not window.warped:
        return window.confidence
    nearness = _nearness(window.similarity)
    other = _UNLIKE if window.margin is None else window.similarity - window.margin
    odds = _NEARNESS * nearness + _LEAD * (nearness - _nearness(other)) + _OFFSET
    return 1 / (1 + exp(-odds))


def _nearness(similarity: float) -> float:
    """0 for nothing in common; grows without end towards the same motion."""
    return -log(max(1 - similarity, 1e-3))


def log_odds(probability: float) -> float:
    """Logarithm of p / (1 - p), which probabilities of 0 and 1 do not break."""
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    return log(inside / (1 - inside))


def best_apart(windows: Sequence[Window], worths: Sequence[float]) -> list[int]:
    """Places of the windows that do not overlap and are worth most together, in order of time.

    Args:
        windows: In any order; one may begin in the frame where another ends.
        worths: Theirs; those of 0 or less are never taken.
    """
    order = sorted(
        (place for place, worth in enumerate(worths) if worth > 0),
        key=lambda place: (windows[place].end, windows[place].start),
    )
    ends = [windows[place].end for place in order]
    best = [0.0]
    """Worth of the best choice among the first n windows."""
    before = []
    for rank, place in enumerate(order):
        before.append(bisect_right(ends, windows[place].start, hi=rank))
        best.append(max(best[-1], best[before[-1]] + worths[place]))
    chosen: list[int] = []
    rank = len(order)
    while rank:
        if best[rank] == best[rank - 1]:
            rank -= 1
        else:
            chosen.append(order[rank - 1])
            rank = before[rank - 1]
    return chosen[::-1]


def joined(segments: Iterable[Segment], gap: float) -> list[Segment]:
    """Make one of neighboring segments of the same action, at most so many seconds apart."""
    result: list[Segment] = []
    for part in segments:
        last = result[-1] if result else None
        if last is None or last.label != part.label or part.start - last.end > gap + 1e-9:
            result.append(part)
            continue
        result[-1] = Segment(
            start=last.start,
            end=part.end,
            label=part.label,
            confidence=max(last.confidence, part.confidence),
            similarity=max(last.similarity, part.similarity),
        )
    return result


def _segment(window: NamedWindow, fps: float) -> Segment:
    return Segment(
        start=window.window.start / fps,
        end=window.window.end / fps,
        label=window.label,
        confidence=confidence_of(window),
        similarity=window.similarity,
    )
