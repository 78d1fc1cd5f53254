"""How sure it is that a window of a recording shows one whole action.

The confidence of a `Prediction` presumes that a clip is cut to one action. Most windows are not, so
that it is only a part of what is known of them. The log-odds were fitted to stitched recordings of
four data sets, other ones than those of benchmarks/quality/segments.py, so that they hold for the
windows that are chosen. Models that compare vectors have none: for them, it is the
confidence of the prediction.
"""

from __future__ import annotations

from math import exp, log

from stars_infer.segmentation.windows import NamedWindow

_NEARNESS, _SURENESS, _APART, _HURRY, _OFFSET = 1.60, 0.25, -0.45, -0.90, -4.16
"""Coefficients of the log-odds that a window is right: its label is, and it overlaps the true span
by at least half of their union."""
_SURENESS_SO_FAR, _APART_SO_FAR, _HURRY_SO_FAR, _OFFSET_SO_FAR = 0.55, -0.25, -0.85, -1.60
"""The same of the latest window of a stream: its label is right of the action that is under way or
just over. How similar it is adds nothing to how sure the name is."""


def confidence_of(window: NamedWindow) -> float:
    """Probability that a window shows the action of its label, and shows it from start to end.

    It is no larger than the chance that the index holds the action of the window at all.
    """
    return min(chance_if_known(window), window.known)


def chance_if_known(window: NamedWindow) -> float:
    """The same, as far as it is known without asking whether the index holds the action.

    By this, windows compete: of what happens at a moment, the window that fits best tells whether
    its action is known, and not another one that is off and happens to look more like one.
    """
    if not window.warped:
        return window.confidence
    ends = _APART * window.ends.apart + _HURRY * window.ends.hurry
    similar = _NEARNESS * _nearness(window.fit) + _SURENESS * log_odds(window.confidence)
    return _chance(similar + ends + _OFFSET)


def confidence_so_far(window: NamedWindow) -> float:
    """Probability that the latest window of a stream shows the action of its label.

    The action need not be over yet, but a label that is shown while the body moves fast is more
    often wrong than one that waits until it slows down.
    """
    if not window.warped:
        return window.confidence
    ends = _APART_SO_FAR * window.ends.apart + _HURRY_SO_FAR * window.ends.hurry
    sure = _SURENESS_SO_FAR * log_odds(window.confidence)
    return min(_chance(sure + ends + _OFFSET_SO_FAR), window.known)


def log_odds(probability: float) -> float:
    """Logarithm of p / (1 - p); probabilities of 0 and 1 are moved inside."""
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    return log(inside / (1 - inside))


def _chance(odds: float) -> float:
    return 1 / (1 + exp(-odds))


def _nearness(similarity: float) -> float:
    """Minus the logarithm of 1 - similarity: 0 for nothing in common, large for the same motion."""
    return -log(max(1 - similarity, 1e-3))
