"""What can be drawn of an example: its clip if it is there, else what the index holds of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import StarsError, UsageError
from stars_infer.index.exemplar import Exemplar
from stars_infer.inspection.clip_data import clip_data
from stars_infer.layouts import NTU25_INDEX
from stars_infer.readers.files import file_and_name
from stars_infer.similarity.comparison import POSTURE
from stars_infer.similarity.modes import JOINTS, MODES
from stars_infer.studio.service import StudioService

From = Literal["clip", "file", "joints", "postures"]
SAID: dict[From, str] = {
    "clip": "",
    "file": "",
    "joints": "its file is not there: as the index holds it",
    "postures": "its file is not there: drawn from the 32 postures that the index holds",
}
"""What people are told of an example that is drawn so."""
MOST_FRAMES = 6000
"""Frames that are sent; a longer recording is thinned out."""
SECONDS = 3.0
"""How long an example plays of which nobody knows how long it was."""
_HIPS = 3
_NECK, _HEAD, _SHOULDERS = (NTU25_INDEX[name] for name in ("neck", "head", "spine at shoulders"))
_COPIES = {21: 7, 22: 7, 23: 11, 24: 11}
"""Tips and thumbs lie where the hands are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """An example that can be drawn.

    Attributes:
        clip: What is drawn.
        source: What it was made of.
    """

    clip: Clip
    source: From


async def drawn(service: StudioService, exemplar: Exemplar) -> Drawn:
    """What can be drawn of an example.

    Raises:
        UsageError: If it is nothing.
    """
    key = exemplar.content_hash
    try:
        return Drawn(clip=service.shelf.held(key).clip, source="clip")
    except UsageError:
        pass
    try:
        clip = await service.file_of(file_and_name(Path(exemplar.source))[0], key)
    except (StarsError, OSError):
        clip = None
    if clip is not None:
        service.shelf.hold(clip, None)
        return Drawn(clip=clip, source="file")
    held = await service.draw(lambda: service.index.held_of(exemplar.id))
    if held is None:
        raise UsageError(f"example {exemplar.id} is gone: somebody else may have removed it")
    if held.bodies is not None:
        return Drawn(clip=_clip(held.bodies, exemplar.source), source="joints")
    if held.sequence is not None:
        return Drawn(clip=_clip(body_of(held.sequence), exemplar.source), source="postures")
    raise UsageError(f"{exemplar.source}: its file is not there, and the index holds no posture")


def body_of(sequence: FloatArray) -> FloatArray:
    """A body (M, S, 25, 3) as far as a sequence (M, S, F) shows it, upright, facing the camera.

    A posture is 8 weighted sums of joints, from which these are drawn as well as they can be.
    """
    bodies, steps, _ = sequence.shape
    modes = sequence[:, :, :POSTURE].astype(np.float32).reshape(bodies, steps, len(MODES), 3)
    joints = np.zeros((bodies, steps, 25, 3), np.float32)
    joints[:, :, JOINTS] = np.linalg.pinv(MODES) @ modes
    joints[:, :, _NECK] = (joints[:, :, _SHOULDERS] + joints[:, :, _HEAD]) / 2
    for copy, of in _COPIES.items():
        joints[:, :, copy] = joints[:, :, of]
    return joints + sequence[:, :, None, -_HIPS:].astype(np.float32)


def _clip(bodies: FloatArray, source: str) -> Clip:
    bodies = np.ascontiguousarray(bodies, np.float32)
    return Clip(
        bodies=bodies,
        presence=presence_of(bodies),
        fps=bodies.shape[1] / SECONDS,
        source=source,
        flat=not bodies[..., 2].any(),
    )


def playable(clip: Clip) -> dict[str, Any]:
    """What a player needs of a clip, as `skeleton.js` describes it."""
    step = -(-clip.frames // MOST_FRAMES)
    shown = clip
    if step > 1:
        bodies, presence = clip.bodies[:, ::step], clip.presence[:, ::step]
        if presence.any():
            shown = replace(clip, bodies=bodies, presence=presence, fps=clip.fps / step)
    return clip_data(shown) | {"seconds": clip.frames / clip.fps}
