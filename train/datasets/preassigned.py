"""Bodies that are already assigned to actors, as in PKU-MMD, PYSKL and MAMP files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import MIN_FRAMES, Clip
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import ClipError
from stars_infer.preprocessing.prepare import center

MAX_FRAMES = 300
"""Largest number of frames of a prepared clip; of longer clips, the first frames are kept."""


def preassigned_actors(bodies: NDArray[np.generic], *, source: str) -> FloatArray:
    """Make the actors of a clip from one or two assigned bodies, in their order.

    Nothing is denoised, since the author of the file has chosen the actors. Frames without a body
    are dropped, and so is a second body that is never present or that repeats the first (MAMP
    fills the second slot of NTU RGB+D 120 in this way).

    Args:
        bodies: (1 or 2, T, 25, 3), meters; zero where a body is absent.
        source: Name for messages.

    Returns:
        (1 or 2, T' ≤ 300, 25, 3), meters. The origin is the middle of actor 1's spine in the first
        frame in which it is present.

    Raises:
        ClipError: If a body is present in fewer than two frames, or a gap is too long.
    """
    # As in the papers, a joint at the origin stays there and does not count as missing.
    joints = np.asarray(bodies, np.float32)
    clip = Clip.from_tracks(
        joints, presence_of(joints), source=source, computed=True, identified=True
    )
    actors = clip.bodies[clip.presence.any(axis=1)][:, clip.presence.any(axis=0)]
    if actors.shape[1] < MIN_FRAMES:
        raise ClipError(source, f"a body is seen in {actors.shape[1]} frame(s) only")
    if len(actors) == 2 and np.array_equal(actors[0], actors[1]):
        actors = actors[:1]
    return first_frames(center(actors))


def first_frames(actors: FloatArray) -> FloatArray:
    """The first 300 frames of actors (M, T, 25, 3), without actors that are absent in them."""
    kept = actors[:, :MAX_FRAMES]
    return kept[kept.any(axis=(1, 2, 3))]
