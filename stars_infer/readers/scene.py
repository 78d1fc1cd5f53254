"""Animated nodes of a 3D scene: where they are, and which of them are the joints of a body.

A scene is a tree of nodes that move, turn and scale what hangs on them. One file may hold several
takes of it; each take is a recording. Several skeletons of the same joints are several bodies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.clips.convention import LEAST_FPS, MOST_FPS, Convention
from stars_infer.errors import ClipError
from stars_infer.readers.bounds import check_points
from stars_infer.readers.recording import Recording, convention_in, empty_tracks

Float64Array = NDArray[np.float64]

USUAL_FPS = 30.0
"""Rate at which an animation is sampled that was keyed by hand, a few times a second."""
_LEAST_KEYED = 10.0
"""Keys a second from which on they are taken to be recorded frames."""
_AT_ONCE = 400_000
"""Frames times nodes that are placed at a time."""
_NAMESPACE = re.compile(r"^.*[:|]")
_COPY = re.compile(r"(\.\d{3}|_\d+)$")
"""What programs append to the names of a second skeleton."""
_STILL = 1e-6
"""Of the size of a skeleton: a take in which its joints move less is a pose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a scene.

    Attributes:
        name: Its name.
        parent: Place of its parent among the nodes, which comes before it; -1 for none.
        joint: Whether it is a joint of a skeleton.
    """

    name: str
    parent: int
    joint: bool


Local = tuple[Float64Array, Float64Array]
"""Turns and scales (T, 3, 3), and places (T, 3), of a node within its parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """An animation of the nodes.

    Attributes:
        name: Its name; empty if it has none.
        start: Its first moment, in seconds.
        end: Its last moment.
        fps: Frames per second at which it is sampled.
        local: Where a node is within its parent at some times (T,).
    """

    name: str
    start: float
    end: float
    fps: float
    local: Callable[[int, Float64Array], Local]


def recordings_of(
    nodes: Sequence[Node],
    takes: Sequence[Take],
    *,
    source: str,
    size: int,
    default: Convention,
    stated: Convention | None = None,
) -> list[Recording | ClipError]:
    """The takes of a scene, as recordings of the joints of its skeletons.

    Args:
        nodes: The nodes, each after its parent.
        takes: The takes.
        source: Name of the file for messages.
        size: Its size in bytes.
        default: The convention that is usual in its format.
        stated: What the file says of units and axes.

    Returns:
        A recording for each take in which a joint moves, or its error. They have names if there are
        several.

    Raises:
        ClipError: If no node is a joint, or no take moves one.
    """
    bodies, beside = _skeletons(nodes)
    if not bodies:
        raise ClipError(source, "no skeleton: export the bones with their animation")
    names = tuple(nodes[place].name for place in bodies[0])
    notes: tuple[str, ...] = ()
    if beside:
        notes = (f"{beside} more skeleton{'s' * (beside > 1)} of other joints: not read",)
    found: list[Recording | ClipError] = []
    points = 0
    for take, name in zip(takes, _names(takes), strict=True):
        try:
            joints = _positions(nodes, take, bodies, source=f"{source}#{name}", size=size)
        except ClipError as error:
            found.append(error)
            continue
        if not _moves(joints):
            continue
        points += joints.size // 3
        check_points(points, source=source, size=size)
        found.append(
            Recording(
                joints=joints,
                presence=np.ones(joints.shape[:2], np.bool_),
                source=f"{source}#{name}",
                name=name,
                joint_names=names,
                stated=replace(stated or Convention(), fps=convention_in(source, fps=take.fps).fps),
                default=default,
                notes=notes,
                computed=True,
            )
        )
    if not found:
        raise ClipError(source, "no animation that moves the skeleton: export it with its motion")
    if len(found) > 1:
        return found
    if isinstance(only := found[0], Recording):
        return [replace(only, source=source, name="")]
    raise ClipError(source, str(only).removeprefix(f"{only.source}: "))


def sampling_rate(times: Sequence[Float64Array]) -> float:
    """Frames per second of an animation, by the times of its keys, each (K,) in seconds.

    Where nodes have keys only now and then, the motion between them is made by the program that
    shows it.
    """
    dense = max(times, key=len, default=np.zeros(0))
    steps = np.diff(dense)
    steps = steps[steps > 0]
    rate = 1 / float(np.median(steps)) if len(steps) else 0.0
    if not _LEAST_KEYED <= rate <= MOST_FPS:
        return USUAL_FPS
    return max(round(rate, 2), LEAST_FPS)


def keys_around(
    times: Float64Array, when: Float64Array
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float64Array, Float64Array]:
    """The keys before and after some moments.

    Args:
        times: Of the keys, (K,), in seconds; they do not fall.
        when: The moments, (T,); before the first key and after the last, these hold.

    Returns:
        Places of the key before and of the key after, the seconds between the two, and the share of
        them that has passed, each (T,).
    """
    last = len(times) - 1
    left = np.clip(np.searchsorted(times, when, side="right") - 1, 0, max(last - 1, 0))
    right = np.minimum(left + 1, last)
    step = times[right] - times[left]
    share = np.clip((when - times[left]) / np.where(step > 0, step, 1), 0, 1)
    return left, right, step, share


