"""A clip as the studio's page plays it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stars_infer.clips.clip import Clip
from stars_infer.inspection.clip_data import clip_data

MOST_FRAMES = 6000
"""Frames that are sent; a longer recording is thinned out."""


def playable(clip: Clip) -> dict[str, Any]:
    """What a player needs of a clip, as `skeleton.js` describes it."""
    step = -(-clip.frames // MOST_FRAMES)
    shown = clip
    if step > 1:
        bodies, presence = clip.bodies[:, ::step], clip.presence[:, ::step]
        if presence.any():
            shown = replace(clip, bodies=bodies, presence=presence, fps=clip.fps / step)
    return clip_data(shown) | {"seconds": clip.frames / clip.fps}
