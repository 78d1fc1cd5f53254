"""How a stream is classified."""

from __future__ import annotations

from dataclasses import dataclass

from stars_infer.classification.mirroring import AUTO, check_mirror
from stars_infer.clips.people import POOLED, check_way
from stars_infer.errors import UsageError, check_range
from stars_infer.segmentation.windows import LENGTHS


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
        people: Whether there is one answer, or one for each person or pair: one of
            `stars_infer.clips.people.WAYS`.
        live: Skip answers that fall due while another is computed, so that the stream never falls
            behind. A recording, which waits, needs none to be skipped.
    """

    interval: float = 0.2
    lengths: tuple[float, ...] = LENGTHS
    fps: float = 30.0
    on_threshold: float = 0.3
    off_threshold: float = 0.15
    min_hold: float = 0.8
    smoothing: float = 0.3
    mirror: str = AUTO
    people: str = POOLED
    live: bool = True

    def __post_init__(self) -> None:
        check_way(self.people)
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
