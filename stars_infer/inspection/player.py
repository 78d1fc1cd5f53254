"""Make one web page that plays clips in 3D; it needs no other file, no network and no library."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import PurePath
from string import Template
from typing import Any

import numpy as np

from stars_infer.clips.anatomy import UNITS_PER_METER
from stars_infer.clips.clip import Clip
from stars_infer.inspection.drawing import joint_sides
from stars_infer.inspection.inspect import BodyInspection, Inspection
from stars_infer.inspection.report import body_lines, clip_line, clip_notes, limb_rows, seen_line
from stars_infer.layouts import NTU25_INDEX, Layout, get_layout

SQUARE = 0.5
"""Side of the squares on the floor, meters."""
_LIMB_COLUMNS = ("limb", "left or only, cm", "right, cm", "a person's, cm", "verdict")


class _Page(Template):
    """A template with another delimiter than the dollar, which JavaScript uses."""

    delimiter = "@@"


def player_page(clips: Sequence[tuple[Clip, Inspection]]) -> str:
    """Make the page: a player in which to choose a clip, with the inspection of the clip below.

    Args:
        clips: One or more clips, each with its inspection by `inspect_clip`.

    Returns:
        HTML that loads nothing; it contains the positions, rounded to millimeters.
    """
    names = _names([clip.source for clip, _ in clips])
    template = files("stars_infer.inspection").joinpath("player.html").read_text(encoding="utf-8")
    data = [_data(name, clip, found) for name, (clip, found) in zip(names, clips, strict=True)]
    sections = [
        f'<section data-clip="{number}">{_facts(found)}</section>'
        for number, (_, found) in enumerate(clips)
    ]
    return _Page(template).substitute(
        title=escape(names[0] if len(names) == 1 else f"{len(names)} clips"),
        data=_in_script(data),
        facts="\n".join(sections),
    )


def _names(sources: Sequence[str]) -> list[str]:
    """Name clips by their files, or by their whole sources where two files have the same name."""
    counts = Counter(PurePath(source).name for source in sources)
    names = [PurePath(source).name for source in sources]
    return [n if counts[n] == 1 else source for n, source in zip(names, sources, strict=True)]


def _in_script(data: object) -> str:
    """Write JSON that cannot end the script element around it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(name: str, clip: Clip, found: Inspection) -> dict[str, Any]:
    """Collect what `player.html` needs of a clip."""
    layout = get_layout(clip.layout)
    first = next((body for body in found.bodies if body.actor), found.bodies[0])
    return {
        "name": name,
        "fps": clip.fps,
        "frames": clip.frames,
        "joints": layout.joints,
        "bones": layout.bones,
        "sides": joint_sides(layout),
        "root": _main_joint(layout, "base of spine"),
        "head": _main_joint(layout, "head"),
        "facing": round(first.facing or 0.0, 1),
        "person": round(first.scale, 3),
        "square": SQUARE * round(UNITS_PER_METER[first.unit]) if first.unit else SQUARE,
        "bodies": [
            {"number": body.number, "actor": body.actor, "poses": _poses(clip, body.number)}
            for body in found.bodies
        ],
    }


def _main_joint(layout: Layout, joint: str) -> int:
    """Find the joint of a layout with the largest weight in an NTU-25 joint."""
    return int(layout.ntu25_matrix()[NTU25_INDEX[joint]].argmax())


def _poses(clip: Clip, number: int) -> list[list[int] | None]:
    """List the positions of a body in each frame, 3 V millimeters; None where it is not seen."""
    millimeters = np.rint(clip.bodies[number].astype(np.float64) * 1000).astype(np.int64)
    poses = millimeters.reshape(clip.frames, -1).tolist()
    seen = clip.presence[number].tolist()
    return [pose if there else None for pose, there in zip(poses, seen, strict=True)]


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
