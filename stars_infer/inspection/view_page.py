"""The page of `stars view`: one clip, or two in time alignment and what differs, in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from stars_infer.clips.clip import Clip
from stars_infer.inspection.clip_data import clip_data
from stars_infer.inspection.page import make_page, printable_text
from stars_infer.inspection.player import HINT, names_of
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.similarity.alignment import Alignment


def view_page(clips: Sequence[Clip], alignment: Alignment | None = None) -> str:
    """Make a page that plays one clip, or two side by side.

    Args:
        clips: One or two clips.
        alignment: How the two lie over each other.

    Returns:
        HTML that loads nothing; it contains the positions, rounded to millimeters.
    """
    captions = captions_of(clips, alignment)
    title = " and ".join(names_of([clip.source for clip in clips]))
    shown = shown_clips(clips, alignment)
    return make_page(
        title=title,
        body="\n".join(
            (
                f"<main>\n<h1>{printable_text(title)}</h1>",
                '<div id="player"></div>',
                "" if alignment is None else _differences(alignment),
                f'<p class="dim">{HINT}</p>\n</main>',
            )
        ),
        data={
            "clips": [
                clip_data(clip, name=name, caption=caption)
                for clip, name, caption in zip(
                    shown, names_of([clip.source for clip in clips]), captions, strict=True
                )
            ],
            "alignment": None if alignment is None else alignment.to_json(),
        },
        script="view.js",
    )


def shown_clips(clips: Sequence[Clip], alignment: Alignment | None) -> list[Clip]:
    """The clips as they are played: the first one mirrored if it was compared so."""
    if alignment is not None and alignment.mirrored:
        return [mirror_clip(clips[0]), *clips[1:]]
    return list(clips)


def captions_of(clips: Sequence[Clip], alignment: Alignment | None = None) -> list[str]:
    """What stands under each clip, plain text."""
    names = names_of([clip.source for clip in clips])
    if alignment is not None and alignment.mirrored:
        names[0] += " (mirrored)"
    return names


def _differences(alignment: Alignment) -> str:
    """What differs, as buttons that lead to where it does."""
    parts = [
        f"<h2>What differs</h2>\n<p>Similarity {alignment.similarity:.2f}. "
        f"{escape(alignment.pace_words())}.</p>"
    ]
    if alignment.mirrored:
        parts.append("<p>The first clip is shown and compared as its mirror image.</p>")
    if not alignment.differences:
        parts.append("<p>Nothing to speak of: all limbs are in the same places.</p>")
        return "\n".join(parts)
    items = "".join(
        f'<li><button type="button" class="differs" data-at="{(one.start + one.end) / 2:.3f}">'
        f"{escape(one.words())}</button></li>"
        for one in alignment.differences
    )
    parts.append(
        f"<p>The first person, seen from the second, of the same height and facing the same way:"
        f"</p>\n<ol>{items}</ol>"
    )
    return "\n".join(parts)
