"""The clips that are hardest to name, as players beside what they are taken for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from stars_infer.clips.clip import Clip
from stars_infer.errors import ClipError
from stars_infer.evaluation.leave_one_out import LeaveOneOut
from stars_infer.index.exemplar import Exemplar
from stars_infer.inspection.clip_data import clip_data
from stars_infer.inspection.page import printable_text
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.reporting.page import Section
from stars_infer.reporting.words import in_percent
from stars_infer.similarity.alignment import align_either
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features

HARDEST = 6
MOST_SECONDS, PLAYED_FPS = 20.0, 15.0
"""What is played of a clip at most, so that a page of six pairs stays below 5 MB."""

Held = tuple[Exemplar, Features]
ReadClip = Callable[[Exemplar], Clip | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A hard example, and the one beside which it is shown, by their positions."""

    hard: int
    beside: int


def hardest_clips(
    kept: Sequence[Held],
    found: LeaveOneOut,
    how: SequenceConfig | None,
    read: ReadClip | None,
    most: int,
) -> tuple[list[dict[str, Any]], Section]:
    """The hardest examples, each beside the nearest example of what it was named.

    Args:
        kept: The examples that were asked.
        found: How they were named.
        how: How the model compares sequences.
        read: Reads the clip of an example; gives None where it is not there any more.
        most: How many.

    Returns:
        What the players show, and the section in which they stand.
    """
    data: list[dict[str, Any]] = []
    parts = []
    for pair in _hard_ones(found, most):
        one, other = kept[pair.hard][0], kept[pair.beside][0]
        sure = in_percent(float(found.confidence[pair.hard]))
        named = found.labels[int(found.named[pair.hard])]
        verdict = "rightly" if named == one.label else "wrongly"
        heading = f"Example {one.id}, “{one.label}”, {verdict} named “{named}”, {sure} sure"
        lines = [
            f"{end_of_path(one)}; beside it the nearest of that name, {other.id}, "
            f"{end_of_path(other)}"
        ]
        player = ""
        clips = [read(each) for each in (one, other)] if read is not None else [None, None]
        if clips[0] is not None and clips[1] is not None:
            shown, told = _played(clips[0], clips[1], one, other, how)
            player = f'<div data-pair="{len(data)}"></div>'
            data.append(shown)
            lines += told
        else:
            lines.append("The files are not there any more, or have changed: nothing to play.")
        texts = "".join(f"<p>{printable_text(line)}</p>" for line in lines)
        parts.append(
            f'<article class="pair"><h3>{printable_text(heading)}</h3>{player}{texts}</article>'
        )
    lead = (
        "Examples that are named wrongly without themselves, the surest first, and then those that "
        "are named least surely. Are they labeled rightly, and is the whole action in them?"
    )
    return data, Section(title="Hardest clips", lead=lead, body="\n".join(parts))


def _hard_ones(found: LeaveOneOut, most: int) -> list[_Pair]:
    """Wrong answers, the surest first, and then right ones, the least sure first."""
    asked = np.flatnonzero(found.asked)
    wrong = asked[~found.right[asked]]
    right = asked[found.right[asked]]
    order = [
        *wrong[np.argsort(-found.confidence[wrong], kind="stable")].tolist(),
        *right[np.argsort(found.confidence[right], kind="stable")].tolist(),
    ]
    pairs = []
    for hard in order[:most]:
        rivals = np.flatnonzero(found.classes == found.named[hard])
        rivals = rivals[rivals != hard]
        beside = int(rivals[np.argmax(found.similarity[hard, rivals])])
        pairs.append(_Pair(hard=hard, beside=beside))
    return pairs


def end_of_path(one: Exemplar) -> str:
    """The end of its path: the whole of it is nobody's business to whom a report is sent."""
    parts = PurePath(one.source).parts
    return "/".join(parts if len(parts) <= 2 else ("…", *parts[-2:]))


def _played(
    clip: Clip, other: Clip, one: Exemplar, beside: Exemplar, how: SequenceConfig | None
) -> tuple[dict[str, Any], list[str]]:
    """What a player shows of two clips, and what differs in words."""
    clips = [_cut(clip), _cut(other)]
    try:
        alignment = align_either(clips[0], clips[1], how)
    except ClipError:
        alignment = None
    if alignment is not None and alignment.mirrored:
        clips[0] = mirror_clip(clips[0])
    captions = [f"{each.label} ({each.id})" for each in (one, beside)]
    if alignment is not None and alignment.mirrored:
        captions[0] += ", mirrored"
    data: dict[str, Any] = {
        "clips": [
            clip_data(each, name=caption, caption=caption, most_fps=PLAYED_FPS, actors_only=True)
            for each, caption in zip(clips, captions, strict=True)
        ],
        "alignment": None if alignment is None else alignment.to_json(),
    }
    if alignment is None:
        return data, []
    if alignment.differences:
        first = alignment.differences[0]
        data["at"] = round((first.start + first.end) / 2, 2)
    words = "; ".join(alignment.words()[:3])
    return data, [f"What differs most: {words}." if words else "Hardly anything differs."]


def _cut(clip: Clip) -> Clip:
    """The first seconds of a clip."""
    frames = int(MOST_SECONDS * clip.fps)
    if clip.frames <= frames or not clip.presence[:, :frames].any():
        return clip
    return Clip(
        bodies=clip.bodies[:, :frames],
        presence=clip.presence[:, :frames],
        layout=clip.layout,
        fps=clip.fps,
        source=clip.source,
        flat=clip.flat,
    )
