"""Plots of a result, as in the papers: t-SNE by action, and the confusion matrix.

Each is a PNG; both are on one HTML page with the table (plotly, whose code the page contains). The
packages of the extra `plots` load when a plot is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.atomic import write_text
from stars_infer.errors import MissingExtraError, UsageError
from stars_infer.inspection.style import MARKERS, SCALE, color_of, marker_of
from stars_infer.train.protocols.pictures import (
    CLASSES,
    Projection,
    confusion_png,
    project_vectors,
    shares_of,
    tsne_png,
)
from stars_infer.train.protocols.results import Result

_NEEDS = {"matplotlib": "matplotlib", "plotly": "plotly", "sklearn": "scikit-learn"}
_PLOTLY_MARKERS = dict(
    zip(
        MARKERS,
        ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x"),
        strict=True,
    )
)


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
    tsne_png([(_headline(result), projection)], result.classes, files[0])
    confusion_png(result.confusion, result.classes, _headline(result), files[1])
    write_text(files[2], _page(result, projection))
    return files


def project(result: Result, *, classes: int = CLASSES, seed: int = 0) -> Projection:
    """Project the features of some actions' clips to the plane by t-SNE of unit vectors."""
    return project_vectors(result.embedding, result.labels, classes=classes, seed=seed)


def _headline(result: Result) -> str:
    score = result.scores[0]
    name = "" if score.setting == "accuracy" else f" at {score.setting}"
    return f"{result.title}\n{score.accuracy:.1f} % correct{name}"


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
                "color": color_of(place),
                "symbol": _PLOTLY_MARKERS[marker_of(place)],
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
            z=np.round(shares_of(result.confusion), 1).tolist(), x=places, y=places,
            customdata=[[[row, column] for column in names] for row in names],
            zmin=0, zmax=100, xgap=1, ygap=1, colorbar={"title": "%"},
            colorscale=[[n / (len(SCALE) - 1), color] for n, color in enumerate(SCALE)],
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
