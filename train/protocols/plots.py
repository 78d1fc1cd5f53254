"""Plots of a result, as in the papers: t-SNE by action, and the confusion matrix.

Each is a PNG (matplotlib); both are on one HTML page with the table (plotly, whose code the page
contains). The packages of the extra `plots` load when a plot is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.atomic import write_text, written_beside
from stars_infer.errors import MissingExtraError, UsageError
from stars_infer.similarity.features import unit
from stars_infer.train.protocols.results import Result

CLASSES = 15
"""Number of actions in the t-SNE plot, as in STARS, Figure 3."""
_POINTS_PER_CLASS = 200
_NUMBERED = 30
"""Largest number of actions for which the cells of the confusion matrix show numbers."""
_NEEDS = {"matplotlib": "matplotlib", "plotly": "plotly", "sklearn": "scikit-learn"}
_PALETTE = (
    "#4e79a7", "#f28e2b", "#e15759", "#17408b", "#59a14f", "#edc948", "#b07aa1", "#ff9da7",
    "#9c755f", "#5b5b5b", "#1b9e9e", "#a6c84c", "#7b3fa0", "#c2255c", "#8ecae6",
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P")
_PLOTLY_MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
_SCALE = ("#ffffff", "#deebf7", "#9ecae1", "#4292c6", "#08519c", "#08306b")


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


def require_plots() -> None:
    """Make sure that plots can be made.

    Raises:
        MissingExtraError: If a package is missing; the message says how to install it.
    """
    missing = [package for module, package in _NEEDS.items() if find_spec(module) is None]
    if missing:
        raise MissingExtraError("--plots", "plots", ", ".join(missing))


def write_plots(
    result: Result, folder: Path, *, classes: int = CLASSES, seed: int = 0
) -> tuple[Path, ...]:
    """Write t-SNE and confusion matrix as PNG, and both on one self-contained HTML page.

    Args:
        result: The result.
        folder: Folder of the files.
        classes: Number of actions in the t-SNE plot; if there are more, they are sampled.
        seed: Seed of the sampling and of t-SNE.

    Returns:
        The files.

    Raises:
        MissingExtraError: If the extra `plots` is not installed.
    """
    require_plots()
    if classes < 1:
        raise UsageError(f"--plot-classes must be at least 1, not {classes}")
    folder.mkdir(parents=True, exist_ok=True)
    projection = project(result, classes=classes, seed=seed)
    files = tuple(
        folder / f"{result.name}{end}" for end in ("-tsne.png", "-confusion.png", ".html")
    )
    _tsne_png(result, projection, files[0])
    _confusion_png(result, files[1])
    write_text(files[2], _page(result, projection))
    return files


def project(result: Result, *, classes: int = CLASSES, seed: int = 0) -> Projection:
    """Project the features of some actions' clips to the plane by t-SNE of unit vectors."""
    from sklearn.manifold import TSNE

    random = np.random.default_rng(seed)
    there = np.unique(result.labels)
    if len(there) > classes:
        there = np.sort(random.choice(there, classes, replace=False))
    places = np.concatenate([_some(np.flatnonzero(result.labels == c), random) for c in there])
    vectors = unit(result.embedding[places])
    if len(places) < 4:
        raise UsageError(f"t-SNE needs at least 4 clips, there are {len(places)}")
    tsne = TSNE(
        perplexity=min(30.0, (len(places) - 1) / 3), init="pca", random_state=seed, n_jobs=1
    )
    return Projection(
        points=np.asarray(tsne.fit_transform(vectors), np.float32),
        labels=result.labels[places],
        shown=tuple(int(c) for c in there),
    )


def _some(places: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.intp]:
    if len(places) <= _POINTS_PER_CLASS:
        return places
    return np.sort(random.choice(places, _POINTS_PER_CLASS, replace=False))


