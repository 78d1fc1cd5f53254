"""Charts of numbers: sweeps, learning curves, and accuracy over the time of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stars_infer.arrays import FloatArray
from stars_infer.inspection.style import (
    BAR_HATCHES,
    DASHES,
    LINE,
    SCALE,
    color_of,
    marker_of,
    styled,
)
from stars_infer.train.protocols.pictures import new_figure, save_figure

Point = tuple[float, float]
_SIZE = (7.5, 4.8)


@styled()
def line_chart(
    lines: Sequence[tuple[str, Sequence[Point]]],
    *,
    title: str,
    x: str,
    y: str,
    log: bool = False,
    ticks: Sequence[float] = (),
    paths: Sequence[Path],
) -> None:
    """Draw lines with a mark at each point; `ticks` are the values that the axis names."""
    figure = new_figure(*_SIZE)
    axes = figure.add_subplot()
    for number, (name, points) in enumerate(lines):
        xs, ys = zip(*sorted(points), strict=True)
        axes.plot(
            xs, ys, marker=marker_of(number), markersize=7, alpha=0.9, label=name,
            linewidth=max(1.5, 3.0 - 0.5 * number), color=color_of(number),
            linestyle=DASHES[number % len(DASHES)],
        )  # fmt: skip
    if log:
        axes.set_xscale("log", base=2)
    if ticks:
        axes.set_xticks(sorted(ticks), [f"{tick:,g}" for tick in sorted(ticks)])
        axes.minorticks_off()
    _finish(axes, title=title, x=x, y=y)
    if len(lines) > 1:
        axes.legend(frameon=False)
    save_figure(figure, *paths)


@styled()
def scatter_chart(
    points: Sequence[tuple[str, Point]], *, title: str, x: str, y: str, paths: Sequence[Path]
) -> None:
    """Draw named points."""
    figure = new_figure(*_SIZE)
    axes = figure.add_subplot()
    for number, (name, (across, up)) in enumerate(points):
        axes.scatter(
            [across], [up], s=90, color=color_of(number), marker=marker_of(number), zorder=3
        )
        axes.annotate(
            name, (across, up), xytext=(9, 5), textcoords="offset points", fontsize=11
        )  # fmt: skip
    axes.margins(0.25)
    _finish(axes, title=title, x=x, y=y)
    save_figure(figure, *paths)


@styled()
def bar_chart(
    groups: Sequence[tuple[str, Sequence[float | None]]],
    names: Sequence[str],
    *,
    title: str,
    y: str,
    paths: Sequence[Path],
) -> None:
    """Draw groups of bars, a bar of each name in each; a missing number leaves a gap."""
    figure = new_figure(*_SIZE)
    axes = figure.add_subplot()
    wide = 0.8 / len(names)
    for number, name in enumerate(names):
        places = [
            place + (number - (len(names) - 1) / 2) * wide
            for place, (_, values) in enumerate(groups)
            if values[number] is not None
        ]
        heights = [values[number] for _, values in groups if values[number] is not None]
        bars = axes.bar(
            places, heights, wide * 0.92, label=name, color=color_of(number), zorder=3,
            hatch=BAR_HATCHES[number % len(BAR_HATCHES)],
        )  # fmt: skip
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=10, padding=2)
    axes.set_xticks(range(len(groups)), [group for group, _ in groups])
    _finish(axes, title=title, x="", y=y)
    axes.legend(frameon=False)
    save_figure(figure, *paths)


@styled()
def map_panels(
    rows: Sequence[tuple[str, Sequence[tuple[str, FloatArray]]]], *, title: str, path: Path
) -> None:
    """Draw square matrices, a row of panels each; a column of panels has one scale."""
    columns = list(zip(*(panels for _, panels in rows), strict=True))
    most = [max(float(values.max()) for _, values in column) for column in columns]
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("share", SCALE)
    figure = new_figure(5.2 * len(columns), 4.6 * len(rows) + 0.4)
    for down, (name, panels) in enumerate(rows):
        for across, (what, values) in enumerate(panels):
            axes = figure.add_subplot(len(rows), len(columns), down * len(columns) + across + 1)
            image = axes.imshow(
                values, cmap=colors, vmin=0, vmax=most[across], interpolation="nearest"
            )  # fmt: skip
            axes.set_title(f"{name}\n{what}", fontsize=11, loc="left", fontweight="bold")
            axes.set_xlabel("attended to")
            axes.set_ylabel("attending")
            bar = figure.colorbar(image, ax=axes, shrink=0.85)
            bar.set_label("times equal attention")
            bar.outline.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    save_figure(figure, path)


def _finish(axes: Any, *, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
