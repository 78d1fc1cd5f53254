"""Windows of a long recording, of several lengths, and the action that each is most like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stars_infer.classification.mirroring import AUTO
from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.clips.clip import MIN_FRAMES, Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, UsageError, check_range
from stars_infer.index.index import ExemplarIndex
from stars_infer.segmentation.ends import Ends, centered, ends_of, spread

LENGTHS = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Lengths of windows, seconds. Each is 1.4 times the one before, so that for any action of 0.6 to
4.8 s there is a window whose overlap with it is more than 0.83 of their union."""
STEPS_PER_WINDOW = 6
"""Number of steps in which a window is moved by its own length."""
MIN_PRESENCE = 0.5
"""Share of the frames of a window in which somebody must be seen."""
MIN_MOTION = 0.02
"""Root mean square deviation of the joints from their mean position, meters, of somebody who stands
still: twice a sensor's noise. A window with less motion is background and is not compared."""
BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of a recording.

    Attributes:
        start: Its first frame.
        end: The frame after its last.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedWindow:
    """A window and the action that it is most like.

    Attributes:
        window: The window.
        label: The action.
        similarity: Similarity to the nearest exemplar of the action, at most 1.
        margin: Difference between that and the similarity to the nearest exemplar of any other
            action; None if there is no other action.
        confidence: Chance that the label is right, provided that the window is cut to one action.
        known: Chance that the index holds the action of the window at all.
        fit: Similarity of the whole window, halves of it not compared, to the nearest exemplar of
            the action.
        ends: How the window begins and ends.
        warped: Whether similarities are those of sequences by time warping, rather than cosines of
            vectors.
        nearest: The nearest exemplar of the action.
    """

    window: Window
    label: str
    similarity: float
    margin: float | None
    confidence: float
    known: float
    fit: float
    ends: Ends
    warped: bool
    nearest: Neighbor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowGrid:
    """The windows into which a recording is cut.

    Attributes:
        lengths: Lengths of the windows, seconds.
        steps: A window is moved by its length divided by this.
    """

    lengths: Sequence[float] = LENGTHS
    steps: int = STEPS_PER_WINDOW

    def __post_init__(self) -> None:
        if not self.lengths:
            raise UsageError("a recording is cut into windows of one length at least, got none")
        check_range("length of a window", *self.lengths, above=0)
        check_range("steps", self.steps, at_least=1, whole=True)

    def windows(self, frames: int, fps: float) -> list[Window]:
        """All windows of a recording, sorted by their ends.

        A recording that is shorter than every window is one window itself.

        Args:
            frames: Length of the recording.
            fps: Frames per second.
        """
        found = set()
        for seconds in self.lengths:
            length = max(MIN_FRAMES, round(seconds * fps))
            stride = max(1, round(length / self.steps))
            found |= {(start, start + length) for start in range(0, frames - length + 1, stride)}
        if not found:
            found = {(0, frames)}
        return [
            Window(start=start, end=end)
            for start, end in sorted(found, key=lambda ends: (ends[1], ends[0]))
        ]


def cut(clip: Clip, window: Window) -> Clip | None:
    """The part of a recording in a window; None if too little of anybody is seen in it."""
    there = slice(window.start, window.end)
    presence = clip.presence[:, there]
    bodies = np.flatnonzero(presence.any(axis=1))
    seen = int(presence.any(axis=0).sum())
    if seen < max(MIN_FRAMES, MIN_PRESENCE * (window.end - window.start)):
        return None
    return Clip(
        bodies=clip.bodies[bodies, there],
        presence=presence[bodies],
        layout=clip.layout,
        fps=clip.fps,
        source=f"{clip.source}, {window.start / clip.fps:.1f} to {window.end / clip.fps:.1f} s",
        flat=clip.flat,
    )


def motion(clip: Clip) -> float:
    """How much the body that moves most does move, meters.

    The root mean square deviation of its joints from their mean position, over frames and joints,
    in coordinates that are centered on the body in each frame.
    """
    return max(
        (
            spread(centered(body[seen])) if seen.any() else 0.0
            for body, seen in zip(clip.bodies, clip.presence, strict=True)
        ),
        default=0.0,
    )


def name_windows(
    clip: Clip,
    windows: Iterable[Window],
    encoder: Encoder,
    index: ExemplarIndex,
    *,
    mirror: str = AUTO,
) -> Iterator[tuple[Window, NamedWindow | None]]:
    """Classify windows of a recording.

    Args:
        clip: The recording.
        windows: The windows.
        encoder: The model.
        index: The exemplars, made by the same model.
        mirror: Whether mirror images count, as in
            `stars_infer.classification.prediction.ClassifyOptions`.

    Yields:
        Each window in order, with what it shows; None where nobody is seen, or nobody moves.

    Raises:
        ExemplarIndexError: If the index is empty.
    """
    options = replace(index.options(), mirror=mirror, fit=True)
    waiting: list[tuple[Window, Clip | None]] = []
    for window in windows:
        part = cut(clip, window)
        waiting.append((window, part if part is not None and motion(part) > MIN_MOTION else None))
        if len(waiting) == BATCH:
            yield from _name_batch(waiting, encoder, index, options)
            waiting = []
    yield from _name_batch(waiting, encoder, index, options)


def _name_batch(
    parts: Sequence[tuple[Window, Clip | None]],
    encoder: Encoder,
    index: ExemplarIndex,
    options: ClassifyOptions,
) -> Iterator[tuple[Window, NamedWindow | None]]:
    warped = encoder.info.comparison is not None
    shown = [part for _, part in parts if part is not None]
    answers = iter(name_parts(shown, encoder, index, options))
    for window, part in parts:
        answer = None if part is None else next(answers)
        if part is None or answer is None:
            yield window, None
        else:
            yield window, _of(window, part, answer, warped=warped)


def name_parts(
    parts: Sequence[Clip],
    encoder: Encoder,
    index: ExemplarIndex,
    options: ClassifyOptions | None = None,
) -> list[Prediction | None]:
    """Classify parts of a recording; None stands for a part that cannot be used."""
    encoded = []
    usable = []
    for part in parts:
        try:
            encoded += encoder.encode([part], query=True)
        except ClipError:  # two bodies that are seen by turns, of which no frame is left
            usable.append(False)
        else:
            usable.append(True)
    answers = iter(index.classify(encoded, options))
    return [next(answers) if good else None for good in usable]


def _of(window: Window, part: Clip, answer: Prediction, *, warped: bool) -> NamedWindow:
    return NamedWindow(
        window=window,
        label=answer.label,
        similarity=answer.similarity,
        margin=answer.margin,
        confidence=answer.confidence,
        known=answer.chance_known,
        fit=answer.similarity if answer.fit is None else answer.fit,
        ends=ends_of(part),
        warped=warped,
        nearest=next((one for one in answer.neighbors if one.label == answer.label), None),
    )
