"""Make one web page that plays clips in 3D; it needs no other file, no network and no library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import PurePath

from stars_infer.clips.clip import Clip
from stars_infer.inspection.clip_data import clip_data
from stars_infer.inspection.inspect import BodyInspection, Inspection
from stars_infer.inspection.page import make_page
from stars_infer.inspection.report import body_lines, clip_line, clip_notes, limb_rows, seen_line

_LIMB_COLUMNS = ("limb", "left or only, cm", "right, cm", "a person's, cm", "verdict")
HINT = (
    "Drag to turn, wheel or two fingers to zoom, shift and drag to move; space plays, arrow keys "
    "step. Hover a joint for its name."
)
"""How the player is used."""


def player_page(clips: Sequence[tuple[Clip, Inspection]]) -> str:
    """Make the page: a player in which to choose a clip, with the inspection of the clip below.

    Args:
        clips: One or more clips, each with its inspection by `inspect_clip`.

    Returns:
        HTML that loads nothing; it contains the positions, rounded to millimeters.
    """
    names = names_of([clip.source for clip, _ in clips])
    title = names[0] if len(names) == 1 else f"{len(names)} clips"
    sections = [
        f'<section data-clip="{number}">{_facts(found)}</section>'
        for number, (_, found) in enumerate(clips)
    ]
    return make_page(
        title=title,
        body="\n".join(
            (
                f'<h1 id="name">{escape(title)}</h1>',
                '<div class="bar" id="choice" hidden><label>Clip <select id="clip"></select>'
                '</label></div>\n<div id="player"></div>',
                f'<p class="dim">{HINT} The floor\'s squares are <span id="square"></span> '
                "wide.</p>",
                '<main id="facts">',
                *sections,
                "</main>",
            )
        ),
        data=[
            clip_data(clip, name=name, found=found)
            for name, (clip, found) in zip(names, clips, strict=True)
        ],
        script="clips.js",
    )


def names_of(sources: Sequence[str]) -> list[str]:
    """Name clips by their files, or by their whole sources where two files have the same name."""
    counts = Counter(PurePath(source).name for source in sources)
    names = [PurePath(source).name for source in sources]
    return [n if counts[n] == 1 else source for n, source in zip(names, sources, strict=True)]


def _facts(found: Inspection) -> str:
    """Write the inspection of a clip as HTML."""
    notes = [f'<p class="warn">{escape(note)}</p>' for note in clip_notes(found)]
    bodies = [_body_facts(body) for body in found.bodies]
    return "\n".join([f"<p>{escape(clip_line(found))}</p>", *notes, *bodies])


def _body_facts(body: BodyInspection) -> str:
    lines = "\n".join(f"<p>{escape(line)}</p>" for line in body_lines(body))
    findings = "\n".join(f'<p class="warn">{escape(text)}</p>' for text in body.findings)
    head = "".join(f"<th>{escape(column)}</th>" for column in _LIMB_COLUMNS)
    rows = "\n".join(
        f"<tr><th>{escape(limb)}</th>"
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + f"<td{'' if verdict == 'ok' else ' class=warn'}>{escape(verdict)}</td></tr>"
        for limb, *cells, verdict in limb_rows(body)
    )
    return (
        f"<h2>{escape(seen_line(body))}</h2>\n{lines}\n{findings}\n"
        f'<div class="wide"><table><tr>{head}</tr>\n{rows}</table></div>'
    )
