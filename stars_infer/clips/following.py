"""Follow people where bodies change places in an array or a list.

A tracker that gives no identities lists the bodies of each frame in any order. Somebody who seems
to jump across the room from one frame to the next, to where somebody else was, did not: the bodies
have changed places. Nothing is changed unless that explains the frame far better, so that people
who hug keep their bodies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray

STEP = 0.12
"""Share of a body's size, which of a standing adult is 1.8 m, by which it cannot move as a whole
from one frame to the next at 30 Hz. Beyond that a change of places is looked for."""
BETTER = 0.5
"""Bodies have changed places if all steps together are shorter than this share of those without."""
FORGOTTEN = 1.0
"""Seconds after which a lost body may be anywhere."""


def follow_bodies(
    bodies: FloatArray, presence: BoolArray, *, fps: float
) -> tuple[FloatArray, BoolArray, tuple[str, ...]]:
    """Give each person the same body in all frames.

    Args:
        bodies: (M, T, V, 3), in any unit; NaN or infinite where a joint is missing.
        presence: (M, T).
        fps: Frames per second.

    Returns:
        The same arrays if no bodies change places; else copies in which they do not, and a note.
    """
    if len(bodies) < 2 or bodies.shape[1] < 2:
        return bodies, presence, ()
    with np.errstate(over="ignore", invalid="ignore"):  # lost joints may be anywhere
        return _follow(bodies, presence, fps)


def _follow(
    bodies: FloatArray, presence: BoolArray, fps: float
) -> tuple[FloatArray, BoolArray, tuple[str, ...]]:
    limit = STEP * max(1.0, 30.0 / fps) * size_of(bodies, presence)
    both = presence[:, 1:] & presence[:, :-1]
    jumps = both & (distance(bodies[:, 1:], bodies[:, :-1]) > limit)
    appears = presence[:, 1:] & ~presence[:, :-1]
    events = np.flatnonzero((jumps | appears).any(axis=0)) + 1
    order = _order(bodies, presence, events, limit, round(FORGOTTEN * fps))
    moved = (order != np.arange(len(bodies))[:, None]) & presence
    frames = np.flatnonzero(moved.any(axis=0))
    if not len(frames):
        return bodies, presence, ()
    at = np.arange(bodies.shape[1])
    followed, seen = np.zeros_like(bodies), np.zeros_like(presence)
    followed[order, at], seen[order, at] = bodies, presence
    changing = np.flatnonzero(moved.any(axis=1)).tolist()
    names = f"{', '.join(str(body) for body in changing[:-1])} and {changing[-1]}"
    note = (
        f"bodies {names} change places in {len(frames)} of {len(at)} frames, from frame "
        f"{frames[0]}: each is followed by where it is"
    )
    return followed, seen, (note,)


def size_of(bodies: FloatArray, presence: BoolArray) -> float:
    """Median diagonal of the boxes around bodies (M, T, V, 3) in up to 500 frames each."""
    diagonals = []
    for body, seen in zip(bodies, presence, strict=True):
        frames = np.flatnonzero(seen)
        some = body[frames[:: max(1, len(frames) // 500)]]
        known = np.isfinite(some)
        wide = np.where(known, some, -np.inf).max(axis=1) - np.where(known, some, np.inf).min(
            axis=1
        )
        diagonals.append(np.linalg.norm(wide[np.isfinite(wide).all(axis=1)], axis=1))
    every = np.concatenate(diagonals)
    return float(np.median(every)) if len(every) else 0.0


def distance(one: FloatArray, other: FloatArray) -> NDArray[np.float64]:
    """Mean distance (...) of the joints (..., V, 3) that both know; infinite if there are none."""
    apart = np.linalg.norm(one - other, axis=-1)
    known = np.isfinite(apart)
    count = known.sum(axis=-1)
    total = np.where(known, apart, 0).sum(axis=-1, dtype=np.float64)
    return np.where(count, total / np.maximum(count, 1), np.inf)


def pair_nearest(costs: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pair the rows and columns of finite costs, the cheapest pair first, each of them once."""
    pairs: list[tuple[int, int]] = []
    rows, columns = set(range(costs.shape[0])), set(range(costs.shape[1]))
    for flat in np.argsort(costs, axis=None, kind="stable").tolist():
        row, column = divmod(flat, costs.shape[1])
        if not rows or not columns or not np.isfinite(costs[row, column]):
            break
        if row in rows and column in columns:
            pairs.append((row, column))
            rows.remove(row)
            columns.remove(column)
    return pairs


def _order(
    bodies: FloatArray,
    presence: BoolArray,
    events: NDArray[np.intp],
    limit: float,
    forgotten: int,
) -> NDArray[np.intp]:
    """Number of the person (M, T) that each body is; people have the numbers of bodies."""
    count, frames = presence.shape
    order = np.tile(np.arange(count)[:, None], (1, frames))
    place = np.arange(count)  # person of each body
    last = np.full(count, -1)  # frame in which each person was seen last
    poses = np.full((count, *bodies.shape[2:]), np.nan, bodies.dtype)
    until = 0
    used_from = np.where(presence.any(axis=1), presence.argmax(axis=1), frames)
    used_to = np.where(presence.any(axis=1), frames - 1 - presence[:, ::-1].argmax(axis=1), -1)
    for event in [*events.tolist(), frames]:
        order[:, until:event] = place[:, None]
        for body in range(count):
            seen = np.flatnonzero(presence[body, until:event])
            if len(seen):
                last[place[body]] = until + seen[-1]
                poses[place[body]] = bodies[body, until + seen[-1]]
        if event == frames:
            break
        here = np.flatnonzero(presence[:, event])
        steps = distance(bodies[here, event][:, None], poses[None])
        # A person not seen lately may be anywhere, but is no better than one who was just here.
        away = (last < 0) | (event - last > forgotten)
        steps[:, away] = limit
        # A body that was never used and appears where somebody was lost is a new track of theirs,
        # which is joined later, unless the lost body is used again.
        fresh = used_from[here] == event
        gone = used_to < event
        steps[np.ix_(fresh, gone[np.argsort(place)])] = np.inf
        found = dict(pair_nearest(steps))
        if len(found) == len(here):
            kept = steps[np.arange(len(here)), place[here]].sum()
            better = sum(steps[row, person] for row, person in found.items())
            # A body that only jumps is nobody else, unless another is who it was.
            jumped = any(
                away[person] and place[here[row]] not in found.values()
                for row, person in found.items()
            )
            if better < BETTER * kept and not jumped:
                place = _permute(place, here, found)
        until = event
    return order


def _permute(
    place: NDArray[np.intp], here: NDArray[np.intp], found: dict[int, int]
) -> NDArray[np.intp]:
    """Give the bodies that are here the people found; absent bodies get those who are left."""
    result = np.full_like(place, -1)
    for row, person in found.items():
        result[here[row]] = person
    left: Sequence[int] = [person for person in place.tolist() if person not in result]
    result[result < 0] = left
    return result
