"""What reports say in words: shares with their intervals, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.evaluation.intervals import wilson

MOST_PAIRS = 3
"""Pairs of actions that are spoken of."""


def in_percent(share: float) -> str:
    """A share, 0 to 1, in per cent, with a decimal where it tells something."""
    percent = 100 * share
    whole = 10 <= percent <= 90 or abs(percent - round(percent)) < 0.05
    return f"{percent:.0f} %" if whole else f"{percent:.1f} %"


def share_words(hits: int, count: int) -> str:
    """A share with its interval of 95 %: `95 % (91 to 97), 190 of 200`."""
    low, high = wilson(hits, count)
    share = hits / max(count, 1)
    return f"{in_percent(share)} ({100 * low:.0f} to {100 * high:.0f}), {hits:,} of {count:,}"


def confused_words(table: NDArray[np.integer], labels: Sequence[str]) -> list[str]:
    """Say which actions are taken for which most often, the largest share first.

    Args:
        table: How many clips of each action (rows) are named as each (columns), (C, C).
        labels: The actions.
    """
    totals = np.maximum(table.sum(axis=1, keepdims=True), 1)
    wrong = np.where(np.eye(len(labels), dtype=np.bool_), 0, table)
    order = np.argsort(-(wrong / totals), axis=None, kind="stable")[:MOST_PAIRS]
    words = []
    for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        hits, count = int(wrong[row, column]), int(table[row].sum())
        if hits:
            words.append(
                f"“{labels[row]}” is taken for “{labels[column]}” in {hits} of {count} cases: give "
                "both one name if they are the same, else add examples that show the difference"
            )
    return words
