"""Pictures of features and confusions by matplotlib: t-SNE by action, and confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.atomic import written_beside
from stars_infer.errors import UsageError
from stars_infer.inspection.style import LINE, SCALE, TEXT, color_of, marker_of, styled
from stars_infer.similarity.features import unit

CLASSES = 15
"""Number of actions in the t-SNE plot, as in STARS, Figure 3."""
_POINTS_PER_CLASS = 200
_NUMBERED = 30
"""Largest number of actions for which the cells of the confusion matrix show numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Tested clips in the plane.

    Attributes:
        points: (N, 2).
        labels: Class numbers (N,).
        shown: Class numbers in the plot.
    """

    points: FloatArray
    labels: NDArray[np.intp]
    shown: tuple[int, ...]


def project_vectors(
    vectors: FloatArray, labels: NDArray[np.intp], *, classes: int = CLASSES, seed: int = 0
) -> Projection:
    """Project the vectors (N, D) of some actions' clips to the plane by t-SNE of unit vectors.

    The same seed takes the same actions and clips, whatever the vectors.

    Args:
        vectors: (N, D).
        labels: Class numbers (N,).
        classes: Number of actions; if there are more, they are sampled.
        seed: Seed of the sampling and of t-SNE.

    Raises:
        UsageError: If there are fewer than four clips.
    """
    from sklearn.manifold import TSNE

    random = np.random.default_rng(seed)
    there = np.unique(labels)
    if len(there) > classes:
        there = np.sort(random.choice(there, classes, replace=False))
    places = np.concatenate([_some(np.flatnonzero(labels == c), random) for c in there])
    if len(places) < 4:
        raise UsageError(f"t-SNE needs at least 4 clips, there are {len(places)}")
    tsne = TSNE(
        perplexity=min(30.0, (len(places) - 1) / 3), init="pca", random_state=seed, n_jobs=1
    )
    return Projection(
        points=np.asarray(tsne.fit_transform(unit(vectors[places])), np.float32),
        labels=labels[places],
        shown=tuple(int(c) for c in there),
    )


def _some(places: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.intp]:
    if len(places) <= _POINTS_PER_CLASS:
        return places
    return np.sort(random.choice(places, _POINTS_PER_CLASS, replace=False))


def shares_of(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Per cent of the clips of each action; the row of an action without clips is 0."""
    totals = confusion.sum(axis=1, keepdims=True)
    return np.asarray(100 * confusion / np.maximum(totals, 1))


def new_figure(width: float, height: float) -> Any:
    """An empty figure of this size, inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, *paths: Path) -> None:
    """Write a figure into files, by their endings."""
    for path in paths:
        with written_beside(path) as beside:
            figure.savefig(beside, dpi=160, format=path.suffix.removeprefix("."))


@styled()
def tsne_png(panels: Sequence[tuple[str, Projection]], classes: Sequence[str], path: Path) -> None:
    """Draw projections of the same actions side by side, each with its title."""
    figure = new_figure(6.5 * len(panels) + 3.0, 6.5)
    handles: dict[str, Any] = {}
    for number, (title, projection) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), number)
        for place, action in enumerate(projection.shown):
            x, y = projection.points[projection.labels == action].T
            handles[classes[action]] = axes.scatter(
                x, y, s=22, alpha=0.85, linewidths=0.4, edgecolors="white",
                color=color_of(place),
                marker=marker_of(place),
            )  # fmt: skip
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(LINE)
        if len(panels) > 1:
            axes.set_title(title, fontsize=12, fontweight="bold", loc="left")
        else:
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.legend(
        handles.values(), handles.keys(), loc="outside right upper", frameon=False, fontsize=9,
        markerscale=1.4, handletextpad=0.3,
    )  # fmt: skip
    save_figure(figure, path)


@styled()
def confusion_png(
    confusion: NDArray[np.int64], classes: Sequence[str], title: str, path: Path
) -> None:
    """Draw a confusion matrix (C, C) in per cent of the clips of each action."""
    from matplotlib.colors import LinearSegmentedColormap

    shares, count = shares_of(confusion), len(classes)
    cell = 0.34 if count <= _NUMBERED else 0.2
    side = max(6.0, cell * count + 3)
    size = 10 if count <= _NUMBERED else 8
    figure = new_figure(side + 1, side)
    axes = figure.add_subplot()
    colors = LinearSegmentedColormap.from_list("share", SCALE)
    image = axes.imshow(shares, cmap=colors, vmin=0, vmax=100)
    axes.set_xticks(range(count), classes, rotation=90, fontsize=size)
    axes.set_yticks(range(count), classes, fontsize=size)
    axes.set_xticks(np.arange(count - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(count - 1) + 0.5, minor=True)
    axes.grid(which="minor", color=LINE, linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(LINE)
    axes.set_xlabel("predicted", fontsize=size + 2)
    axes.set_ylabel("action", fontsize=size + 2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=8 + side / 2, fontweight="bold")
    if count <= _NUMBERED:
        for row, column in np.argwhere(shares >= 0.5):
            share = shares[row, column]
            axes.text(
                column, row, f"{share:.0f}", ha="center", va="center", fontsize=size - 1,
                color="white" if share > 55 else TEXT,
            )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.02, aspect=30)
    bar.set_label("% of the action's clips")
    bar.outline.set_visible(False)
    save_figure(figure, path)
