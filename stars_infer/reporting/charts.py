"""Charts as inline SVG: readable in light and dark, in print, in gray, and by a screen reader.

Colors are custom properties of the page (`stars_infer.reporting.page`). Series also differ by
marker and dash, actions on the map by marker and by their names, shares by lightness and by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.inspection.page import printable_text
from stars_infer.inspection.style import MARKERS, SERIES

Point = tuple[float, float]

_LETTER = 6.4
"""Width of a letter of the charts, pixels, about."""
_DASHES = ("", "7 4", "2 4", "8 3 2 3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series of a line chart.

    Attributes:
        name: In the legend.
        points: (x, y), in order.
        marks: Whether points are marked.
        faint: Whether it is only there to compare with, as the diagonal.
    """

    name: str
    points: Sequence[Point]
    marks: bool = True
    faint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its interval, 0 to 1, in a chart of shares.

    Attributes:
        name: What it is the share of.
        share: The share.
        low: Lower end of the interval.
        high: Upper end.
        said: What is written beside it.
    """

    name: str
    share: float
    low: float
    high: float
    said: str


def marker(number: int, x: float, y: float, size: float = 4.0) -> str:
    """The marker of a series or action, at a place."""
    shape, color = MARKERS[number % len(MARKERS)], f"c{number % len(SERIES)}"
    if shape == "o":
        return f'<circle class="{color}" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"/>'
    corners = {
        "s": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "^": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
        "v": ((0, 1.2), (1.1, -0.9), (-1.1, -0.9)),
        "D": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        "P": ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4),
              (0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
        "X": ((-1.2, -0.7), (-0.7, -1.2), (0, -0.5), (0.7, -1.2), (1.2, -0.7), (0.5, 0),
              (1.2, 0.7), (0.7, 1.2), (0, 0.5), (-0.7, 1.2), (-1.2, 0.7), (-0.5, 0)),
    }[shape]  # fmt: skip
    points = " ".join(f"{x + size * across:.1f},{y + size * down:.1f}" for across, down in corners)
    return f'<polygon class="{color}" points="{points}"/>'


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    said: str,
    x: str,
    y: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    square: bool = False,
) -> str:
    """Draw series over a common axis.

    Args:
        lines: The series.
        title: Heading, also the text alternative's first part.
        said: What the chart shows, in words, for those who do not see it.
        x: Name of the axis across.
        y: Name of the axis up.
        x_range: Ends of the axis; those of the data if not given.
        y_range: Likewise.
        square: Whether both axes are equally long.
    """
    width, height = (460, 400) if square else (640, 340)
    every = [point for line in lines for point in line.points]
    x0, x1 = x_range or _range([point[0] for point in every])
    y0, y1 = y_range or _range([point[1] for point in every])
    steps = [(value, _number(value)) for value in _ticks(y0, y1)]
    right, top, bottom = 14, 12, 46
    left = 34 + _LETTER * max((len(told) for _, told in steps), default=0)

    def at(point: Point) -> Point:
        return (
            left + (point[0] - x0) / (x1 - x0) * (width - left - right),
            height - bottom - (point[1] - y0) / (y1 - y0) * (height - top - bottom),
        )

    parts = []
    for value in _ticks(x0, x1):
        across, _ = at((value, y0))
        parts.append(
            f'<line class="grid" x1="{across:.1f}" x2="{across:.1f}" y1="{top}" '
            f'y2="{height - bottom}"/><text x="{across:.1f}" y="{height - bottom + 17}" '
            f'text-anchor="middle">{_number(value)}</text>'
        )
    for value, told in steps:
        _, down = at((x0, value))
        parts.append(
            f'<line class="grid" x1="{left:.1f}" x2="{width - right}" y1="{down:.1f}" '
            f'y2="{down:.1f}"/><text x="{left - 7:.1f}" y="{down + 4:.1f}" '
            f'text-anchor="end">{told}</text>'
        )
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">'
        f"{printable_text(x)}</text>"
        f'<text transform="translate(14 {(top + height - bottom) / 2}) rotate(-90)" '
        f'text-anchor="middle">{printable_text(y)}</text>'
    )
    number = 0
    legend = []
    for line in lines:
        places = [at(point) for point in line.points]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        if line.faint:
            parts.append(f'<polyline class="faint" points="{path}"/>')
            continue
        dash = _DASHES[number % len(_DASHES)]
        parts.append(
            f'<polyline class="line c{number % len(SERIES)}" points="{path}"'
            + (f' stroke-dasharray="{dash}"' if dash else "")
            + "/>"
        )
        if line.marks:
            parts += [marker(number, across, down) for across, down in places]
        legend.append((number, line))
        number += 1
    chart = _svg(width, height, parts, title, said)
    return chart + (_legend(legend) if len(legend) > 1 else "")


def share_chart(shares: Sequence[Share], *, title: str, said: str) -> str:
    """Draw shares with their intervals, one below the other."""
    row = 24
    left = min(230.0, 24 + _LETTER * max((len(one.name) for one in shares), default=0))
    width, right, top = 640, 110, 8
    height = top + row * len(shares) + 30
    scale = width - left - right
    parts = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        across = left + value * scale
        parts.append(
            f'<line class="grid" x1="{across:.1f}" x2="{across:.1f}" y1="{top}" '
            f'y2="{height - 26}"/><text x="{across:.1f}" y="{height - 9}" text-anchor="middle">'
            f"{value:.0%}</text>"
        )
    for number, one in enumerate(shares):
        down = top + row * number + row / 2
        low, high = (left + end * scale for end in (one.low, one.high))
        parts.append(
            f"<g><title>{printable_text(f'{one.name}: {one.said}')}</title>"
            f'<text x="{left - 10:.1f}" y="{down + 4:.1f}" text-anchor="end">'
            f"{printable_text(_short(one.name, (left - 16) / _LETTER))}</text>"
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{down}" y2="{down}"/>'
            f'<line class="whisker" x1="{low:.1f}" x2="{low:.1f}" y1="{down - 4}" y2="{down + 4}"/>'
            f'<line class="whisker" x1="{high:.1f}" x2="{high:.1f}" y1="{down - 4}" '
            f'y2="{down + 4}"/>{marker(0, left + one.share * scale, down, 5)}'
            f'<text x="{width - right + 12}" y="{down + 4:.1f}">{printable_text(one.said)}</text>'
            "</g>"
        )
    return _svg(width, height, parts, title, said)


def confusion_chart(
    table: NDArray[np.integer], labels: Sequence[str], *, title: str, said: str
) -> str:
    """Draw a confusion matrix (C, C): shares of each row by lightness, and counts as numbers."""
    count = len(labels)
    cell = 30 if count <= 16 else 22 if count <= 28 else 16
    reach = min(170.0, 14 + _LETTER * max(len(name) for name in labels))
    left, top = reach + 26, reach * 0.82 + 30
    width, height = left + cell * count + 16, top + cell * count + 12
    totals = np.maximum(table.sum(axis=1, keepdims=True), 1)
    shares = table / totals
    parts = [
        f'<text x="{left + cell * count / 2:.1f}" y="14" text-anchor="middle">named as</text>',
        f'<text transform="translate(12 {top + cell * count / 2:.1f}) rotate(-90)" '
        'text-anchor="middle">action</text>',
    ]
    for row, name in enumerate(labels):
        shown = printable_text(_short(name, (reach - 6) / _LETTER))
        middle = top + cell * (row + 0.5)
        parts.append(
            f'<text x="{left - 7:.1f}" y="{middle + 4:.1f}" text-anchor="end">{shown}</text>'
            f'<text transform="translate({left + cell * (row + 0.5) + 4:.1f} {top - 7:.1f}) '
            f'rotate(-55)">{shown}</text>'
        )
        for column, other in enumerate(labels):
            share, hits = float(shares[row, column]), int(table[row, column])
            at = left + cell * column, top + cell * row
            told = f"{hits} of {int(table[row].sum())} {name} named as {other}"
            parts.append(
                f"<g><title>{printable_text(told)}</title>"
                f'<rect class="{"cell own" if row == column else "cell"}" x="{at[0]:.1f}" '
                f'y="{at[1]:.1f}" width="{cell}" height="{cell}"/>'
                + (
                    f'<rect class="share" fill-opacity="{share:.2f}" x="{at[0]:.1f}" '
                    f'y="{at[1]:.1f}" width="{cell}" height="{cell}"/>'
                    if hits
                    else ""
                )
                + (
                    f'<text class="{"over" if share > 0.55 else ""}" x="{at[0] + cell / 2:.1f}" '
                    f'y="{at[1] + cell / 2 + 4:.1f}" text-anchor="middle" '
                    f'font-size="{11 if cell > 16 else 8}">{hits}</text>'
                    if hits
                    else ""
                )
                + "</g>"
            )
    return _svg(width, height, parts, title, said)


def map_chart(
    places: NDArray[np.floating],
    classes: NDArray[np.integer],
    labels: Sequence[str],
    wrong: NDArray[np.bool_],
    *,
    title: str,
    said: str,
) -> str:
    """Draw examples as points (N, 2), -1 to 1, with the names of actions amid theirs.

    A ring marks examples that are named wrongly without themselves.
    """
    width, height = 640, 520
    parts = []
    across = width / 2 + places[:, 0] * (width / 2 - 30)
    down = height / 2 - places[:, 1] * (height / 2 - 26)
    for number, (x, y) in enumerate(zip(across.tolist(), down.tolist(), strict=True)):
        ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="8"/>' if wrong[number] else ""
        name = printable_text(labels[int(classes[number])])
        parts.append(f"<g><title>{name}</title>{ring}{marker(int(classes[number]), x, y)}</g>")
    taken: list[tuple[float, float, float]] = []
    for place, name in enumerate(labels):
        own = classes == place
        if not own.any():
            continue
        shown = _short(name, 22)
        half = len(shown) * _LETTER / 2
        x = float(np.clip(np.median(across[own]), half + 4, width - half - 4))
        y = float(np.median(down[own])) - 9
        for _ in range(30):  # names that would lie over each other move down
            if not any(abs(y - b) < 15 and abs(x - a) < half + h for a, b, h in taken):
                break
            y += 15
        taken.append((x, y, half))
        parts.append(
            f'<text class="name" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">'
            f"{printable_text(shown)}</text>"
        )
    return _svg(width, height, parts, title, said)


def _svg(width: float, height: float, parts: Sequence[str], title: str, said: str) -> str:
    label = printable_text(f"{title}. {said}")
    return (
        f'<div class="wide"><svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{label}" style="max-width:{width:.0f}px;min-width:{min(width, 460):.0f}px">'
        + "".join(parts)
        + "</svg></div>"
    )


def _legend(entries: Sequence[tuple[int, Line]]) -> str:
    keys = []
    for number, line in entries:
        dash = _DASHES[number % len(_DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        keys.append(
            '<span class="entry"><svg viewBox="0 0 32 16" width="32" height="16" '
            f'aria-hidden="true"><line class="line c{number % len(SERIES)}" x1="1" x2="31" y1="8" '
            f'y2="8"{dashed}/>{marker(number, 16, 8) if line.marks else ""}</svg> '
            f"{printable_text(line.name)}</span>"
        )
    return f'<p class="entries">{"".join(keys)}</p>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    gap = (high - low) * 0.04 or max(abs(low), 1.0) * 0.1
    return low - gap, high + gap


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers between two."""
    rough = (high - low) / 5
    unit = 10 ** np.floor(np.log10(rough))
    step = float(next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= rough * 0.999))
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [number * step for number in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:,.10g}" if abs(value) < 1e7 else f"{value:.2g}"


def _short(name: str, letters: float) -> str:
    most = max(int(letters), 4)
    return name if len(name) <= most else name[: most - 1] + "…"
