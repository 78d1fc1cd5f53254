"""Follow the people of a video from picture to picture, and place them in the room.

World landmarks begin at the hips, so that everybody stands on everybody else. Who is who, and how
far apart people are, only the picture tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.pose.estimator import SeenPose

Joints = NDArray[np.float64]

REACH = 0.6
"""Share of their size in the picture by which the joints of people may move between two pictures,
or while they are lost: arms and legs that are seen wrongly for a moment move far."""
LONGEST_LOSS = 1.0
"""Seconds after which somebody who comes back counts as another person."""
SAME = 0.15
"""Two poses whose middles are so much of their size apart are one person seen twice: of people who
touch each other in the picture, a third of it or more was measured."""
MOST_IDENTITIES = 50
"""From so many people on, the number of the one who was lost the longest is given again."""
FOCAL = 0.8
"""Focal length, in longer sides of the picture: a field of view of 64 degrees, between those of
webcams and of phones. It scales the distance from the camera, and nothing else."""
SETTLING = 0.5
"""Time constant over which the size of a person in the picture is smoothed, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FollowedPose:
    """One person in one picture, who has a number and a place in the room.

    Attributes:
        identity: Number of the person, the same from picture to picture.
        joints: (V, 4): meters from the camera, x to the right of the picture, y down and z away;
            then the visibility, 0 to 1.
        image: The joints in the picture, (V, 2), pixels.
    """

    identity: int
    joints: Joints
    image: Joints


@dataclass(slots=True, kw_only=True)
class _Known:
    """A person seen before: where in the picture, when, and pixels a meter on a log scale."""

    image: Joints
    time: float
    log_scale: float


class Follower:
    """Gives the people of successive pictures their numbers and places."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def follow(
        self, poses: Sequence[SeenPose], *, time: float, size: tuple[int, int]
    ) -> list[FollowedPose]:
        """Take the people of the next picture.

        Args:
            poses: What the estimator saw.
            time: Seconds.
            size: Height and width of the picture, pixels.

        Returns:
            Them, without people who were seen twice, by their numbers.
        """
        poses = _without_twins(poses)
        numbers = self._numbers(poses, time)
        followed = [
            FollowedPose(
                identity=number,
                joints=self._placed(pose, number, time, size),
                image=pose.image,
            )
            for pose, number in zip(poses, numbers, strict=True)
        ]
        return sorted(followed, key=lambda one: one.identity)

    def _numbers(self, poses: Sequence[SeenPose], time: float) -> list[int]:
        """Pair poses with people seen lately, the nearest first; the others are new."""
        pairs = []
        for at, pose in enumerate(poses):
            for number, known in self._known.items():
                lost = time - known.time
                apart = _apart(pose.image, known.image)
                if lost <= LONGEST_LOSS and apart <= REACH:
                    pairs.append((apart, at, number))
        numbers: dict[int, int] = {}
        for _, at, number in sorted(pairs):
            if at not in numbers and number not in numbers.values():
                numbers[at] = number
        for at in range(len(poses)):
            if at not in numbers:
                numbers[at] = self._new_number(set(numbers.values()))
        return [numbers[at] for at in range(len(poses))]

    def _new_number(self, taken: set[int]) -> int:
        used = self._known.keys() | taken
        if len(used) < MOST_IDENTITIES:
            return len(used)
        number = min(self._known.keys() - taken, key=lambda one: self._known[one].time)
        del self._known[number]
        return number

    def _placed(self, pose: SeenPose, number: int, time: float, size: tuple[int, int]) -> Joints:
        """The joints (V, 4) in the room, from how large and where they are in the picture.

        A person is small against the distance from the camera, so that the picture is taken as a
        scaled orthographic projection, whose scale and offset are fitted by least squares.
        """
        joints = pose.world.copy()
        scale, offset = _projection(pose)
        before = self._known.get(number)
        log_scale = math.log(scale)
        if before is not None:
            passed = max(time - before.time, 0.0)
            kept = math.exp(-passed / SETTLING)
            log_scale = kept * before.log_scale + (1 - kept) * log_scale
        self._known[number] = _Known(image=pose.image, time=time, log_scale=log_scale)
        pixels = math.exp(log_scale)
        height, width = size
        joints[:, :2] += (offset - np.array([width, height]) / 2) / pixels
        joints[:, 2] += FOCAL * max(size) / pixels
        return joints


def _projection(pose: SeenPose) -> tuple[float, Joints]:
    """Pixels a meter, and the pixel (2,) where the middle of the hips lies."""
    weights = np.clip(pose.world[:, 3], 0.05, 1)
    weights = weights / weights.sum()
    flat, image = pose.world[:, :2], pose.image
    middle_flat, middle_image = weights @ flat, weights @ image
    centered_flat, centered_image = flat - middle_flat, image - middle_image
    spread = float(weights @ (centered_flat**2).sum(axis=1))
    together = float(weights @ (centered_flat * centered_image).sum(axis=1))
    scale = max(together / max(spread, 1e-6), 1.0)
    return scale, np.asarray(middle_image - scale * middle_flat)


def _apart(one: Joints, two: Joints) -> float:
    """Mean distance of the joints of two poses in the picture, in sizes of the larger of them."""
    size = max(_size(one), _size(two))
    return float(np.linalg.norm(one - two, axis=1).mean()) / size


def _size(image: Joints) -> float:
    """Diagonal of the box around a pose, pixels."""
    return max(float(np.linalg.norm(np.ptp(image, axis=0))), 1.0)


def _without_twins(poses: Sequence[SeenPose]) -> list[SeenPose]:
    """Leave out a pose of somebody who is there already, seen better."""
    kept: list[SeenPose] = []
    for pose in sorted(poses, key=lambda one: -float(one.world[:, 3].mean())):
        if all(_middles_apart(pose.image, other.image) > SAME for other in kept):
            kept.append(pose)
    return kept


def _middles_apart(one: Joints, two: Joints) -> float:
    """Distance of the middles of two poses in the picture, in sizes of the larger of them."""
    middles = one.mean(axis=0) - two.mean(axis=0)
    return float(np.linalg.norm(middles)) / max(_size(one), _size(two))
