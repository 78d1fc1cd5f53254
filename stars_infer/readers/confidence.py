"""How sure a tracker is of a joint, whatever it calls that and on whatever scale.

Values from 0 to 1 are taken as they are. Percentages, the states of Kinect (0 not tracked, 1
inferred, 2 tracked) and of Azure Kinect (0 none, 1 low, 2 medium, 3 high), and such states in words
become values from 0 to 1: a joint that is only inferred counts as known, one that is not tracked as
missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

WORDS = (
    "confidence", "visibility", "likelihood", "score", "probability", "presence", "conf", "vis",
    "prob", "certainty", "reliability", "confidence_level", "tracking_confidence", "tracked",
    "trackingstate", "tracking_state", "trackingstatus", "tracking_status", "state", "status",
    "tracking", "c", "v",
)  # fmt: skip
"""Names of columns and keys, lower case, in the order in which they count."""

_INFERRED = 0.5
_LEVELS = np.array([0, _INFERRED, 1, 1])
_LEAST_PERCENT = 5
"""A greatest value up to this is one of 0 to 1 that went a little over."""
_STATES = {
    "nottracked": 0, "untracked": 0, "none": 0, "lost": 0, "missing": 0, "occluded": 0, "false": 0,
    "invalid": 0, "inferred": _INFERRED, "predicted": _INFERRED, "low": _INFERRED, "tracked": 1,
    "medium": 1, "high": 1, "true": 1, "ok": 1, "valid": 1, "visible": 1,
}  # fmt: skip


def rank(name: str) -> int | None:
    """Tell how early a name of confidence counts; None if it is none."""
    name = name.strip().lower().replace(" ", "_")
    return WORDS.index(name) if name in WORDS else None


def states_in_words(values: Iterable[object]) -> NDArray[np.float64] | None:
    """Read tracking states in words, such as `NotTracked`, as values from 0 to 1.

    Returns:
        Values; NaN where there is none. None if a text is no state.
    """
    found = []
    for value in values:
        text = "" if value is None else str(value).strip().lower().rpartition(".")[2]
        known = _STATES.get(text.replace("_", "").replace(" ", ""))
        if known is None and text:
            return None
        found.append(np.nan if known is None else known)
    return np.array(found, np.float64)


def to_share(values: NDArray[np.floating] | Sequence[float]) -> NDArray[np.float32]:
    """Bring confidence on any scale to 0 to 1; what is missing is 1, since the position is given.

    Args:
        values: All values of one recording, of any shape, so that their scale can be told.
    """
    numbers = np.asarray(values, np.float64)
    known = numbers[np.isfinite(numbers)]
    most = float(known.max(initial=0.0))
    if 1 < most <= len(_LEVELS) - 1 and bool((known == np.rint(known)).all()):
        places = np.nan_to_num(numbers, nan=len(_LEVELS) - 1).clip(0, len(_LEVELS) - 1)
        numbers = np.where(np.isnan(numbers), np.nan, _LEVELS[places.astype(np.intp)])
    elif _LEAST_PERCENT < most <= 100:
        numbers = numbers / 100
    return np.nan_to_num(numbers, nan=1.0, posinf=1.0, neginf=0.0).clip(0, 1).astype(np.float32)
