"""Videos, `.mp4` and others: the people in them as a pose model sees them.

A video gives what `stars pose` writes for it. It costs the time of the pose model for each picture,
so that a video that is read more than once is better written down first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, ModelError, NobodyError
from stars_infer.pose.estimator import MediaPipePose, OpenEstimator
from stars_infer.pose.people import SeenFrame, description, people_in
from stars_infer.pose.pictures import Pictures, check_video
from stars_infer.readers.poses import Pose, tracks_of
from stars_infer.readers.recording import Recording
from stars_infer.readers.timing import timing_of

ReportProgress = Callable[[int, int], None]


def read_video(
    path: Path, *, estimator: OpenEstimator | None = None, progress: ReportProgress | None = None
) -> tuple[Recording, ...]:
    """See the people in a video.

    Args:
        path: The video.
        estimator: Opens what sees them; MediaPipe's pose landmarker if not given.
        progress: Called with the pictures that were read, and about how many there are.

    Raises:
        ClipError: If it cannot be read, nobody is seen, or there is no pose model.
        MissingExtraError: If MediaPipe or OpenCV is not installed.
    """
    check_video(path)
    try:
        seer = (estimator or MediaPipePose)()
    except ModelError as error:
        raise ClipError(str(path), str(error)) from error
    try:
        with Pictures(path) as pictures:
            times: list[float] = []
            people: list[list[Pose]] = []
            for frame in people_in(pictures, seer):
                times.append(frame.time)
                people.append(poses_of_frame(frame))
                if progress is not None and pictures.count is not None:
                    progress(min(pictures.read, pictures.count), pictures.count)
            damage = pictures.damage
    finally:
        seer.close()
    notes = () if damage is None else (damage,)
    return (recording_of_people(times, people, layout=seer.layout, source=str(path), notes=notes),)


def poses_of_frame(frame: SeenFrame) -> list[Pose]:
    """The people of a frame as readers take them, without the picture."""
    return [Pose(points=one.joints, identity=str(one.identity)) for one in frame.people]


def recording_of_people(
    times: Iterable[float],
    people: list[list[Pose]],
    *,
    layout: str,
    source: str,
    notes: tuple[str, ...] = (),
) -> Recording:
    """Lay the people of a video, or of a part of one, into a recording.

    Args:
        times: Seconds of each picture, rising.
        people: Who was seen in it; nobody is a gap.
        layout: Joint layout of the pose model.
        source: Name for messages.
        notes: Remarks, for people.

    Raises:
        ClipError: If nobody is seen in any picture, or there is no motion.
    """
    if not any(people):
        raise NobodyError(source, "nobody is seen in it: show the whole body, upright and lit")
    timing = timing_of(np.fromiter(times, np.float64), source=source)
    tracks, presence, confidence = tracks_of(people, source=source, numbers=timing.numbers)
    recording = Recording(
        joints=tracks,
        presence=presence,
        confidence=confidence,
        source=source,
        stated=Convention(fps=timing.fps, **description(layout)),
        notes=notes,
        identified=True,
    )
    return timing.evened(recording)
