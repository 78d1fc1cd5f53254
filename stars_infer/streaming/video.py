"""The people of a video or a camera as a stream of lines, like those of any other source."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stars_infer.errors import ClipError, StarsError
from stars_infer.pose.estimator import MediaPipePose, OpenEstimator, PoseEstimator
from stars_infer.pose.people import SeenFrame, description, frame_record, people_in
from stars_infer.pose.pictures import VIDEO_ENDINGS, Pictures
from stars_infer.streaming.feed import FrameFeed, Lines

_PATIENCE = 5.0
"""Longest time that closing waits for the picture that is being looked at, seconds."""


class View:
    """The newest frame of a video or a camera, for whoever shows it.

    Attributes:
        frame: The frame; None before the first.
        layout: Joint layout of the people in it.
    """

    def __init__(self) -> None:
        self.frame: SeenFrame | None = None
        self.layout = ""


def is_video(source: str | Path) -> bool:
    """Whether a source is named as a video is."""
    return Path(source).suffix.lower() in VIDEO_ENDINGS


@contextmanager
def open_video_feed(
    source: Path | int, *, estimator: OpenEstimator | None = None, view: View | None = None
) -> Iterator[FrameFeed]:
    """Open a feed of the people in a video or before a camera.

    Nothing of a video is dropped. A camera is looked at as often as the pose model allows.

    Args:
        source: A video file, or the number of a camera.
        estimator: Opens what sees people; MediaPipe's pose landmarker if not given.
        view: Is told the newest frame.

    Yields:
        The feed. Video and estimator are closed when the context ends.

    Raises:
        ClipError: If the video or the camera cannot be opened.
        StarsError: If the estimator cannot be opened.
    """
    view = view or View()
    with Pictures(source) as pictures:
        seer = (estimator or MediaPipePose)()
        done = threading.Event()
        view.layout = seer.layout
        feed = FrameFeed(_lines_of(pictures, seer, view, done), wait=not pictures.live)
        try:
            yield feed
        finally:
            feed.close()
            done.wait(_PATIENCE)


def _lines_of(pictures: Pictures, seer: PoseEstimator, view: View, done: threading.Event) -> Lines:
    def lines(stop: threading.Event) -> Iterator[bytes]:
        try:
            yield json.dumps(description(seer.layout)).encode()
            for frame in people_in(pictures, seer):
                view.frame = frame
                yield json.dumps(frame_record(frame)).encode()
                if stop.is_set():
                    return
        except ClipError as error:
            raise OSError(str(error)) from error  # which a feed hands on to its reader
        except StarsError as error:
            raise OSError(f"{pictures.name}: {error}") from error
        finally:
            seer.close()
            done.set()

    return lines
