"""Find the actions in a long recording: when each begins and ends, and how sure that is.

Windows of several lengths are classified one by one. Among all sets of windows that do not overlap,
the one is chosen whose log-odds of being right, above those of `min_confidence`, have the largest
sum (weighted interval scheduling). A chosen window whose action is less likely to be in the index
than that is background, as is whatever lies between the chosen windows. Neighbors of one action
become one, unless the body rests where they meet.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stars_infer.classification.mirroring import AUTO, check_mirror
from stars_infer.classification.prediction import Neighbor
from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.clips.people import POOLED, check_way, parts_by_people
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import check_range
from stars_infer.index.index import ExemplarIndex
from stars_infer.parallel import ReportProgress
from stars_infer.readers.files import read_clip
from stars_infer.segmentation.confidence import chance_if_known, confidence_of, log_odds
from stars_infer.segmentation.ends import moves_on
from stars_infer.segmentation.windows import NamedWindow, Window, WindowGrid, name_windows

MIN_CONFIDENCE = 0.3
"""Windows less sure than this are background (see docs/segmentation-and-streaming.md)."""
NEAR = 0.5
"""Windows with more than this share of that confidence are near misses."""
MERGE_GAP = 0.7
"""Segments of the same action with a shorter gap between them, seconds, become one, unless the body
rests there. It is as long as the shortest window: none fits between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An action in a recording.

    Attributes:
        start: Seconds from the beginning of the recording.
        end: Seconds from the beginning of the recording.
        label: The action.
        confidence: Probability that the label and roughly the span are right, 0 to 1.
        similarity: Similarity to the nearest exemplar of the action, at most 1.
        nearest: That exemplar, of the surest part of it.
    """

    start: float
    end: float
    label: str
    confidence: float
    similarity: float
    nearest: Neighbor | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOptions:
    """How a recording is divided into segments.

    Attributes:
        grid: The windows that are classified.
        min_confidence: Confidence that a segment must exceed, 0 to 1.
        merge_gap: Segments of the same action become one if the gap between them is no longer than
            this, seconds, and the body does not rest there.
        min_duration: Segments shorter than this are background, seconds.
        mirror: Whether mirror images count, as in
            `stars_infer.classification.prediction.ClassifyOptions`.
    """

    grid: WindowGrid = field(default_factory=WindowGrid)
    min_confidence: float = MIN_CONFIDENCE
    merge_gap: float = MERGE_GAP
    min_duration: float = 0.0
    mirror: str = AUTO

    def __post_init__(self) -> None:
        check_mirror(self.mirror)
        check_range("min_confidence", self.min_confidence, above=0, below=1)
        check_range("merge_gap", self.merge_gap, at_least=0)
        check_range("min_duration", self.min_duration, at_least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A recording and the actions in it.

    Attributes:
        name: Name of the recording.
        seconds: Length of the recording, seconds.
        segments: The actions, in order of time.
        notes: What was mended in the recording, or is odd about it, in words.
        near_misses: What is not sure enough to be a segment, though nearly, in order of time; only
            where it was asked for.
    """

    name: str
    seconds: float
    segments: Sequence[Segment]
    notes: tuple[str, ...] = ()
    near_misses: Sequence[Segment] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as `stars segment --json` prints them."""
        return {
            "source": self.name,
            "seconds": round(self.seconds, 3),
            "segments": [
                {
                    "start": round(part.start, 3),
                    "end": round(part.end, 3),
                    "label": part.label,
                    "confidence": round(float(part.confidence), 4),
                    "similarity": round(float(part.similarity), 4),
                }
                for part in self.segments
            ],
            "notes": list(self.notes),
        }


Shown = Callable[[Clip, Timeline], None]


def segment_file(
    path: str | Path,
    *,
    encoder: Encoder,
    index: ExemplarIndex,
    convention: Convention | None = None,
    options: SegmentOptions | None = None,
    people: str = POOLED,
    progress: ReportProgress | None = None,
    show: Shown | None = None,
) -> list[Timeline]:
    """Find the actions in a recording that is stored in a file.

    Args:
        path: The file, in any format that clips may have, of any length.
        encoder: The model.
        index: The exemplars, made by the same model.
        convention: What is known of the file, where it does not say itself.
        options: How the recording is divided into segments.
        people: Whether there is one timeline, or one for each person or pair: one of
            `stars_infer.clips.people.WAYS`.
        progress: Called after each window.
        show: Called with each recording or part of it and its timeline, near misses among it, while
            the joints are there.

    Returns:
        The recording and its actions. If it is parted by people, one for each part, whose name says
        who they are; all have the length of the whole recording.

    Raises:
        ClipError: If the file cannot be read, or pairs are asked for and nobody meets.
        ExemplarIndexError: If the index is empty.
        UsageError: If `people` means nothing.
    """
    check_way(people)
    options = options or SegmentOptions()
    clip = read_clip(path, convention=convention, recording=True)
    timelines = []
    for part in parts_by_people(replace(clip, source=str(path)), people, uncut=True):
        named = _named_windows(part, encoder, index, options, progress)
        segments = segments_of(named, part.fps, options)
        timeline = Timeline(
            name=part.source,
            seconds=part.frames / part.fps,
            segments=segments,
            notes=part.notes,
            near_misses=near_misses_of(named, segments, part.fps, options) if show else (),
        )
        timelines.append(timeline)
        if show is not None:
            show(part, timeline)
    return timelines


def segment(
    clip: Clip,
    encoder: Encoder,
    index: ExemplarIndex,
    how: SegmentOptions | None = None,
    *,
    progress: ReportProgress | None = None,
) -> list[Segment]:
    """Find the actions in a recording.

    Args:
        clip: The recording, of any length, from `read_clip(path, recording=True)`.
        encoder: The model.
        index: The exemplars, made by the same model.
        how: How the recording is divided into segments.
        progress: Called after each window.

    Returns:
        Segments in order of time, which do not overlap.

    Raises:
        ExemplarIndexError: If the index is empty.
    """
    how = how or SegmentOptions()
    named = _named_windows(clip, encoder, index, how, progress)
    return segments_of(named, clip.fps, how)


def _named_windows(
    clip: Clip,
    encoder: Encoder,
    index: ExemplarIndex,
    how: SegmentOptions,
    progress: ReportProgress | None,
) -> list[NamedWindow]:
    """The windows of a recording that are sure enough to be near misses at least."""
    windows = how.grid.windows(clip.frames, clip.fps)
    least = NEAR * how.min_confidence
    found = []
    answers = name_windows(clip, windows, encoder, index, mirror=how.mirror)
    for count, (_, named) in enumerate(answers, start=1):
        if named is not None and chance_if_known(named) > least:
            found.append(named)
        if progress is not None:
            progress(count, len(windows))
    return found


def near_misses_of(
    windows: Sequence[NamedWindow], segments: Sequence[Segment], fps: float, how: SegmentOptions
) -> list[Segment]:
    """What is nearly sure enough, of the time that no segment covers.

    Args:
        windows: The windows, in any order.
        segments: The segments that were chosen, in order of time.
        fps: Frames per second of the recording.
        how: How the recording is divided into segments; a near miss has more than `NEAR` of its
            `min_confidence`.
    """
    starts = [one.start for one in segments]
    ends = [one.end for one in segments]

    def is_free(window: Window) -> bool:
        return bisect_right(ends, window.start / fps + 1e-9) == bisect_left(
            starts, window.end / fps - 1e-9
        )

    least = NEAR * how.min_confidence
    near = [
        one for one in windows if least < confidence_of(one) <= how.min_confidence
        and is_free(one.window)
    ]  # fmt: skip
    return segments_of(near, fps, replace(how, min_confidence=least))


def segments_of(windows: Sequence[NamedWindow], fps: float, how: SegmentOptions) -> list[Segment]:
    """Choose the segments of a recording among its classified windows.

    Args:
        windows: The windows, in any order.
        fps: Frames per second of the recording.
        how: How the recording is divided into segments.
    """
    threshold = log_odds(how.min_confidence)
    worths = [log_odds(chance_if_known(window)) - threshold for window in windows]
    chosen = [windows[at] for at in best_apart([window.window for window in windows], worths)]
    known = [window for window in chosen if confidence_of(window) > how.min_confidence]
    segments = [_segment(parts, fps) for parts in join_neighbors(known, how.merge_gap * fps)]
    return [part for part in segments if part.end - part.start >= how.min_duration]


def best_apart(windows: Sequence[Window], worths: Sequence[float]) -> list[int]:
    """Positions of the windows that do not overlap and together are worth most, in order of time.

    Args:
        windows: The windows, in any order; one may begin in the frame where another ends.
        worths: What each window is worth; those worth 0 or less are never chosen.
    """
    order = sorted(
        (position for position, worth in enumerate(worths) if worth > 0),
        key=lambda position: (windows[position].end, windows[position].start),
    )
    ends = [windows[position].end for position in order]
    best = [0.0]
    """Worth of the best choice among the first n windows."""
    before = []
    for rank, position in enumerate(order):
        before.append(bisect_right(ends, windows[position].start, hi=rank))
        best.append(max(best[-1], best[before[-1]] + worths[position]))
    chosen: list[int] = []
    rank = len(order)
    while rank:
        if best[rank] == best[rank - 1]:
            rank -= 1
        else:
            chosen.append(order[rank - 1])
            rank = before[rank - 1]
    return chosen[::-1]


def join_neighbors(windows: Iterable[NamedWindow], gap: float) -> list[list[NamedWindow]]:
    """The windows of each segment.

    Args:
        windows: Windows that do not overlap, in order of time.
        gap: Most frames between two of a segment. They have the same label, and the body does not
            rest where they meet.
    """
    result: list[list[NamedWindow]] = []
    for one in windows:
        last = result[-1][-1] if result else None
        if (
            last is not None
            and last.label == one.label
            and one.window.start - last.window.end <= gap + 1e-9
            and moves_on(last.ends, one.ends)
        ):
            result[-1].append(one)
        else:
            result.append([one])
    return result


def _segment(windows: Sequence[NamedWindow], fps: float) -> Segment:
    surest = max(windows, key=confidence_of)
    return Segment(
        start=windows[0].window.start / fps,
        end=windows[-1].window.end / fps,
        label=surest.label,
        confidence=confidence_of(surest),
        similarity=max(window.similarity for window in windows),
        nearest=surest.nearest,
    )
