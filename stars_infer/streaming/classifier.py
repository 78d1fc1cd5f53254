"""Classify a stream of frames as it comes in, in bounded memory."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.prediction import UNKNOWN
from stars_infer.clips.clip import MIN_FRAMES, Clip
from stars_infer.clips.convention import AUTO, Convention, to_standard
from stars_infer.clips.following import FORGOTTEN
from stars_infer.clips.people import EACH, POOLED, SHORTEST_MEETING
from stars_infer.clips.upright import SteadyUp
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, FlatError, UsageError, check_range
from stars_infer.index.index import ExemplarIndex
from stars_infer.layouts import get_layout
from stars_infer.segmentation.confidence import confidence_so_far
from stars_infer.segmentation.windows import Window, name_windows
from stars_infer.streaming.buffer import FrameBuffer
from stars_infer.streaming.hysteresis import Hysteresis
from stars_infer.streaming.options import StreamOptions

_ROUNDING = 1e-6
"""Rounding error of sums of frame times, seconds."""


_Likeliest = dict[tuple[str, ...], tuple[str | None, float]]
"""By people, the likeliest label at a moment and its confidence."""


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
        people: Whom it is about, if there is an answer for each person or pair: identities of the
            stream, or numbers in order of appearance.
    """

    time: float
    label: str | None
    confidence: float
    changed: bool
    since: float
    candidate: str | None
    latency: float
    notes: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

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
        units: Unit of the positions: `m`, `cm`, `mm` or `in`, or the meters in a unit.
        up: Axis that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`. In camera coordinates y points
            down, which is `-y`. `auto` finds it from all that was seen so far, as is done in flat
            streams if nothing is said; else it is `y`.
        handedness: Handedness of the axes, `right` or `left`.
        flat: Whether frames are in 2D, or to be taken so; their z is ignored.
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
        units: str | float = "m",
        up: str | None = None,
        handedness: str = "right",
        flat: bool = False,
        how: StreamOptions | None = None,
    ) -> None:
        if not hasattr(encoder, "encode") or not hasattr(index, "classify"):
            raise UsageError(
                "a stream is named by an Encoder and an ExemplarIndex, such as `encoder` and "
                f"`index` of a Recognizer; got {type(encoder).__name__} and {type(index).__name__}"
            )
        self.how = how or StreamOptions()
        self.layout = layout
        self._convention = Convention(
            units=units, up=up or (AUTO if flat else "y"), handedness=handedness, flat=flat
        )
        self.late = self.skipped = self.restarts = 0
        self._encoder, self._index = encoder, index
        self._joints = get_layout(layout)
        self._up = SteadyUp(self._convention, layout=self._joints)
        self._frames = FrameBuffer(joints=len(self._joints.joints), seconds=max(self.how.lengths))
        self._last: float | None = None
        self._due = -math.inf
        self._steady: dict[tuple[str, ...], Hysteresis] = {}

    def push(
        self, frame: NDArray[np.floating[Any]], time: float | None = None
    ) -> StreamAnswer | None:
        """Take a frame, and answer if an answer is due.

        Args:
            frame: As in `push_people`.
            time: As in `push_people`.

        Returns:
            An answer if one is due, else None.

        Raises:
            UsageError: As for `push_people`, or if there may be several answers.
            ExemplarIndexError: If the index is empty.
        """
        if self.how.people != POOLED:
            raise UsageError(f"people {self.how.people!r} has several answers: use push_people")
        return next(iter(self.push_people(frame, time)), None)

    def push_people(
        self,
        frame: NDArray[np.floating[Any]],
        time: float | None = None,
        *,
        identities: Sequence[str | None] = (),
    ) -> list[StreamAnswer]:
        """Take a frame, and answer for each person or pair if answers are due.

        Args:
            frame: Joint positions (V, 3) or (M, V, 3), in `units`, of people in any order. A body
                of zeros only is absent. Joints that are NaN, or that the sensor lost and set to
                zero, are filled in as they are in clips.
            time: Time of the frame, seconds, on any clock that moves forward; if not given, 1 / fps
                after the previous frame.
            identities: Who each body is, if the source says it; otherwise people are told apart by
                where they are.

        Returns:
            Answers if they are due: one if the people are pooled, else one for each person or pair
            seen in the last second, and a last one for whoever was named and is gone.

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
                return []
            self._restart()
        self._frames.add(self._standard(frame), time, identities)
        self._last = time
        if time < self._due - _ROUNDING:
            return []
        return self._answers(time)

    def _answers(self, time: float) -> list[StreamAnswer]:
        began = clock.perf_counter()
        likeliest, notes = self._now()
        gone = self._steady.keys() - likeliest.keys()
        likeliest |= dict.fromkeys(gone, (None, 0.0))
        steady = {}
        for people, (label, confidence) in likeliest.items():
            kept = self._steady.setdefault(people, Hysteresis(self.how))
            steady[people] = kept.answer(label, confidence, time)
            if people in gone and steady[people].label is None:
                del self._steady[people]
        took = clock.perf_counter() - began
        # Due one interval after this answer was due, not after it was given, which keeps the pace.
        self._due += self.how.interval
        if self._due <= time + _ROUNDING:
            self._due = time + self.how.interval
        missed = math.floor((time + took - self._due) / self.how.interval) + 1
        if missed > 0 and self.how.live:
            self.skipped += missed
            self._due += missed * self.how.interval
        return [
            StreamAnswer(
                time=time,
                label=answer.label,
                confidence=answer.confidence,
                changed=answer.changed,
                since=answer.since,
                candidate=likeliest[people][0],
                latency=took,
                notes=notes,
                people=people,
            )
            for people, answer in sorted(steady.items())
            if answer.changed or people not in gone
        ]

    def _standard(self, frame: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """A frame in meters, y up, right-handed; what has another shape is refused later."""
        joints = np.asarray(frame)
        if joints.dtype.kind not in "fiu" or joints.shape[-1:] != (3,):
            return joints
        return to_standard(joints, self._convention)

    def _now(self) -> tuple[_Likeliest, tuple[str, ...]]:
        """The likeliest action of everybody, and how likely it is; and notes."""
        nobody: _Likeliest = {(): (None, 0.0)} if self.how.people == POOLED else {}
        bodies, presence = self._frames.latest(fps=self.how.fps, layout=self._joints)
        if bodies.shape[1] < MIN_FRAMES or not presence.any():
            return nobody, ()
        convention = self._convention
        found_up: tuple[str, ...] = ()
        if convention.up == AUTO:
            convention = self._up.convention(bodies, presence)
            found_up = (f"{convention.up} points up, as the bodies stand",)
            bodies = to_standard(bodies, replace(convention, units="m"))
        try:
            clip = Clip.from_tracks(
                bodies,
                presence,
                layout=self.layout,
                fps=self.how.fps,
                source="stream",
                recording=True,
                convention=convention,
            )
        except FlatError as error:
            return nobody, (error.problem,)
        except ClipError:  # too little of anybody is known
            return nobody, ()
        found = {people: self._likeliest(part) for people, part in self._parts(clip)}
        return found, (*found_up, *self._frames.notes, *clip.notes)

    def _parts(self, clip: Clip) -> list[tuple[tuple[str, ...], Clip]]:
        """The people or pairs to be named, with their part of the last frames."""
        if self.how.people == POOLED:
            return [((), clip)]
        lately = clip.presence[:, -max(1, round(FORGOTTEN * self.how.fps)) :]
        here = np.flatnonzero(lately.any(axis=1)).tolist()
        groups = combinations(here, 1 if self.how.people == EACH else 2)
        parts = []
        for group in map(list, groups):
            together = np.asarray(clip.presence[group].all(axis=0))
            if len(group) > 1 and together.sum() < SHORTEST_MEETING * self.how.fps:
                continue
            seen = np.where(together[:, None, None], clip.bodies[group], np.float32(0))
            part = replace(clip, bodies=seen, presence=np.tile(together, (len(group), 1)))
            parts.append((tuple(self._frames.people[body] for body in group), part))
        return parts

    def _likeliest(self, clip: Clip) -> tuple[str | None, float]:
        """The likeliest action of all windows that end now, and how likely it is."""
        lengths = {round(seconds * self.how.fps) for seconds in self.how.lengths}
        windows = [
            Window(start=clip.frames - length, end=clip.frames)
            for length in sorted(lengths)
            if MIN_FRAMES <= length <= clip.frames
        ]
        best: tuple[float, str | None] = (0.0, None)
        mirror = self.how.mirror
        for _, named in name_windows(clip, windows, self._encoder, self._index, mirror=mirror):
            if named is not None:
                best = max(best, (confidence_so_far(named), named.label), key=lambda pair: pair[0])
        return best[1], best[0]

    def _restart(self) -> None:
        self.restarts += 1
        self._frames.clear()
        self._last = None
        self._due = -math.inf
        self._steady.clear()
