"""How far a measured share may be off: intervals of 95 %, by Wilson's formula or by bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Z = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""
_RESAMPLES = 2000


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The interval of 95 % of a share, 0 to 1, by hits among trials; (0, 1) without trials.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not count:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = (
        _Z
        / (1 + square / count)
        * np.sqrt(share * (1 - share) / count + square / (4 * count * count))
    )
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def bootstrap_mean(
    hits: NDArray[np.floating], counts: NDArray[np.floating], *, seed: int = 0
) -> tuple[float, float]:
    """The interval of 95 % of sum(hits) / sum(counts), by drawing clips again, with replacement.

    A clip that was named in several draws of exemplars is drawn as one, since its answers depend
    on each other (Efron and Tibshirani, "An introduction to the bootstrap", 1993).

    Args:
        hits: How often each clip was named rightly, (N,).
        counts: How often it was named, (N,).
        seed: Of the draws.
    """
    there = counts > 0
    hits, counts = hits[there], counts[there]
    if not len(hits):
        return 0.0, 1.0
    random = np.random.default_rng(seed)
    shares = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        drawn = random.integers(0, len(hits), len(hits))
        shares[number] = hits[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


def accept_curve(
    known: NDArray[np.floating], unknown: NDArray[np.floating], *, most: int = 60
) -> list[tuple[float, float]]:
    """Shares of unknown and of known clips that are named, as the threshold falls.

    Args:
        known: Ratings of known clips, the higher the surer.
        unknown: Ratings of unknown clips.
        most: Number of points at most, evenly over the thresholds.

    Returns:
        Points from (0, 0) to (1, 1), both shares rising.
    """
    thresholds = np.unique(np.concatenate((known, unknown)))[::-1]
    if len(thresholds) > most:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, most).round().astype(int)]
    points = [
        (float((unknown >= limit).mean()), float((known >= limit).mean())) for limit in thresholds
    ]
    return [(0.0, 0.0), *points, (1.0, 1.0)]
