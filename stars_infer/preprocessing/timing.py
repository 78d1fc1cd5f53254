"""When the frames of a prepared clip happen: where in the clip each of them was taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.actors import cast_bodies
from stars_infer.clips.clip import Clip
from stars_infer.preprocessing.normalize import PACE_FRAMES, pace_moments, standard_body
from stars_infer.preprocessing.prepare import Preprocessing, center_actors, center_crop
from stars_infer.preprocessing.resample import moments, resize


def frames_of(clip: Clip, how: Preprocessing) -> NDArray[np.float64]:
    """Find the frame of a clip that each frame of the prepared clip shows.

    Args:
        clip: The clip.
        how: How it is prepared; its `samplings` must be 1.

    Returns:
        Fractional frames of the clip (`how.frames`,), which never fall. Frames in which nobody acts
        are skipped, as `stars_infer.preprocessing.prepare.prepare` skips them.

    Raises:
        ClipError: If fewer than two frames show a body.
    """
    actors = center_actors(clip, center_joint=how.center_joint)
    cropped = center_crop(actors, how.crop)
    cut = int((1 - how.crop) * actors.shape[1] / 2)
    if how.pace:
        fine = resize(cropped, PACE_FRAMES)
        if how.standard_body:
            fine = standard_body(fine)
        wanted, length = pace_moments(fine, how.frames, how.pace), PACE_FRAMES
    else:
        wanted, length = moments(how.frames) - 0.5, how.frames
    within = (wanted + 0.5) * (cropped.shape[1] / length) - 0.5
    within = within.clip(0, cropped.shape[1] - 1) + cut
    shown = np.interp(within, np.arange(actors.shape[1]), _kept_frames(clip))
    return np.asarray(shown, np.float64)


def _kept_frames(clip: Clip) -> NDArray[np.intp]:
    """The frames that `stars_infer.clips.actors.select_actors` keeps."""
    if len(clip.bodies) == 1:
        return np.flatnonzero(clip.presence[0])
    return np.flatnonzero((cast_bodies(clip) >= 0).any(axis=0))
