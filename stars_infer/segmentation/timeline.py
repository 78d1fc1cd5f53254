"""Draw recordings and their segments: one self-contained SVG file."""

from __future__ import annotations

from collections.abc import Sequence

from stars_infer.inspection.page import printable_text
from stars_infer.segmentation.segment import Timeline

WIDTH = 1200
"""Width of the picture, pixels; it scales with the page."""
_MARGIN, _BAR, _ROW, _AXIS, _TOP = 16, 28, 66, 22, 12
_DIGIT = 6.4
"""Width of a digit under the axis, at most."""
_LETTER = 6.6
"""Width of a letter in the bars, pixels."""
_LEGEND_ROW = 22
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Seconds between ticks."""
_MOST_TICKS = 14
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_GOLDEN = 137.508
"""Degrees of hue from one label to the next, the golden angle: neighbors in the legend differ."""


def timeline_labels(timelines: Sequence[Timeline]) -> list[str]:
    """All labels, sorted; the position of a label decides its color and letter."""
    return sorted(
        {
            part.label
            for timeline in timelines
            for part in (*timeline.segments, *timeline.near_misses)
        }
    )


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


def letter_of(position: int) -> str:
    """The letter that stands for the label at a position, in the terminal and in narrow bars."""
    return LETTERS[position % len(LETTERS)]


def timeline_svg(timelines: Sequence[Timeline]) -> str:
    """Draw each recording as a bar, with its segments in the colors of the legend.

    A segment is filled up to its confidence, and named by its label or by the letter of the legend,
    so that nothing is told by color alone; near misses have a dashed line around them.
    """
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
            ".near{fill:none;stroke:#555;stroke-dasharray:3 2}"
            "@media(prefers-color-scheme:dark){text{fill:#ddd}.still{fill:#333}.near{stroke:#aaa}}"
            ".on{fill:#111}</style>",
            *rows,
            legend,
            "</svg>\n",
        ]
    )


def _row(timeline: Timeline, labels: Sequence[str], *, top: int) -> str:
    """A recording: its name, its bar, its axis."""
    scale = (WIDTH - 2 * _MARGIN) / max(timeline.seconds, 1e-9)
    bar = top + 16
    parts = [
        f'<text x="{_MARGIN}" y="{top + 10}">{printable_text(timeline.name)}</text>',
        f'<rect class="still" x="{_MARGIN}" y="{bar}" width="{WIDTH - 2 * _MARGIN}" '
        f'height="{_BAR}" rx="3"/>',
    ]
    for near, part in (
        *((False, one) for one in timeline.segments),
        *((True, one) for one in timeline.near_misses),
    ):
        left, width = _MARGIN + part.start * scale, max((part.end - part.start) * scale, 1.0)
        place = labels.index(part.label)
        said = (
            f"{'nearly ' if near else ''}{part.label}, {clock(part.start)} to {clock(part.end)}, "
            f"confidence {part.confidence:.2f}"
        )
        box = f'x="{left:.2f}" width="{width:.2f}" rx="2"'
        if near:
            drawn = f'<rect class="near" {box} y="{bar + 2}" height="{_BAR - 4}"/>'
        else:
            full = max(_BAR * part.confidence, 2.0)
            drawn = (
                f'<rect class="doubt" {box} y="{bar}" height="{_BAR}" '
                f'fill="{color_of(place, pale=True)}"/>'
                f'<rect {box} y="{bar + _BAR - full:.1f}" height="{full:.1f}" '
                f'fill="{color_of(place)}"/>'
            )
        inside = "" if near else _inside(part.label, place, left, width, bar)
        parts.append(f"<g><title>{printable_text(said)}</title>{drawn}{inside}</g>")
    step = next((s for s in _STEPS if timeline.seconds / s <= _MOST_TICKS), _STEPS[-1])
    under = bar + _BAR
    for number in range(int(timeline.seconds / step) + 1):
        x = _MARGIN + number * step * scale
        text = clock(number * step, tenths=step < 1)
        half = len(text) * _DIGIT / 2
        middle = min(max(x, half), WIDTH - half)  # the last one would be cut off
        parts.append(
            f'<line class="tick" x1="{x:.2f}" x2="{x:.2f}" y1="{under}" y2="{under + 4}"/>'
            f'<text x="{middle:.2f}" y="{under + 16}" text-anchor="middle" font-size="10">'
            f"{text}</text>"
        )
    return "\n".join(parts)


def _inside(label: str, place: int, left: float, width: float, bar: int) -> str:
    """The label, written into its segment if it fits, or its letter."""
    if len(label) * _LETTER + 8 > width:
        label = letter_of(place)
    if len(label) * _LETTER + 2 > width:
        return ""
    return (
        f'<text class="on" x="{left + width / 2:.2f}" y="{bar + _BAR / 2 + 4:.0f}" '
        f'text-anchor="middle">{printable_text(label)}</text>'
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
            f'<rect x="{x:.1f}" y="{y}" width="14" height="14" rx="2" fill="{color_of(position)}"/>'
            f'<text class="on" x="{x + 7:.1f}" y="{y + 11}" text-anchor="middle" font-size="11">'
            f'{letter_of(position)}</text><text x="{x + 20:.1f}" y="{y + 11}">'
            f"{printable_text(label)}</text>"
        )
        x += width
    return "\n".join(parts), row + 1 if labels else 0


def color_of(position: int, *, pale: bool = False) -> str:
    """The color of the label at a position, or a pale one; dark letters can be read on both."""
    return f"hsl({hue_of(position):.0f} 65% {88 if pale else 68}%)"
