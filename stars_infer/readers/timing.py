"""When the frames of a recording were taken: its frame rate, gaps, and frames at uneven times.

Times come as seconds, milliseconds, microseconds or nanoseconds, as ticks of 100 ns, or as dates of
ISO 8601. Where the name of a column or key does not tell the unit, the one counts that gives a
frame rate at which people are recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import DEFAULT_FPS, check_frame_count
from stars_infer.clips.gaps import MAX_GAP
from stars_infer.readers.bounds import check_points
from stars_infer.readers.recording import Recording, frame_numbers

Seconds = NDArray[np.float64]

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ticks": 1e-7}
"""Seconds of a unit; those of no name are tried in this order."""
_SPELT = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "msec", "millis", "millisecond", "milliseconds"),
    "us": ("us", "usec", "µs", "micros", "microsecond", "microseconds"),
    "ns": ("ns", "nsec", "nanos", "nanosecond", "nanoseconds"),
    "ticks": ("ticks",),
}
_UNIT_OF = {word: unit for unit, words in _SPELT.items() for word in words}
_NAMES = (
    "time", "times", "timestamp", "timestamps", "t", "datetime", "relative_time", "relativetime",
    "frame_time", "device_timestamp", "sensor_timestamp", "image_timestamp", "capture_time",
    "elapsed", "elapsed_time", "unix_time", "epoch",
)  # fmt: skip
_SLOWEST, _FASTEST = 2.0, 999.0
"""Frame rates that tell the unit of times, frames per second; less than a factor of 1000 apart."""
_MOST_LEFT_OUT = 0.1
"""Share of an even grid that may be without a frame; if it is more, times are uneven."""
_BYTES_OF_A_POINT = 6
"""Three numbers and what parts them, at least."""
_MOST_OFF = 0.5
"""Frames by which the time of a frame may differ from its place on an even grid."""


def unit_in(name: str) -> str | None:
    """Read the unit of times from the name of a column or key.

    Returns:
        A key of `UNITS`; an empty text if the name is one of times but tells no unit; None if it is
        no name of times.
    """
    words = re.sub(r"[\s\[\]()_.:-]+", "_", name.strip().lower()).strip("_")
    if words in _NAMES:
        return ""
    stem, _, last = words.rpartition("_")
    if stem in _NAMES and last in _UNIT_OF:
        return _UNIT_OF[last]
    return _UNIT_OF.get(words) if words in ("seconds", "milliseconds", "ticks") else None


def seconds_of(values: Sequence[object] | NDArray[np.generic], unit: str) -> Seconds | None:
    """Read times (N,) as seconds; missing ones are NaN.

    Args:
        values: Numbers, or dates and times of ISO 8601.
        unit: What `unit_in` gave.

    Returns:
        Seconds; None if they are neither, or fit no unit.
    """
    try:
        times = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        return _dates(values)
    if not unit:
        unit = _unit_of(times)
    return times * UNITS[unit] if unit else None


def _unit_of(times: Seconds) -> str:
    """Choose the unit in which times are those of a recording; an empty text if there is none."""
    different = np.unique(times[np.isfinite(times)])
    step = float(np.median(np.diff(different))) if len(different) > 1 else 0.0
    if not step:
        return "s"
    for unit, seconds in UNITS.items():
        if _SLOWEST <= 1 / (step * seconds) <= _FASTEST:
            return unit
    return "" if step == 1 else "s"  # which only counts the frames


def _dates(values: Iterable[object]) -> Seconds | None:
    """Read dates and times; those without a zone are in the same one."""
    times = []
    for value in values:
        if value is None or not str(value).strip():
            times.append(np.nan)
            continue
        try:
            date = value if isinstance(value, datetime) else datetime.fromisoformat(
                str(value).strip())  # fmt: skip
        except ValueError:
            return None
        times.append((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    return np.array(times, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When the frames of a recording were taken.

    Attributes:
        numbers: The number of each frame, (N,), rising from 0; a number that is left out is a frame
            without people.
        fps: Frames per second; None if a single frame does not tell.
        uneven: The time of each frame, (N,), seconds, where no even rate fits them.
    """

    numbers: NDArray[np.intp]
    fps: float | None
    uneven: Seconds | None = None

    def evened(self, recording: Recording) -> Recording:
        """Resample a recording whose frames were taken at uneven times to an even rate."""
        if self.uneven is None or self.fps is None:
            return recording
        return _resample(recording, self.uneven, self.fps)


def timing_of(times: Seconds, *, source: str) -> Timing:
    """Number frames by their times, so that dropped frames leave a gap.

    Args:
        times: Seconds (N,), rising.
        source: Name for messages.

    Returns:
        The numbers of the frames at the rate of all steps between frames that follow each other
        within a third of a second. If too many frames would be missing or lie between two of that
        grid, the frames are only counted, and the times are those of `uneven`.

    Raises:
        ClipError: If a time is missing, if times do not rise, or if they span too many frames.
    """
    numbers, fps = frame_numbers(times, source=source)
    if len(times) < 2:
        return Timing(numbers=numbers, fps=None)
    steps, counts = np.diff(times), np.diff(numbers)
    close = steps <= MAX_GAP / DEFAULT_FPS
    if not close.any():
        return Timing(numbers=numbers, fps=fps)
    span, there = float(steps[close].sum()), int(close.sum())
    places = np.concatenate(([0], np.cumsum(counts[close])))
    at = np.concatenate(([0], np.cumsum(steps[close])))
    off = np.abs(at * places[-1] / span - places).max()
    if off > _MOST_OFF or places[-1] - there > _MOST_LEFT_OUT * places[-1]:
        return Timing(numbers=np.arange(len(times)), fps=there / span, uneven=times)
    return Timing(numbers=numbers, fps=int(places[-1]) / span)


def _resample(recording: Recording, times: Seconds, fps: float) -> Recording:
    """Interpolate a recording of frames at `times` in between them.

    A body is absent between frames more than a third of a second apart, and next to a frame in
    which it is absent.
    """
    assert recording.presence is not None
    count = int(np.floor((times[-1] - times[0]) * fps)) + 1
    check_frame_count(count, source=recording.source, recording=True)
    bodies, frames, joints = recording.joints.shape[:3]
    size = _BYTES_OF_A_POINT * bodies * frames * joints
    check_points(bodies * count * joints, source=recording.source, size=size)
    at = times[0] + np.arange(count) / fps
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    before = after - 1
    share = ((at - times[before]) / (times[after] - times[before])).clip(0, 1)
    weight = share.astype(np.float32)[:, None, None]
    joints = recording.joints
    close = (times[after] - times[before]) * DEFAULT_FPS <= MAX_GAP
    exact = (share == 0) | (share == 1)
    with np.errstate(invalid="ignore"):
        between = (1 - weight) * joints[:, before] + weight * joints[:, after]
    nearest = np.where(share < 0.5, before, after)
    between[:, exact] = joints[:, nearest[exact]]
    seen = recording.presence
    presence = np.where(exact, seen[:, nearest], seen[:, before] & seen[:, after] & close)
    sure = recording.confidence
    steps = np.diff(times)
    note = (
        f"frames at uneven times, {steps.min() * 1000:.0f} to {steps.max() * 1000:.0f} ms apart: "
        f"resampled to {fps:.3g} frames per second"
    )
    return replace(
        recording,
        joints=between,
        presence=presence,
        confidence=None if sure is None else np.minimum(sure[:, before], sure[:, after]),
        notes=(*recording.notes, note),
    )
