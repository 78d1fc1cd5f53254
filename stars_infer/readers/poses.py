"""Lay people that pose estimators see frame by frame into tracks of bodies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.errors import ClipError
from stars_infer.readers.confidence import to_share
from stars_infer.readers.recording import MOST_BODIES, empty_tracks

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose:
    """One person in one frame.

    Attributes:
        points: (V, 3) for x, y and z, or (V, 4) with a confidence; NaN where missing.
        identity: Who the person is, if the source follows people over frames.
        names: Names of the V joints, if the source gives them.
        flat: Whether the points are of a picture, so that their z says nothing.
    """

    points: Points
    identity: str | None = None
    names: tuple[str, ...] = ()
    flat: bool = False


def tracks_of(
    frames: Sequence[Sequence[Pose]],
    *,
    source: str,
    size: int | None = None,
    numbers: NDArray[np.intp] | None = None,
) -> tuple[FloatArray, BoolArray, FloatArray | None]:
    """Lay the poses of frames into tracks, each of one person.

    Args:
        frames: The people of each frame that was recorded.
        source: Name for messages.
        size: Bytes of the file that they come from, if they come from one.
        numbers: Number of each of these frames, rising from 0; consecutive if not given.

    Returns:
        Positions (M, T, V, 3), presence (M, T), and confidence (M, T, V) if any pose has it.

    Raises:
        ClipError: If poses differ in their joints, or if there are too many bodies or frames.
    """
    _check_alike(frames, source)
    places = list(_places(frames, source))
    if numbers is None:
        numbers = np.arange(len(frames))
    bodies = 1 + max((place for row in places for place in row), default=0)
    joints = next((len(pose.points) for poses in frames for pose in poses), 1)
    length = int(numbers[-1]) + 1 if len(numbers) else 0
    tracks = empty_tracks(bodies, length, joints, source=source, size=size)
    presence = np.zeros(tracks.shape[:2], np.bool_)
    certain = any(pose.points.shape[1] > 3 for poses in frames for pose in poses)
    confidence = np.full(tracks.shape[:3] if certain else (0, 0, 0), np.nan, np.float32)
    for number, poses, row in zip(numbers, frames, places, strict=True):
        for pose, place in zip(poses, row, strict=True):
            presence[place, number] = True
            with np.errstate(over="ignore"):  # a position that overflows is missing
                tracks[place, number] = pose.points[:, :3]
                if pose.points.shape[1] > 3:
                    confidence[place, number] = pose.points[:, 3]
    presence &= np.asarray(np.isfinite(tracks).all(axis=3)).any(axis=2)
    return tracks, presence, to_share(confidence) if certain else None


def _check_alike(frames: Sequence[Sequence[Pose]], source: str) -> None:
    first: Pose | None = None
    for number, poses in enumerate(frames):
        for pose in poses:
            first = first or pose
            if len(pose.points) != len(first.points) or pose.names != first.names:
                raise ClipError(
                    source, f"frame {number}: a body of {len(pose.points)} joints, but others have "
                    f"{len(first.points)}, or other names: save bodies of one kind"
                )  # fmt: skip


def _places(frames: Sequence[Sequence[Pose]], source: str) -> Iterable[list[int]]:
    """Assign the poses of each frame to bodies, by number.

    A pose with an identity belongs to the body of that identity. Any other pose joins the body
    whose last pose is nearest to it, the nearest pair first, so that people keep their bodies when
    their order in the file changes.
    """
    named: dict[str, int] = {}
    last: list[Points] = []
    for number, poses in enumerate(frames):
        row = [-1] * len(poses)
        for at, pose in enumerate(poses):
            if pose.identity is not None:
                row[at] = named.setdefault(pose.identity, -1)
                if row[at] < 0:
                    row[at] = named[pose.identity] = len(last)
                    last.append(pose.points)
        taken = set(named.values()) | set(row)
        open_poses = [at for at, place in enumerate(row) if place < 0]
        free = [place for place in range(len(last)) if place not in taken]
        for at, place in _nearest(poses, open_poses, last, free):
            row[at] = place
        for at in open_poses:
            if row[at] < 0:
                row[at] = len(last)
                last.append(poses[at].points)
        if len(set(row)) < len(row):
            raise ClipError(source, f"frame {number}: two bodies have the same identity")
        if len(last) > MOST_BODIES:
            raise ClipError(source, f"more than {MOST_BODIES} bodies: save fewer people")
        for at, place in enumerate(row):
            last[place] = poses[at].points
        yield row


def _nearest(
    poses: Sequence[Pose], these: Sequence[int], last: Sequence[Points], free: Sequence[int]
) -> list[tuple[int, int]]:
    """Pair poses with free bodies, the nearest pair first, each of them once."""
    if len(these) == len(free) == 1:
        return [(these[0], free[0])]
    apart = _distances(
        np.stack([poses[at].points[:, :3] for at in these]),
        np.stack([last[place][:, :3] for place in free]),
    ) if these and free else np.zeros((0, 0))  # fmt: skip
    chosen: list[tuple[int, int]] = []
    open_rows, open_columns = set(range(len(these))), set(range(len(free)))
    for pair in np.argsort(apart, axis=None, kind="stable").tolist():
        row, column = divmod(pair, len(free))
        if row in open_rows and column in open_columns:
            chosen.append((these[row], free[column]))
            open_rows.remove(row)
            open_columns.remove(column)
            if not open_rows or not open_columns:
                break
    return chosen


def _distances(ones: Points, others: Points) -> NDArray[np.float64]:
    """Mean distances (N, P) of poses (N, V, 3) and (P, V, 3) over the joints that both have.

    Infinite where there are none.
    """
    means = np.full((len(ones), len(others)), np.inf)
    for row, one in enumerate(ones):
        with np.errstate(over="ignore", invalid="ignore"):  # numbers too large for any place
            apart = np.linalg.norm(one - others, axis=2)
        known = np.isfinite(apart)
        times = known.sum(axis=1)
        sums = np.where(known, apart, 0).sum(axis=1)
        means[row, times > 0] = sums[times > 0] / times[times > 0]
    return means
