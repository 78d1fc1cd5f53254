"""The people of a video or a camera, picture by picture, and how they are written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stars_infer.pose.estimator import PoseEstimator
from stars_infer.pose.following import FollowedPose, Follower
from stars_infer.pose.pictures import Picture

_DECIMALS = 4
"""A tenth of a millimeter, which no pose model knows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenFrame:
    """A picture and the people in it; nobody is a gap.

    Attributes:
        picture: The picture.
        people: The people, by their numbers; joints are rounded as they are written.
    """

    picture: Picture
    people: tuple[FollowedPose, ...]

    @property
    def time(self) -> float:
        """Seconds, as of `Picture`."""
        return self.picture.time


def people_in(pictures: Iterable[Picture], estimator: PoseEstimator) -> Iterator[SeenFrame]:
    """See and follow the people in pictures.

    Args:
        pictures: Pictures in order.
        estimator: Sees them; it is used for these pictures only.
    """
    follower = Follower()
    for picture in pictures:
        height, width = picture.image.shape[:2]
        poses = estimator.look(picture.image, picture.time)
        people = follower.follow(poses, time=picture.time, size=(height, width))
        yield SeenFrame(picture=picture, people=tuple(map(_rounded, people)))


def _rounded(pose: FollowedPose) -> FollowedPose:
    return FollowedPose(
        identity=pose.identity, joints=np.round(pose.joints, _DECIMALS), image=pose.image
    )


def description(layout: str) -> dict[str, Any]:
    """What stands before the frames in a file or a stream: layout, units and axes."""
    return {"layout": layout, "units": "m", "up": "-y", "handedness": "right"}


def frame_record(frame: SeenFrame) -> dict[str, Any]:
    """A frame in the project's own JSON form, with its time."""
    return {
        "time": round(frame.time, 6),
        "bodies": [one.joints[:, :3].tolist() for one in frame.people],
        "confidence": [one.joints[:, 3].tolist() for one in frame.people],
        "ids": [one.identity for one in frame.people],
    }
