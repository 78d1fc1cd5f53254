"""The pictures of a video file or a camera, with their times."""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import ClipError, MissingExtraError, StarsError

VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".webm", ".mkv")
"""Endings of files that hold a video; of what is in them, OpenCV reads what FFmpeg reads."""
USUAL_RATE = 30.0
"""Pictures per second where neither the video nor the camera says."""
_DECIMALS = 6
"""Decimals of the seconds of a picture: as many as containers know."""
_SHORT = 0.9
"""A video that ends before this share of the length that it states is damaged."""
_QUIET = {
    "OPENCV_LOG_LEVEL": "ERROR",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    # What is named as a file is never a playlist that fetches something else.
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file",
}


def opencv() -> Any:
    """OpenCV, which decodes videos, reads cameras and shows windows.

    Raises:
        MissingExtraError: If it is not installed.
        StarsError: If it is installed and does not load.
    """
    if find_spec("cv2") is None:
        raise MissingExtraError("reading videos and cameras", "video", "OpenCV")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("cv2")
    except ImportError as error:  # as on servers without the libraries of a desktop
        raise StarsError(
            f"OpenCV does not load ({error}): on a machine without a desktop, install "
            "opencv-contrib-python-headless in its place"
        ) from error


@contextmanager
def silent() -> Iterator[None]:
    """Within it, what native libraries write to standard error is dropped."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One picture of a video or a camera.

    Attributes:
        image: (H, W, 3), red, green and blue, 0 to 255.
        time: Seconds since the first picture of a video; of a camera, on the monotonic clock.
    """

    image: NDArray[np.uint8]
    time: float


class Pictures:
    """The pictures of a video or a camera, one after the other; closed when its context ends.

    Args:
        source: A video file, or the number of a camera, from 0.

    Attributes:
        name: The file, or `camera N`, for messages.
        live: Whether it is a camera.
        count: About how many pictures there are; None for a camera, or where a video does not say.
        read: Pictures read so far.

    Raises:
        ClipError: If the file is no video that can be read, or there is no such camera.
        MissingExtraError: If OpenCV is not installed.
    """

    def __init__(self, source: Path | int) -> None:
        cv2 = opencv()
        self._cv2 = cv2
        self.live = isinstance(source, int)
        self.name = f"camera {source}" if self.live else str(source)
        self.read = 0
        if isinstance(source, int):
            with silent():
                self._capture = cv2.VideoCapture(source)
                self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not a queue
        else:
            check_video(source)
            with silent():
                self._capture = cv2.VideoCapture(str(source.resolve()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            self._capture.release()
            raise ClipError(self.name, _NO_CAMERA if self.live else _NO_VIDEO)
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # phones film upright, and say so
        self.rate = self._property(cv2.CAP_PROP_FPS, at_most=1000.0) or USUAL_RATE
        count = self._property(cv2.CAP_PROP_FRAME_COUNT, at_most=1e9)
        self.count = None if self.live or count is None else max(1, round(count))
        self._last = -math.inf
        self._first = 0.0

    def __enter__(self) -> Pictures:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[Picture]:
        """The pictures in order; times rise from one to the next.

        Raises:
            ClipError: If a video has no picture that can be read, or a camera stops.
        """
        while True:
            good, image = self._capture.read()
            if not good or image is None:
                break
            moment = time.monotonic() if self.live else self._video_time()
            self.read += 1
            yield Picture(image=self._cv2.cvtColor(image, self._cv2.COLOR_BGR2RGB), time=moment)
        if self.live:
            raise ClipError(self.name, "gives no more pictures: is it still plugged in?")
        if not self.read:
            raise ClipError(self.name, _NO_VIDEO)

    @property
    def damage(self) -> str | None:
        """What a video that has been read to its end lacks, in words; None if all was there."""
        if self.live or self.count is None or self.read >= _SHORT * self.count:
            return None
        whole = self.count / self.rate
        if self._last >= _SHORT * whole - 1 / self.rate:
            return None  # fewer pictures a second than it states, but to its end
        return (
            f"the video is damaged: it ends after {max(self._last, 0):.1f} of {whole:.1f} s, and "
            "what follows cannot be read"
        )

    def _video_time(self) -> float:
        """Seconds of the picture just read; later than the one before, whatever the file says."""
        said = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
        if not math.isfinite(said):
            said = self._last
        if not self.read:
            self._first = said if math.isfinite(said) else 0.0
        moment = round(said - self._first, _DECIMALS) if math.isfinite(said) else 0.0
        if self.read and moment <= self._last:
            moment = self._last + 1 / self.rate
        self._last = moment
        return moment

    def _property(self, which: int, *, at_most: float) -> float | None:
        value = float(self._capture.get(which))
        return value if math.isfinite(value) and 0 < value <= at_most else None


_NO_VIDEO = (
    "no picture of it can be read: it is damaged, incomplete or no video; does a player show it?"
)
_NO_CAMERA = "there is no such camera, or another program uses it: try --camera 0, 1 or 2"


def check_video(path: Path) -> None:
    """Make sure that there is a file, and something in it, before a pose model is loaded.

    Raises:
        ClipError: If there is not.
    """
    if not path.exists():
        raise ClipError(str(path), "no such file")
    if path.is_dir():
        raise ClipError(str(path), "is a directory, not a video: name the files in it")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise ClipError(str(path), "the file is empty")
    except OSError as error:
        raise ClipError(str(path), f"cannot be read: {error.strerror or error}") from error
