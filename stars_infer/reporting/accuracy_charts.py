"""Charts of accuracy that several reports have: confusion, confidence, and unknown actions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.reporting.charts import Line, confusion_chart, line_chart
from stars_infer.reporting.words import confused_words

MOST_ACTIONS = 40
"""Actions that charts show at most, those that are confused most."""


def shown_actions(table: NDArray[np.intp]) -> NDArray[np.intp]:
    """The actions that charts show: all, or those that are confused most.

    Args:
        table: How many clips of each action (rows) were named as each (columns), (C, C).
    """
    if len(table) <= MOST_ACTIONS:
        return np.arange(len(table))
    wrong = table.sum(axis=0) + table.sum(axis=1) - 2 * np.diag(table)
    return np.sort(np.argsort(-wrong, kind="stable")[:MOST_ACTIONS])


def left_out(table: NDArray[np.intp]) -> str:
    """The sentence on actions that charts do not show; empty if they show all."""
    shown = len(shown_actions(table))
    if shown == len(table):
        return ""
    return f" The {shown} actions that are confused most are shown of {len(table)}."


def confusion(table: NDArray[np.intp], labels: Sequence[str], *, nothing: str) -> str:
    """The confusion matrix.

    Args:
        table: As for `shown_actions`.
        labels: The actions.
        nothing: What is said where nothing is confused.
    """
    shown = shown_actions(table)
    return confusion_chart(
        table[np.ix_(shown, shown)],
        [labels[number] for number in shown.tolist()],
        title="Confusion matrix",
        said="; ".join(confused_words(table, labels)) or nothing,
    )


def reliability(lines: Sequence[Line], *, said: str) -> str:
    """Accuracy by confidence, beside what it should be."""
    return line_chart(
        [Line(name="as it should be", points=[(0, 0), (1, 1)], faint=True), *lines],
        title="Reliability",
        said=said,
        x="confidence",
        y="share of right answers",
        x_range=(0, 1),
        y_range=(0, 1),
        square=True,
    )


def unknown_actions(curves: Sequence[Line], *, said: str) -> str:
    """How many known clips are named where so many unknown ones are, beside chance."""
    return line_chart(
        [Line(name="by chance", points=[(0, 0), (1, 1)], faint=True), *curves],
        title="Unknown actions",
        said=said,
        x="share of unknown clips that are named",
        y="share of known clips that are named",
        x_range=(0, 1),
        y_range=(0, 1),
        square=True,
    )
