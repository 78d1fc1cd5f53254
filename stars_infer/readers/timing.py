"""Frame rate and frame numbers from the times at which frames were taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import MAX_RECORDING_FRAMES
from stars_infer.errors import ClipError


def frame_numbers(times: NDArray[np.float64], *, source: str) -> tuple[NDArray[np.intp], float]:
    """Number frames by their times, so that frames that were dropped leave a gap.

    Args:
        times: Seconds (N,), rising.
        source: Name for messages.

    Returns:
        The frame number of each time, from 0, and the frames per second: one over the median
        difference. Times that jitter by less than half a frame keep their order.

    Raises:
        ClipError: If times are missing, do not rise, or span too many frames.
    """
    if not np.isfinite(times).all():
        row = int(np.argmax(~np.isfinite(times)))
        raise ClipError(source, f"the time of frame {row} is missing or not finite")
    steps = np.diff(times)
    if len(steps) and steps.min() <= 0:
        row = int(np.argmax(steps <= 0)) + 1
        raise ClipError(source, f"the time of frame {row}, {times[row]:g} s, is not after the one "
                        "before")  # fmt: skip
    usual = float(np.median(steps)) if len(steps) else 1 / 30
    counts = np.maximum(np.rint(steps / usual), 1)
    if counts.sum() > MAX_RECORDING_FRAMES:
        raise ClipError(
            source, f"from {times[0]:g} to {times[-1]:g} s are more than {MAX_RECORDING_FRAMES:,} "
            f"frames of {usual:g} s: cut it into parts"
        )  # fmt: skip
    return np.concatenate(([0], np.cumsum(counts))).astype(np.intp), 1 / usual
