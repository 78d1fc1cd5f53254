"""Times of repeated calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long calls took, in seconds.

    Attributes:
        p50: Median.
        p95: 95th percentile.
        calls: Number of calls that were timed.
    """

    p50: float
    p95: float
    calls: int


def time_calls(call: Callable[[], object], seconds: float) -> Times:
    """Time repeated calls for some seconds, at least one, after a first call to warm up."""
    call()
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while not spent or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    p50, p95 = np.percentile(spent, (50, 95))
    return Times(p50=float(p50), p95=float(p95), calls=len(spent))
