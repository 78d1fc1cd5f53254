"""The page of recordings: segments on tracks, each played beside its example, in time alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stars_infer.clips.clip import Clip
from stars_infer.errors import ClipError
from stars_infer.inspection.clip_data import clip_data
from stars_infer.inspection.page import make_page, printable_text
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.segmentation.segment import Segment, Timeline
from stars_infer.segmentation.timeline import (
    clock,
    color_of,
    letter_of,
    timeline_labels,
    timeline_svg,
)
from stars_infer.segmentation.windows import Window, cut
from stars_infer.similarity.alignment import align_either
from stars_infer.similarity.comparison import SequenceConfig

MOST_PLAYED = 200
"""Segments and near misses of all recordings together that can be played, the least sure first:
these are the ones to look at."""
PLAYED_FPS = 12.0
MOST_SECONDS = 12.0
"""What is played of a segment at most; 200 of them stay below 8 MB with their examples."""
_AROUND = 0.25
"""Seconds before and after a segment that are played, too."""

ReadExample = Callable[[Segment], Clip | None]


@dataclass(slots=True, kw_only=True)
class PlayedParts:
    """What the page plays, gathered recording by recording, so that no joints need be kept.

    Attributes:
        read: Reads the example of a segment; gives None where it is not there any more.
        how: How the model compares sequences.
        parts: What each player shows, by the identity of its segment.
    """

    read: ReadExample
    how: SequenceConfig | None
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    _examples: dict[tuple[int | None, str], tuple[int, Clip | None]] = field(default_factory=dict)
    _clips: list[dict[str, Any]] = field(default_factory=list)
    _segments: list[Segment] = field(default_factory=list)

    @property
    def clips(self) -> list[dict[str, Any]]:
        """The examples that are played, each once."""
        return self._clips

    def add(self, clip: Clip, timeline: Timeline) -> None:
        """Keep what is played of a recording, as `segment_file` shows it."""
        for part in sorted(all_parts(timeline), key=lambda one: one.confidence):
            if len(self.parts) == MOST_PLAYED:
                return
            played = self._played(clip, part)
            if played is not None:
                self._segments.append(part)  # so that its identity stays its own
                self.parts[id(part)] = played

    def _played(self, clip: Clip, part: Segment) -> dict[str, Any] | None:
        """The joints of a segment, how its example lies over it, and what differs."""
        start = max(0, round((part.start - _AROUND) * clip.fps))
        end = min(clip.frames, round(min(part.end + _AROUND, part.start + MOST_SECONDS) * clip.fps))
        own = cut(clip, Window(start=start, end=end))
        if own is None:
            return None
        number, example = self._example(part)
        played: dict[str, Any] = {"example": None, "alignment": None}
        name = f"{part.label}, {clock(part.start)} to {clock(part.end)}"
        if example is not None:
            try:
                alignment = align_either(own, example, self.how)
            except ClipError:
                alignment = None
            if alignment is not None:
                if alignment.mirrored:
                    own, name = mirror_clip(own), f"{name}, mirrored"
                played["alignment"] = alignment.to_json()
            played["example"] = number
        data = clip_data(own, name=name, most_fps=PLAYED_FPS, actors_only=True)
        return played | {"clip": data}

    def _example(self, part: Segment) -> tuple[int, Clip | None]:
        """The number of an example among those that are played, and its clip."""
        if part.nearest is None:
            return 0, None
        key = part.nearest.id, part.nearest.source
        if key not in self._examples:
            clip = self.read(part)
            self._examples[key] = len(self._clips), clip
            if clip is not None:
                name = f"example of {part.nearest.label}"
                data = clip_data(clip, name=name, most_fps=PLAYED_FPS, actors_only=True)
                self._clips.append(data)
        return self._examples[key]


def all_parts(timeline: Timeline) -> list[Segment]:
    """Segments and near misses, in order of time."""
    return sorted((*timeline.segments, *timeline.near_misses), key=lambda one: one.start)


def timeline_html(timelines: Sequence[Timeline], played: PlayedParts | None = None) -> str:
    """A web page with the picture, tracks that can be looked through and played, and a table.

    Args:
        timelines: The recordings.
        played: What is played; without it, the page only shows.

    Returns:
        HTML that loads nothing.
    """
    labels = timeline_labels(timelines)
    body = [
        '<main>\n<h1>Actions over time</h1>\n<div class="overview wide">',
        timeline_svg(timelines),
        "</div>",
        '<p class="dim">Segments are filled up to their confidence; what has a dashed line around '
        "it is a near miss, which is not sure enough. "
        + ("Choose one to play it beside its example.</p>" if played else "</p>"),
        '<div id="tracks"></div>\n<section id="chosen" hidden><h2 id="title"></h2>'
        '<div id="player"></div><p id="differs"></p></section>' if played else "",
        _table(timelines),
        "</main>",
    ]  # fmt: skip
    return make_page(
        title="Actions over time",
        body="\n".join(filter(None, body)),
        data=_data(timelines, labels, played),
        script="timeline.js",
        style=_STYLE,
    )


def _data(
    timelines: Sequence[Timeline], labels: Sequence[str], played: PlayedParts | None
) -> dict[str, Any]:
    recordings = []
    for timeline in timelines if played else ():
        near = set(map(id, timeline.near_misses))
        parts = [
            {
                "start": round(part.start, 3),
                "end": round(part.end, 3),
                "label": labels.index(part.label),
                "confidence": round(part.confidence, 3),
                "near": id(part) in near,
                **(played.parts.get(id(part), {}) if played else {}),
            }
            for part in all_parts(timeline)
        ]
        recordings.append(
            {"name": timeline.name, "seconds": round(timeline.seconds, 3), "parts": parts}
        )
    return {
        "labels": [
            {
                "name": name,
                "color": color_of(place),
                "pale": color_of(place, pale=True),
                "letter": letter_of(place),
            }
            for place, name in enumerate(labels)
        ],
        "recordings": recordings,
        "examples": played.clips if played else [],
    }


def _table(timelines: Iterable[Timeline]) -> str:
    rows = []
    for timeline in timelines:
        near = set(map(id, timeline.near_misses))
        rows += [
            f"<tr><td>{printable_text(timeline.name)}</td><td>{clock(part.start)}</td>"
            f"<td>{clock(part.end)}</td><td>{printable_text(part.label)}</td>"
            f"<td>{part.confidence:.2f}{' (near miss)' if id(part) in near else ''}</td></tr>"
            for part in all_parts(timeline)
        ]
    return "\n".join(
        [
            '<div class="wide list"><table>\n<tr><th>recording</th><th>start</th><th>end</th>'
            "<th>action</th><th>confidence</th></tr>",
            *rows,
            "</table></div>",
        ]
    )


_STYLE = """svg { width: 100%; height: auto; min-width: 34rem; }
.track { margin: .8rem 0; contain: layout style; }
.overview, .list { content-visibility: auto; contain-intrinsic-size: auto 30rem; }
.track h2 { font-size: .95rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
.scroller { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px;
  background: var(--panel); }
.lane { position: relative; height: 4.4rem; contain: strict; }
.part { position: absolute; top: .3rem; height: 2.4rem; min-width: 3px; padding: 0 .2rem; margin: 0;
  overflow: hidden; white-space: nowrap; text-overflow: ellipsis; font-size: .8rem; color: #111;
  border: 1px solid #0005; border-radius: 4px; cursor: pointer; text-align: left; }
.part.near { border: 1.5px dashed var(--text); color: var(--text); background: none !important; }
.part.silent { cursor: default; opacity: .75; }
.part[aria-pressed=true] { outline: 3px solid var(--left0); outline-offset: 1px; }
.tick { position: absolute; top: 2.9rem; border-left: 1px solid var(--dim); padding-left: .25rem;
  height: 1.3rem; font-size: .75rem; color: var(--dim); font-variant-numeric: tabular-nums; }
@media print { #tracks, .player .bar { display: none; } }
"""