def hermite(
    values: tuple[Float64Array, Float64Array],
    slopes: tuple[Float64Array, Float64Array],
    step: Float64Array,
    share: Float64Array,
) -> Float64Array:
    """Hermite's cubic between two keys.

    Args:
        values: At the key before, and at the key after.
        slopes: There, a second.
        step: Seconds between them.
        share: Of them that has passed, 0 to 1.
    """
    square, cube = share * share, share * share * share
    before, after = values
    leaves, arrives = slopes
    return np.asarray(
        (2 * cube - 3 * square + 1) * before
        + (3 * square - 2 * cube) * after
        + step * ((cube - 2 * square + share) * leaves + (cube - square) * arrives)
    )


def quaternion_matrices(turns: Float64Array) -> Float64Array:
    """Rotations (T, 3, 3) of quaternions (T, 4), x, y, z, w; of any length but zero."""
    length = np.linalg.norm(turns, axis=1, keepdims=True)
    x, y, z, w = (turns / np.where(length > 0, length, 1)).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _names(takes: Sequence[Take]) -> list[str]:
    """A name of its own for each take."""
    names: list[str] = []
    for number, take in enumerate(takes, start=1):
        name = wanted = take.name.strip() or f"take {number}"
        while name in names:
            name = f"{wanted} ({number})"
            number += 1
        names.append(name)
    return names


def _skeletons(nodes: Sequence[Node]) -> tuple[list[list[int]], int]:
    """The largest skeleton and those of the same joints, and how many others there are.

    Returns:
        Places of the joints of each, in the same order of names.
    """
    above: list[int] = []
    skeletons: dict[int, list[int]] = {}
    for place, node in enumerate(nodes):
        over = above[node.parent] if node.parent >= 0 else -1
        above.append(place if node.joint and over < 0 else over)
        if node.joint:
            skeletons.setdefault(above[place], []).append(place)
    if not skeletons:
        return [], 0
    largest = max(skeletons.values(), key=len)
    wanted = _plain([nodes[place].name for place in largest])
    bodies: list[list[int]] = []
    for places in sorted(skeletons.values(), key=lambda places: places is not largest):
        names = _plain([nodes[place].name for place in places])
        if len(set(wanted)) == len(wanted) and sorted(names) == sorted(wanted):
            bodies.append([places[names.index(name)] for name in wanted])
        elif places is largest:
            bodies.append(places)
    return bodies, sum(len(one) > 1 for one in skeletons.values()) - len(bodies)


def _plain(names: Sequence[str]) -> list[str]:
    """Names without their namespace, and without what all of them have at their ends."""
    plain = [_NAMESPACE.sub("", name) for name in names]
    ends = {match[0] if (match := _COPY.search(name)) else "" for name in plain}
    end = ends.pop() if len(ends) == 1 else ""
    return [name.removesuffix(end) for name in plain]


def _positions(
    nodes: Sequence[Node], take: Take, bodies: list[list[int]], *, source: str, size: int
) -> FloatArray:
    """Positions (M, T, V, 3) of the joints of each body, in the units of the file."""
    seconds = take.end - take.start
    frames = int(min(round(seconds * take.fps), 1e9)) + 1 if seconds > 0 else 1
    joints = empty_tracks(len(bodies), frames, len(bodies[0]), source=source, size=size)
    wanted = {place: (body, at) for body, places in enumerate(bodies)
              for at, place in enumerate(places)}  # fmt: skip
    needed = _with_parents(nodes, wanted)
    last = {nodes[place].parent: place for place in needed}
    chunk = max(_AT_ONCE // len(needed), 1)
    for first in range(0, frames, chunk):
        part = slice(first, min(first + chunk, frames))
        times = take.start + np.arange(part.start, part.stop) / take.fps
        placed: dict[int, Local] = {}
        for place in needed:
            turn, at = take.local(place, times)
            parent = nodes[place].parent
            if parent >= 0:
                over, origin = placed[parent]
                turn, at = over @ turn, np.einsum("tij,tj->ti", over, at) + origin
                if last[parent] == place:  # nothing else hangs on it
                    del placed[parent]
            if place in last:
                placed[place] = turn, at
            if place in wanted:
                body, joint = wanted[place]
                joints[body, part, joint] = at
    return joints


def _with_parents(nodes: Sequence[Node], places: dict[int, tuple[int, int]]) -> list[int]:
    """Places of nodes and of all above them, each after its parent."""
    needed: set[int] = set()
    for place in places:
        while place >= 0 and place not in needed:
            needed.add(place)
            place = nodes[place].parent
    return sorted(needed)


def _moves(joints: FloatArray) -> bool:
    """Whether any joint moves."""
    span = np.ptp(joints[:, :1].reshape(-1, 3), axis=0).max() if joints.size else 0
    return bool((np.ptp(joints, axis=1) > _STILL * span).any())
