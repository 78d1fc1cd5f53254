"""Bodies that a data set has already assigned to actors: PKU-MMD, PYSKL and MAMP files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import MIN_FRAMES, Clip
from stars_infer.errors import ClipError
from stars_infer.preprocessing.prepare import center

MAX_FRAMES = 300
"""Longest clip of a prepared pack; of longer ones the first frames are kept, as is customary."""


def preassigned_actors(bodies: NDArray[np.generic], *, source: str) -> FloatArray:
    """Actors of a pack from at most two tracked bodies, in the order of the file.

    Nothing is denoised here: whoever wrote the file has chosen the actors. Frames without a body
    are dropped, as is a second body that is never there, or that merely repeats the first (MAMP
    fills the second place of NTU RGB+D 120 so).

    Args:
        bodies: (1 or 2, T, 25, 3), meters; zero where a body is absent.
        source: Name for messages.

    Returns:
        (1 or 2, T' ≤ 300, 25, 3): the origin is the middle spine of actor 1 where first seen.

    Raises:
        ClipError: If nobody is there, or in fewer than two frames, or a gap is too long.
    """
    # As the papers have them: a joint at the origin stays there.
    clip = Clip.from_array(bodies, source=source, computed=True)
    actors = clip.bodies[clip.presence.any(axis=1)][:, clip.presence.any(axis=0)]
    if actors.shape[1] < MIN_FRAMES:
        raise ClipError(source, f"a body is seen in {actors.shape[1]} frame(s) only")
    if len(actors) == 2 and np.array_equal(actors[0], actors[1]):
        actors = actors[:1]
    return first_frames(center(actors))


def first_frames(actors: FloatArray) -> FloatArray:
    """The first 300 frames of (M, T, 25, 3), without an actor who is not seen in them."""
    kept = actors[:, :MAX_FRAMES]
    return kept[kept.any(axis=(1, 2, 3))]
