"""Classify a stream of frames as it comes in, in bounded memory."""

from __future__ import annotations

import math
import time as clock
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.mirroring import AUTO, check_mirror
from stars_infer.classification.prediction import UNKNOWN
from stars_infer.clips.clip import MIN_FRAMES, Clip
from stars_infer.clips.convention import Convention, to_standard
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, UsageError, check_range
from stars_infer.index.index import ExemplarIndex
from stars_infer.layouts import get_layout
from stars_infer.segmentation.segment import confidence_of
from stars_infer.segmentation.windows import LENGTHS, Window, name_windows
from stars_infer.streaming.buffer import FrameBuffer

_LEAD = 1.25
"""A label that holds gives way to one that is so many times as likely."""
_ROUNDING = 1e-6
"""Rounding error of sums of frame times, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream is classified.

    Attributes:
        interval: Time from one answer to the next, seconds.
        lengths: Lengths of the windows that are classified for an answer, seconds; all end with
            the latest frame.
        fps: Frame rate to which windows are resampled, and that of frames without a time, hertz.
        on_threshold: Smoothed confidence from which on a label becomes the answer.
        off_threshold: Smoothed confidence below which the label ceases to be the answer.
        min_hold: Shortest time for which a label remains the answer, seconds.
        smoothing: Time constant of the exponential smoothing of confidence, seconds.
        mirror: Whether mirror images count, as in
            `stars_infer.classification.prediction.ClassifyOptions`.
    """

    interval: float = 0.2
    lengths: tuple[float, ...] = LENGTHS
    fps: float = 30.0
    on_threshold: float = 0.3
    off_threshold: float = 0.15
    min_hold: float = 0.8
    smoothing: float = 0.3
    mirror: str = AUTO

    def __post_init__(self) -> None:
        if not self.lengths:
            raise UsageError("a stream is cut into windows of one length at least, got none")
        check_range("length of a window", *self.lengths, above=0)
        check_mirror(self.mirror)
        for name in ("interval", "fps"):
            check_range(name, getattr(self, name), above=0)
        for name in ("min_hold", "smoothing"):
            check_range(name, getattr(self, name), at_least=0)
        check_range("on_threshold", self.on_threshold, above=0, below=1)
        check_range("off_threshold", self.off_threshold, above=0, at_most=self.on_threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAnswer:
    """The action at one moment of a stream.

    Attributes:
        time: Time of the latest frame, seconds.
        label: The action; None for background.
        confidence: Smoothed confidence of the label, 0 to 1; for background, that of the likeliest
            label.
        changed: Whether the label differs from that of the previous answer.
        since: Time at which the label became the answer, seconds.
        candidate: The likeliest label at this moment, before smoothing; None if there is none.
        latency: Time that computing the answer took, seconds.
        notes: What was mended in the latest frames, and why their units or axes are doubtful.
    """

    time: float
    label: str | None
    confidence: float
    changed: bool
    since: float
    candidate: str | None
    latency: float
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The label, or `UNKNOWN` for background."""
        return UNKNOWN if self.label is None else self.label


class StreamClassifier:
    """Takes frames, and gives an answer from time to time.

    Memory is bounded: only the frames of the longest window are kept, at most 60 for each second.
    If computing an answer takes longer than `interval`, the answers that were due meanwhile are
    skipped, so that the stream never falls behind.

    Args:
        encoder: The model.
        index: The exemplars, made by the same model.
        layout: Joint layout of the frames.
        units: Unit of the positions: `m`, `cm`, `mm` or `in`.
        up: Axis that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`. In camera coordinates y points
            down, which is `-y`.
        handedness: Handedness of the axes, `right` or `left`.
        how: Intervals and thresholds.

    Attributes:
        late: Number of frames dropped because they were no later than the previous one.
        skipped: Number of answers skipped because computing took too long.
        restarts: Number of times that the clock went back so far that a new stream was assumed.

    Raises:
        UsageError: If there is no such layout, unit or axis, or the encoder or index is something
            else.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Recognizer, StreamClassifier
        >>> from stars_infer.synthetic.actions import perform
        >>> random = np.random.default_rng(0)
        >>> actions = Recognizer(device="cpu")
        >>> for action in ("wave", "squat", "kick"):
        ...     _ = actions.add(action, [perform(action, random) for _ in range(3)])
        >>> stream = StreamClassifier(actions.encoder, actions.index, layout="ntu25")
        >>> joints = perform("squat", random)[0]
        >>> answers = [stream.push(frame, time=at / 30) for at, frame in enumerate(joints)]
        >>> [answer for answer in answers if answer is not None][-1].answer
        'squat'
    """

    def __init__(
        self,
        encoder: Encoder,
        index: ExemplarIndex,
        *,
        layout: str = "ntu25",
        units: str = "m",
        up: str = "y",
        handedness: str = "right",
        how: StreamOptions | None = None,
    ) -> None:
        if not hasattr(encoder, "encode") or not hasattr(index, "classify"):
            raise UsageError(
                "a stream is named by an Encoder and an ExemplarIndex, such as `encoder` and "
                f"`index` of a Recognizer; got {type(encoder).__name__} and {type(index).__name__}"
            )
        self.how = how or StreamOptions()
        self.layout = layout
        self._convention = Convention(units=units, up=up, handedness=handedness)
        self.late = self.skipped = self.restarts = 0
        self._encoder, self._index = encoder, index
        self._joints = get_layout(layout)
        self._frames = FrameBuffer(joints=len(self._joints.joints), seconds=max(self.how.lengths))
        self._last: float | None = None
        self._due = -math.inf
        self._steady = Hysteresis(self.how)

    def push(
        self, frame: NDArray[np.floating[Any]], time: float | None = None
    ) -> StreamAnswer | None:
        """Take a frame, and answer if an answer is due.

        Args:
            frame: Joint positions (V, 3) or (M, V, 3), in `units`. A body of zeros only is absent.
                Joints that are NaN, or that the sensor lost and set to zero, are filled in as they
                are in clips.
            time: Time of the frame, seconds, on any clock that moves forward; if not given, 1 / fps
                after the previous frame.

        Returns:
            An answer if one is due, else None.

        Raises:
            UsageError: If the frame has another shape, or the time is not finite.
            ExemplarIndexError: If the index is empty.
        """
        if time is None:
            time = 0.0 if self._last is None else self._last + 1 / self.how.fps
        check_range("time of a frame", time)
        if self._last is not None and time <= self._last:
            if self._last - time <= max(self.how.lengths):
                self.late += 1
                return None
            self._restart()
        self._frames.add(self._standard(frame), time)
        self._last = time
        if time < self._due - _ROUNDING:
            return None
        return self._answer(time)

    def _answer(self, time: float) -> StreamAnswer:
        began = clock.perf_counter()
        label, confidence, notes = self._now()
        answer = self._steady.answer(label, confidence, time)
        took = clock.perf_counter() - began
        # Due one interval after this answer was due, not after it was given, which keeps the pace.
        self._due += self.how.interval
        if self._due <= time + _ROUNDING:
            self._due = time + self.how.interval
        missed = math.floor((time + took - self._due) / self.how.interval) + 1
        if missed > 0:
            self.skipped += missed
            self._due += missed * self.how.interval
        return StreamAnswer(
            time=time,
            label=answer.label,
            confidence=answer.confidence,
            changed=answer.changed,
            since=answer.since,
            candidate=label,
            latency=took,
            notes=notes,
        )

    def _standard(self, frame: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """A frame in meters, y up, right-handed; what has another shape is refused later."""
        joints = np.asarray(frame)
        if joints.dtype.kind not in "fiu" or joints.shape[-1:] != (3,):
            return joints
        return to_standard(joints, self._convention)

    def _now(self) -> tuple[str | None, float, tuple[str, ...]]:
        """The likeliest action of all windows that end now, how likely it is, and notes."""
        bodies, presence = self._frames.latest(fps=self.how.fps, layout=self._joints)
        frames = bodies.shape[1]
        if frames < MIN_FRAMES or not presence.any():
            return None, 0.0, ()
        try:
            clip = Clip.from_tracks(
                bodies,
                presence,
                layout=self.layout,
                fps=self.how.fps,
                source="stream",
                recording=True,
                convention=self._convention,
            )
        except ClipError:  # too little of anybody is known
            return None, 0.0, ()
        lengths = {round(seconds * self.how.fps) for seconds in self.how.lengths}
        windows = [
            Window(start=frames - length, end=frames)
            for length in sorted(lengths)
            if MIN_FRAMES <= length <= frames
        ]
        best: tuple[float, str | None] = (0.0, None)
        mirror = self.how.mirror
        for _, named in name_windows(clip, windows, self._encoder, self._index, mirror=mirror):
            if named is not None:
                best = max(best, (confidence_of(named), named.label), key=lambda pair: pair[0])
        return best[1], best[0], clip.notes

    def _restart(self) -> None:
        self.restarts += 1
        self._frames.clear()
        self._last = None
        self._due = -math.inf
        self._steady = Hysteresis(self.how)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyLabel:
    """The label after hysteresis; the attributes are those of `StreamAnswer`."""

    label: str | None
    confidence: float
    changed: bool
    since: float


class Hysteresis:
    """Keeps the label from flickering.

    Confidence is smoothed; a label appears above one threshold and disappears below a lower one.

    Args:
        how: Thresholds and times.
    """

    def __init__(self, how: StreamOptions) -> None:
        self._how = how
        self._levels: dict[str, float] = {}
        self._label: str | None = None
        self._since: float | None = None
        self._time: float | None = None

    def answer(self, label: str | None, confidence: float, time: float) -> SteadyLabel:
        """Take the likeliest label of a moment, and return the one that holds.

        Args:
            label: The likeliest label; None if there is none.
            confidence: Its confidence, 0 to 1.
            time: The moment, seconds.
        """
        self._smooth(label, confidence, time)
        if self._since is None:
            self._since = time
        before = self._label
        if before is None or time - self._since >= self._how.min_hold:
            self._label = self._current_label()
        changed = self._label != before
        if changed:
            self._since = time
        level = max(self._levels.values(), default=0.0)
        if self._label is not None:
            level = self._levels.get(self._label, 0.0)
        return SteadyLabel(label=self._label, confidence=level, changed=changed, since=self._since)

    def _smooth(self, label: str | None, confidence: float, time: float) -> None:
        passed = math.inf if self._time is None else time - self._time
        self._time = time
        kept = math.exp(-passed / self._how.smoothing) if self._how.smoothing else 0.0
        levels = {name: kept * level for name, level in self._levels.items()}
        if label is not None:
            levels[label] = levels.get(label, 0.0) + (1 - kept) * confidence
        self._levels = {name: level for name, level in levels.items() if level > 1e-3}

    def _current_label(self) -> str | None:
        """The label that holds: the likeliest if it is likely enough, else the present one."""
        likeliest = max(self._levels, key=self._levels.__getitem__, default=None)
        present = 0.0 if self._label is None else self._levels.get(self._label, 0.0)
        holds = present >= self._how.off_threshold
        if likeliest is not None and self._levels[likeliest] >= self._how.on_threshold:
            if not holds or self._levels[likeliest] >= _LEAD * present:
                return likeliest
            return self._label
        return self._label if holds else None
