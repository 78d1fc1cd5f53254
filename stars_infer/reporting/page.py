"""The page of a report: facts, sections with charts, players; it prints well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stars_infer.inspection.page import make_page, printable_text
from stars_infer.inspection.style import APART, DARK_SERIES, LIMBS, SERIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report.

    Attributes:
        title: Plain text.
        lead: What it shows and what that means, plain text.
        body: HTML, in which all that comes from files is escaped.
    """

    title: str
    lead: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report says.

    Attributes:
        title: Plain text.
        facts: Name and value of what matters most, plain text.
        advice: What to do, in words.
        sections: In order.
        pairs: What players show: `{"clips": [...], "alignment": ...}`; a section's body has an
            element `<div data-pair="N">` for each.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    advice: Sequence[str] = ()
    sections: Sequence[Section] = ()
    pairs: Sequence[dict[str, Any]] = field(default_factory=tuple)


def report_page(report: Report) -> str:
    """Write a report as one page that loads nothing.

    Args:
        report: What it says.
    """
    facts = "".join(
        f"<div><dt>{printable_text(name)}</dt><dd>{printable_text(value)}</dd></div>"
        for name, value in report.facts
    )
    advice = "".join(f"<li>{printable_text(one)}</li>" for one in report.advice)
    parts = [
        f'<main>\n<h1>{printable_text(report.title)}</h1>\n<dl class="facts">{facts}</dl>',
        f'<section class="advice"><h2>What to do</h2><ul>{advice}</ul></section>' if advice else "",
    ]
    for section in report.sections:
        lead = f"<p>{printable_text(section.lead)}</p>" if section.lead else ""
        parts.append(
            f"<section><h2>{printable_text(section.title)}</h2>{lead}\n{section.body}</section>"
        )
    parts.append("</main>")
    return make_page(
        title=report.title,
        body="\n".join(filter(None, parts)),
        data=list(report.pairs),
        script="report.js",
        style=_STYLE,
    )


def html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain text; numbers are recognized and set to the right."""
    head = "".join(f'<th scope="col">{printable_text(column)}</th>' for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="number">{printable_text(cell)}</td>'
            if cell[:1].isdigit() and len(cell) < 24
            else f"<td>{printable_text(cell)}</td>"
            for cell in row
        )
        + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _series(colors: Sequence[str]) -> str:
    return " ".join(f"--s{number}: {color};" for number, color in enumerate(colors))


_CLASSES = "".join(f".c{n} {{ color: var(--s{n}); }}\n" for n in range(len(SERIES)))
_LIMBS = " ".join(
    f"--{side}{number}: {color};"
    for side, colors in LIMBS.items()
    for number, color in enumerate(colors)
)
_LIGHT, _DARK = _series(SERIES), _series(DARK_SERIES)
_STYLE = (
    f":root {{ {_LIGHT} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}\n"
    f"{_CLASSES}"
    """body { max-width: 54rem; }
section { margin: 0 0 2.2rem; }
section p { margin: .2rem 0 .6rem; max-width: 44rem; }
.facts { display: flex; flex-wrap: wrap; gap: .7rem 2.4rem; margin: .6rem 0 1.6rem; }
.facts dt { color: var(--dim); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.advice { border: 1px solid var(--line); border-left: 5px solid var(--s0); border-radius: 6px;
  background: var(--panel); padding: .1rem 1rem .5rem; }
.advice h2 { margin-top: .6rem; }
.advice ul { margin: .2rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.advice li { margin: .3rem 0; }
.chart { display: block; width: 100%; height: auto; font-size: 12px; }
.chart text { fill: var(--text); }
.chart circle, .chart polygon, .entry circle, .entry polygon { fill: currentColor; }
.line { fill: none; stroke: currentColor; stroke-width: 2; }
.faint { fill: none; stroke: var(--dim); stroke-dasharray: 3 4; }
.grid { stroke: var(--line); }
.whisker { stroke: var(--text); stroke-width: 1.5; }
.cell { fill: none; stroke: var(--line); }
.cell.own { stroke: var(--dim); stroke-width: 2; }
.share { fill: var(--s0); }
.chart .over { fill: var(--panel); font-weight: 600; }
.chart .ring { fill: none; stroke: var(--text); stroke-width: 1.5; }
.chart .name { font-weight: 600; paint-order: stroke; stroke: var(--back); stroke-width: 4px; }
.entries { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; }
.entry svg { vertical-align: middle; }
.pair { margin: 1.4rem 0; }
.pair h3 { font-size: 1rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
.pair p { overflow-wrap: anywhere; }
.player.two canvas { height: 17rem; }
code { overflow-wrap: anywhere; }
@media print {
  """
    f":root {{ color-scheme: light; --back: #fff; --panel: #fff; --text: #000; --dim: #444; "
    f"--line: #bbb; --apart: {APART}; {_LIMBS} {_LIGHT} }}"
    """
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  section, .pair, figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .player .bar, .dim { display: none; }
  .player.two canvas { height: 12rem; }
  .chart { max-height: 15cm; min-width: 0 !important; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
)