def _shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Per cent of the clips of each action; the row of an action without clips is 0."""
    totals = confusion.sum(axis=1, keepdims=True)
    return np.asarray(100 * confusion / np.maximum(totals, 1))


def _headline(result: Result) -> str:
    score = result.scores[0]
    name = "" if score.setting == "accuracy" else f" at {score.setting}"
    return f"{result.title}\n{score.accuracy:.1f} % correct{name}"


def _tsne_png(result: Result, projection: Projection, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, number in enumerate(projection.shown):
        x, y = projection.points[projection.labels == number].T
        axes.scatter(
            x, y, s=22, alpha=0.85, linewidths=0.4, edgecolors="white",
            color=_PALETTE[place % len(_PALETTE)],
            marker=_MARKERS[place // len(_PALETTE) % len(_MARKERS)],
            label=result.classes[number],
        )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#cccccc")
    figure.suptitle(_headline(result), x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.legend(
        loc="outside right upper", frameon=False, fontsize=9, markerscale=1.4, handletextpad=0.3
    )
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=160)


def _confusion_png(result: Result, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    shares, count = _shares(result.confusion), len(result.classes)
    cell = 0.34 if count <= _NUMBERED else 0.2
    side = max(6.0, cell * count + 3)
    size = 10 if count <= _NUMBERED else 8
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colors = LinearSegmentedColormap.from_list("share", _SCALE)
    image = axes.imshow(shares, cmap=colors, vmin=0, vmax=100)
    axes.set_xticks(range(count), result.classes, rotation=90, fontsize=size)
    axes.set_yticks(range(count), result.classes, fontsize=size)
    axes.set_xticks(np.arange(count - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(count - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="#eeeeee", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_color("#cccccc")
    axes.set_xlabel("predicted", fontsize=size + 2)
    axes.set_ylabel("action", fontsize=size + 2)
    figure.suptitle(_headline(result), x=0.01, ha="left", fontsize=8 + side / 2, fontweight="bold")
    if count <= _NUMBERED:
        for row, column in np.argwhere(shares >= 0.5):
            share = shares[row, column]
            axes.text(
                column, row, f"{share:.0f}", ha="center", va="center", fontsize=size - 1,
                color="white" if share > 55 else "#222222",
            )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.02, aspect=30)
    bar.set_label("% of the action's clips")
    bar.outline.set_visible(False)
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=160)


def _page(result: Result, projection: Projection) -> str:
    """The HTML page; the first plot brings plotly's code."""
    plots = (
        ("t-SNE by action", _tsne_figure(result, projection)),
        ("Confusion matrix", _confusion_figure(result)),
    )
    parts = [
        f"<h2>{title}</h2>\n"
        + figure.to_html(
            full_html=False,
            include_plotlyjs=number == 0,
            config={"displaylogo": False, "responsive": True},
        )
        for number, (title, figure) in enumerate(plots)
    ]
    columns, rows = result.rows()
    notes = "".join(f"<p>{escape(note)}</p>" for note in result.notes)
    return _TEMPLATE.format(
        title=escape(result.title),
        table=_html_table(columns, rows),
        notes=notes,
        facts=f"{len(result.labels):,} clips, {len(result.classes)} actions",
        plots="\n".join(parts),
    )


def _tsne_figure(result: Result, projection: Projection) -> Any:
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for place, number in enumerate(projection.shown):
        points = projection.points[projection.labels == number]
        name = escape(result.classes[number])
        figure.add_scatter(
            x=points[:, 0].tolist(), y=points[:, 1].tolist(), mode="markers", name=name,
            hovertemplate=f"{name}<extra></extra>",
            marker={
                "size": 7, "opacity": 0.85, "line": {"width": 0.5, "color": "white"},
                "color": _PALETTE[place % len(_PALETTE)],
                "symbol": _PLOTLY_MARKERS[place // len(_PALETTE) % len(_PLOTLY_MARKERS)],
            },
        )  # fmt: skip
    figure.update_layout(template="simple_white", height=620, margin={"t": 10, "l": 10, "b": 10})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def _confusion_figure(result: Result) -> Any:
    from plotly import graph_objects

    names = [escape(name) for name in result.classes]
    places = list(range(len(names)))
    figure = graph_objects.Figure(
        graph_objects.Heatmap(
            z=np.round(_shares(result.confusion), 1).tolist(), x=places, y=places,
            customdata=[[[row, column] for column in names] for row in names],
            zmin=0, zmax=100, xgap=1, ygap=1, colorbar={"title": "%"},
            colorscale=[[n / (len(_SCALE) - 1), color] for n, color in enumerate(_SCALE)],
            hovertemplate=(
                "%{customdata[0]} predicted as %{customdata[1]}: %{z:.1f} %<extra></extra>"
            ),
        )
    )  # fmt: skip
    side = int(np.clip(18 * len(names) + 200, 480, 1500))
    figure.update_layout(template="simple_white", height=side, width=side + 80, margin={"t": 10})
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": names, "automargin": True}
    figure.update_xaxes(title="predicted", tickangle=-90, **ticks)
    figure.update_yaxes(title="action", autorange="reversed", **ticks)
    return figure


def _html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1100px;
  margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin-top: 2rem; }}
p {{ color: #555; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3rem .9rem; text-align: right; border-bottom: 1px solid #ddd; }}
th:first-child, td:first-child {{ text-align: left; }}
tbody tr:first-child {{ font-weight: 600; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{facts}</p>
{table}
{notes}
{plots}
</body>
</html>
"""
