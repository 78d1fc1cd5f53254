"""Whether confidence keeps its word: of answers that are 80 % sure, 80 % should be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.atomic import written_beside
from stars_infer.errors import MissingExtraError
from stars_infer.inspection.style import styled

BINS = 10
PLOT_ENDINGS = (".svg", ".png", ".pdf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Confidence and accuracy, side by side in bins of equal width.

    Attributes:
        confidence: Mean confidence of the answers in each bin, (bins,); NaN for an empty bin.
        right: Share of them that are right, (bins,); NaN for an empty bin.
        count: Number of answers in each bin, (bins,).
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.float64]
    count: NDArray[np.intp]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between the two, weighted by count.

        Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
        """
        gaps = np.abs(self.confidence - self.right)
        return float(np.nansum(gaps * self.count) / max(1, self.count.sum()))


def reliability(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = BINS
) -> Reliability:
    """Sort answers into bins by their confidence.

    Args:
        confidence: Confidence of each answer, 0 to 1, (N,).
        right: Whether the answer was right, (N,).
        bins: Number of bins.
    """
    positions = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    count = np.bincount(positions, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            confidence=np.bincount(positions, confidence, bins) / count,
            right=np.bincount(positions, right, bins) / count,
            count=count,
        )


def require_plots() -> None:
    """Make sure that plots can be drawn, before anything is measured for one.

    Raises:
        MissingExtraError: If Matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("--plot", "plots", "matplotlib")


def save_reliability_plot(curves: Mapping[int, Reliability], path: Path) -> None:
    """Plot accuracy against confidence, with one line for each number of shots.

    Args:
        curves: Reliability by number of shots.
        path: The file to write; its ending is one of `PLOT_ENDINGS`.

    Raises:
        MissingExtraError: If Matplotlib is not installed.
    """
    require_plots()
    _draw(curves, path)


@styled()
def _draw(curves: Mapping[int, Reliability], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", marker="")
    for n, curve in curves.items():
        there = curve.count > 0
        axes.plot(curve.confidence[there], curve.right[there], label=f"{n} shots")
    axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    axes.grid()
    axes.legend()
    with written_beside(path) as beside:
        figure.savefig(beside)
