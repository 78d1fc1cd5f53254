"""Draw recordings and their segments: one self-contained SVG or HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from stars_infer.segmentation.segment import Timeline

WIDTH = 1200
"""Width of the picture, pixels; it scales with the page."""
_MARGIN, _BAR, _ROW, _AXIS, _TOP = 16, 28, 66, 22, 12
_LETTER = 6.6
"""Width of a letter in the bars, pixels."""
_LEGEND_ROW = 22
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Seconds between ticks."""
_MOST_TICKS = 14
_GOLDEN = 137.508
"""Degrees of hue from one label to the next, the golden angle: neighbors in the legend differ."""


def timeline_labels(timelines: Sequence[Timeline]) -> list[str]:
    """All labels, sorted; the position of a label decides its color."""
    return sorted({part.label for timeline in timelines for part in timeline.segments})


def hue_of(position: int) -> float:
    """Hue of the label at a position, degrees."""
    return position * _GOLDEN % 360


def clock(seconds: float, *, tenths: bool = True) -> str:
    """Format a time for people: 7.5, 1:07.5, 2:01:07.5, or without tenths of a second."""
    whole = round(10 * seconds)
    hours, rest = divmod(whole, 36000)
    minutes, rest = divmod(rest, 600)
    end = f".{rest % 10}" if tenths else ""
    if hours:
        return f"{hours}:{minutes:02}:{rest // 10:02}{end}"
    return f"{minutes}:{rest // 10:02}{end}" if minutes or not tenths else f"{rest // 10}{end}"


def timeline_svg(timelines: Sequence[Timeline]) -> str:
    """Draw each recording as a bar, with its segments in the colors of the legend."""
    labels = timeline_labels(timelines)
    legend, legend_rows = _legend(labels, top=_TOP + _ROW * len(timelines))
    height = _TOP + _ROW * len(timelines) + _LEGEND_ROW * legend_rows + _TOP
    rows = [
        _row(timeline, labels, top=_TOP + _ROW * number)
        for number, timeline in enumerate(timelines)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="system-ui, sans-serif" font-size="12" role="img">',
            "<title>Actions over time</title>",
            "<style>text{fill:#222}.still{fill:#e8e8e8}.tick{stroke:#999}"
            "@media(prefers-color-scheme:dark){text{fill:#ddd}.still{fill:#333}}"
            ".on{fill:#111}</style>",
            *rows,
            legend,
            "</svg>\n",
        ]
    )


def timeline_html(timelines: Sequence[Timeline]) -> str:
    """A web page with the picture, and with the segments as a table; it loads no other file."""
    rows = [
        f"<tr><td>{_text(timeline.name)}</td><td>{clock(part.start)}</td><td>{clock(part.end)}</td>"
        f"<td>{_text(part.label)}</td><td>{part.confidence:.2f}</td></tr>"
        for timeline in timelines
        for part in timeline.segments
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            "<title>Actions over time</title>",
            "<style>:root{color-scheme:light dark}body{font:14px system-ui,sans-serif;margin:2rem}"
            "svg{width:100%;height:auto}table{border-collapse:collapse;margin-top:1.5rem}"
            "td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #8884}</style>",
            "</head>\n<body>",
            timeline_svg(timelines),
            "<table>\n<tr><th>recording</th><th>start</th><th>end</th><th>action</th>"
            "<th>confidence</th></tr>",
            *rows,
            "</table>\n</body>\n</html>\n",
        ]
    )


def _row(timeline: Timeline, labels: Sequence[str], *, top: int) -> str:
    """A recording: its name, its bar, its axis."""
    scale = (WIDTH - 2 * _MARGIN) / max(timeline.seconds, 1e-9)
    bar = top + 16
    parts = [
        f'<text x="{_MARGIN}" y="{top + 10}">{_text(timeline.name)}</text>',
        f'<rect class="still" x="{_MARGIN}" y="{bar}" width="{WIDTH - 2 * _MARGIN}" '
        f'height="{_BAR}" rx="3"/>',
    ]
    for part in timeline.segments:
        left, width = _MARGIN + part.start * scale, max((part.end - part.start) * scale, 1.0)
        said = (
            f"{part.label}, {clock(part.start)} to {clock(part.end)}, "
            f"confidence {part.confidence:.2f}"
        )
        parts.append(
            f'<g><title>{_text(said)}</title><rect x="{left:.2f}" y="{bar}" width="{width:.2f}" '
            f'height="{_BAR}" rx="2" fill="{_color(labels.index(part.label))}"/>'
            + _inside(part.label, left, width, bar)
            + "</g>"
        )
    step = next((s for s in _STEPS if timeline.seconds / s <= _MOST_TICKS), _STEPS[-1])
    under = bar + _BAR
    for number in range(int(timeline.seconds / step) + 1):
        x = _MARGIN + number * step * scale
        parts.append(
            f'<line class="tick" x1="{x:.2f}" x2="{x:.2f}" y1="{under}" y2="{under + 4}"/>'
            f'<text x="{x:.2f}" y="{under + 16}" text-anchor="middle" font-size="10">'
            f"{clock(number * step, tenths=step < 1)}</text>"
        )
    return "\n".join(parts)


def _inside(label: str, left: float, width: float, bar: int) -> str:
    """The label, written into its segment if it fits."""
    if len(label) * _LETTER + 8 > width:
        return ""
    return (
        f'<text class="on" x="{left + width / 2:.2f}" y="{bar + _BAR / 2 + 4:.0f}" '
        f'text-anchor="middle">{_text(label)}</text>'
    )


def _legend(labels: Sequence[str], *, top: int) -> tuple[str, int]:
    """The legend in rows, and the number of rows."""
    parts = []
    x, row = float(_MARGIN), 0
    for position, label in enumerate(labels):
        width = 24 + len(label) * _LETTER + 14
        if x > _MARGIN and x + width > WIDTH - _MARGIN:
            x, row = float(_MARGIN), row + 1
        y = top + row * _LEGEND_ROW
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="14" height="14" rx="2" fill="{_color(position)}"/>'
            f'<text x="{x + 20:.1f}" y="{y + 11}">{_text(label)}</text>'
        )
        x += width
    return "\n".join(parts), row + 1 if labels else 0


def _color(position: int) -> str:
    return f"hsl({hue_of(position):.0f} 65% 68%)"


def _text(text: str) -> str:
    """Escape text for SVG and HTML; characters that XML does not allow become U+FFFD."""
    return escape("".join(letter if letter.isprintable() else "\ufffd" for letter in text))
