"""One style for all pictures: colors, markers and patterns that also tell things apart in gray.

Series differ by marker and dash as well as by color, bars by hatching, and shares by lightness, so
that nothing is lost in print or to somebody who sees no colors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TEXT, DIM, LINE, PAPER = "#1c1e21", "#5b6370", "#d6d9de", "#ffffff"
DARK_TEXT, DARK_DIM, DARK_LINE, DARK_PAPER = "#e6e8eb", "#9aa3af", "#333842", "#1c1f25"

SERIES = (
    "#1769d2", "#bb4f00", "#0b7c7c", "#7a3fd0", "#c41f70", "#7a6c00", "#4b5563", "#17408b",
    "#2e7d32", "#a83232", "#5c6bc0", "#8d6e63", "#007b86", "#6d4c9f", "#ad1457",
)  # fmt: skip
"""Colors of series, all at least 4.5 to 1 against white."""
DARK_SERIES = (
    "#5aa7ff", "#ff9d4a", "#4fd1c5", "#b48cff", "#ff7ab8", "#e0cd4f", "#c3c9d1", "#8fb4ff",
    "#7fd48a", "#ff8a80", "#aab6fe", "#d7b8a8", "#6fd9e6", "#cbb2f0", "#ff9dc4",
)  # fmt: skip
"""The same on a dark ground."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Matplotlib's names of the markers of series."""
DASHES = ("-", "--", "-.", ":")
SCALE = ("#ffffff", "#deebf7", "#9ecae1", "#4292c6", "#08519c", "#08306b")
"""Shares from 0 to 1, ever darker."""

RIGHT_ANSWER, OTHER, UNKNOWN, PALE = "#2e7d32", "#1769d2", "#bb4f00", "#c9cdd2"
HATCHES = {RIGHT_ANSWER: "", OTHER: "///", UNKNOWN: "...", PALE: ""}
"""Hatching of bars by their color."""
BAR_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
"""Hatching of groups of bars, one series after the other."""

LIMBS = {
    "left": ("#1769d2", "#7a3fd0", "#0b7c7c"),
    "right": ("#bb4f00", "#c41f70", "#7a6c00"),
    "middle": ("#4b5563", "#8b7f95", "#6f8a75"),
}
"""Colors of the limbs of the first, second and third body on a light ground."""
DARK_LIMBS = {
    "left": ("#5aa7ff", "#b48cff", "#4fd1c5"),
    "right": ("#ff9d4a", "#ff7ab8", "#e0cd4f"),
    "middle": ("#c3c9d1", "#a79bb3", "#9fb8a5"),
}
APART, DARK_APART = "#e0a000", "#8a6d00"
"""The band under a limb that differs."""


def marker_of(number: int) -> str:
    """The marker of a series, which changes with every color."""
    return MARKERS[number % len(MARKERS)]


def color_of(number: int) -> str:
    """The color of a series."""
    return SERIES[number % len(SERIES)]


@contextmanager
def styled() -> Iterator[None]:
    """Within it, or within a function that it decorates, Matplotlib draws in this style.

    The settings of a program that has its own stay as they are.
    """
    import matplotlib

    with matplotlib.rc_context(matplotlib_style()):
        yield


def matplotlib_style() -> Any:
    """Settings for `matplotlib.rc_context`: the colors, markers and dashes, and few lines.

    Text is embedded as text in SVG and as outlines that can be edited in PDF.
    """
    from cycler import cycler

    count = len(SERIES)
    return {
        "axes.prop_cycle": cycler(
            color=SERIES,
            marker=[marker_of(n) for n in range(count)],
            linestyle=[DASHES[n % len(DASHES)] for n in range(count)],
        ),
        "axes.edgecolor": DIM,
        "axes.labelcolor": TEXT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.titlelocation": "left",
        "figure.facecolor": PAPER,
        "font.family": ["sans-serif"],
        "font.size": 10,
        "grid.color": LINE,
        "hatch.color": PAPER,
        "hatch.linewidth": 0.8,
        "legend.frameon": False,
        "lines.markersize": 5,
        "pdf.fonttype": 42,
        "savefig.facecolor": PAPER,
        "svg.fonttype": "none",
        "text.color": TEXT,
        "xtick.color": DIM,
        "ytick.color": DIM,
    }
