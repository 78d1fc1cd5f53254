"""Keep the label of a stream from flickering."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stars_infer.streaming.options import StreamOptions

_LEAD = 1.25
"""A label that holds gives way to one that is so many times as likely."""


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
