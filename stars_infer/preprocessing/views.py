"""Changed copies of a clip to compare too, mirrored or cut shorter; the most similar one counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from stars_infer.clips.clip import MIN_FRAMES, Clip
from stars_infer.errors import UsageError
from stars_infer.layouts import get_layout

MIRROR, CROPS = "mirror", "crops"
VIEWS = (MIRROR, CROPS)
CROP_SHARES = (0.85, 0.7)
"""Shares of the frames that cuts keep, from the middle of the clip."""


def check_views(names: str | Iterable[str]) -> tuple[str, ...]:
    """Check the names of views, or the name of one.

    Returns:
        All names.

    Raises:
        UsageError: If there is no view of a name; the message lists those that exist.
    """
    given: object = names  # callers without a type checker may give anything
    several = isinstance(given, Iterable) and not isinstance(given, str)
    chosen = list(names) if several else [given]
    for name in chosen:
        if name not in VIEWS:
            raise UsageError(f"views {name!r}: choose {' or '.join(VIEWS)}")
    return tuple(map(str, chosen))


def views_of(clip: Clip, names: Sequence[str]) -> list[Clip]:
    """Make other views of a clip.

    Args:
        clip: The clip.
        names: Names from `VIEWS`.

    Returns:
        The mirror image for `mirror`, and one clip for each of `CROP_SHARES` for `crops`, without
        those that would be too short.
    """
    check_views(names)
    views = []
    if MIRROR in names:
        views.append(mirror_clip(clip))
    if CROPS in names:
        views += [cut for share in CROP_SHARES if (cut := _crop_middle(clip, share)) is not None]
    return views


def mirror_clip(clip: Clip) -> Clip:
    """Mirror a clip: negate x, and exchange left and right joints."""
    sides = list(get_layout(clip.layout).counterparts)
    bodies = clip.bodies[:, :, sides] * np.array([-1, 1, 1], np.float32)
    return replace(clip, bodies=bodies)


def _crop_middle(clip: Clip, share: float) -> Clip | None:
    frames = round(share * clip.frames)
    start = (clip.frames - frames) // 2
    part = slice(start, start + frames)
    if frames < MIN_FRAMES or clip.presence[:, part].any(axis=0).sum() < MIN_FRAMES:
        return None
    return replace(clip, bodies=clip.bodies[:, part], presence=clip.presence[:, part])
