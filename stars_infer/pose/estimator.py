"""What sees people in a picture: a small interface, and MediaPipe's pose landmarker behind it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import MissingExtraError, ModelError, StarsError, check_range
from stars_infer.pose.model_file import find_pose_model
from stars_infer.pose.pictures import silent

MOST_PEOPLE = 2
"""People that are looked for: each costs the time of one, and a third is rarely part of an
action."""
NETWORKED = (0, 10, 34)
"""First version of MediaPipe that sends reports of its use, which nothing switches off: 0.10.35
does, and 0.10.33 makes no connection."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenPose:
    """One person in one picture.

    Attributes:
        world: (V, 4): meters from the middle of the hips, x to the right of the picture, y down and
            z away from the camera; then the visibility, 0 to 1.
        image: The same joints in the picture, (V, 2), pixels.
    """

    world: NDArray[np.float64]
    image: NDArray[np.float64]


class PoseEstimator(Protocol):
    """Sees people in the pictures of one video, in order.

    Attributes:
        layout: Name of the joint layout of what it sees.
    """

    layout: str

    def look(self, image: NDArray[np.uint8], time: float) -> Sequence[SeenPose]:
        """See the people in a picture (H, W, 3), red, green and blue, at a time in seconds."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


OpenEstimator = Callable[[], PoseEstimator]
"""Opens an estimator for one more video."""


class MediaPipePose:
    """MediaPipe's pose landmarker, BlazePose GHUM: 33 landmarks, in meters and in the picture.

    Args:
        model: A `.task` file; None for the one that `find_pose_model` finds.
        most_people: Most people that it looks for.

    Raises:
        MissingExtraError: If MediaPipe is not installed.
        ModelError: If there is no model file, or it is damaged or of another task.
        StarsError: If this version of MediaPipe sends reports.
    """

    layout = "mediapipe33"

    def __init__(self, model: Path | None = None, *, most_people: int = MOST_PEOPLE) -> None:
        check_range("most_people", most_people, at_least=1, at_most=20, whole=True)
        self._mediapipe, tasks = _mediapipe()
        file = find_pose_model() if model is None else model
        vision = tasks.vision
        try:
            with silent():
                self._landmarker = vision.PoseLandmarker.create_from_options(
                    vision.PoseLandmarkerOptions(
                        base_options=tasks.BaseOptions(model_asset_buffer=file.read_bytes()),
                        running_mode=vision.RunningMode.VIDEO,
                        num_poses=most_people,
                    )
                )
                self._last, self._seen = 0, False
                self._detect(np.zeros((64, 64, 3), np.uint8))  # loads what the first picture needs
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(
                f"{file}: MediaPipe does not take it as a pose landmarker ({str(error)[:120]})"
            ) from error

    def look(self, image: NDArray[np.uint8], time: float) -> list[SeenPose]:
        """See the people in a picture; see `PoseEstimator.look`.

        Raises:
            ModelError: If the model knows places in the picture only, which are no positions.
        """
        self._last = max(self._last + 1, round(1000 * time))  # milliseconds, which have to rise
        image = np.ascontiguousarray(image)
        if self._seen:
            found = self._detect(image)
        else:
            with silent():
                found = self._detect(image)
        self._seen = self._seen or bool(found.pose_landmarks)
        if len(found.pose_world_landmarks) != len(found.pose_landmarks):
            raise ModelError(
                "the pose model gives image landmarks without world landmarks: shares of the "
                "picture are no positions; use MediaPipe's pose_landmarker_lite, full or heavy"
            )
        size = np.array([image.shape[1], image.shape[0]], np.float64)
        return [
            SeenPose(
                world=np.array([(m.x, m.y, m.z, m.visibility or 0.0) for m in world], np.float64),
                image=np.array([(m.x, m.y) for m in flat], np.float64) * size,
            )
            for world, flat in zip(found.pose_world_landmarks, found.pose_landmarks, strict=True)
        ]

    def close(self) -> None:
        """Free what it holds."""
        with silent():
            self._landmarker.close()

    def _detect(self, image: NDArray[np.uint8]) -> Any:
        shown = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=image)
        return self._landmarker.detect_for_video(shown, self._last)


def _mediapipe() -> tuple[Any, Any]:
    """MediaPipe, and the module of its tasks."""
    if find_spec("mediapipe") is None:
        raise MissingExtraError("seeing people in pictures", "video", "MediaPipe")
    try:
        installed = version("mediapipe")
    except PackageNotFoundError:
        installed = "0"
    if _numbers(installed) >= NETWORKED:
        raise StarsError(
            f"MediaPipe {installed} sends reports of its use over the network, which nothing "
            "switches off; the version that stars-infer uses does not: "
            "pip install 'stars-infer[video]'"
        )
    try:
        with silent():
            top = importlib.import_module("mediapipe")
            tasks = importlib.import_module("mediapipe.tasks.python")
    except (ImportError, OSError) as error:
        raise StarsError(f"MediaPipe does not load: {error}") from error
    return top, tasks


def _numbers(installed: str) -> tuple[int, ...]:
    parts = installed.split(".")[:3]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)
