"""Arrays of positions in whatever order their axes are, as bodies (M, T, V, 3).

The usual orders are (T, V, 3), (M, T, V, 3) and (3, T, V, M). Where the shape of an array allows
several orders, a body decides: its bones keep their lengths, and it moves little from one frame to
the next. Any order is recognized in which one axis has the joints of the layout and another one x,
y and z; `(T, V * 3)`, with the coordinates of a joint side by side, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stars_infer.clips.convention import option
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout, layouts_with, match_names

USUAL = ("TVC", "MTVC", "CTVM")
"""Orders of axes that need no note: M bodies, T frames, V joints, C coordinates."""
MOST_AT_ONCE = 6
"""More bodies than a Kinect follows are doubted where they outnumber the frames."""
CLEARLY = 2.0
"""An unusual order must fit a body, and so many times better than a usual one of the same shape."""
FITTING = 0.5
"""Misfit from which on an array is no body's: a rigid body has about 0.1, noise more than 1."""
_LOOKED_AT = 64
"""Frames, and bodies, that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reading:
    """One way to read an array: the order of its axes, and its bodies (M, T, V, C)."""

    order: str
    bodies: NDArray[Any]

    @property
    def words(self) -> str:
        """The order for people, such as `(T, M, V, 3)`."""
        if "," in self.order:
            return f"({self.order})"
        sizes = {"C": str(self.bodies.shape[3])}
        return f"({', '.join(sizes.get(axis, axis) for axis in self.order)})"

    @property
    def crowded(self) -> bool:
        """Whether there are more bodies than a sensor follows, and more of them than frames."""
        bodies, frames = self.bodies.shape[:2]
        return int(bodies) > max(MOST_AT_ONCE, int(frames))


def as_bodies(
    joints: ArrayLike, *, layout: str, source: str, flat: bool = False
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    """View positions of any shape as bodies.

    Args:
        joints: The array.
        layout: Name of the joint layout, or path of its file.
        source: Name for messages.
        flat: Whether it may be in 2D; then there are two coordinates, or three of which the last
            one is no depth.

    Returns:
        Bodies (M, T, V, 3), with z at zero if there are two coordinates, and a note if the order of
        the axes is none of the usual ones.

    Raises:
        ClipError: If no order of the axes gives bodies of this layout, or several do.
    """
    array = array_of(joints, source)
    kind = get_layout(layout)
    counts = (2, 3) if flat else (3,)
    readings = _readings(array, len(kind.joints), counts)
    if not readings:
        raise ClipError(source, _explain(array.shape, layout, len(kind.joints), flat=flat))
    chosen = _settle(array, readings, np.array(kind.bones), source)
    bodies = chosen.bodies
    if bodies.shape[3] == 2:
        bodies = np.concatenate([bodies, np.zeros_like(bodies[..., :1])], axis=3)
    return bodies, _notes(array, chosen)


def as_tracks(
    joints: ArrayLike, *, count: int, names: Sequence[str], source: str
) -> tuple[NDArray[np.generic], str, tuple[str, ...]]:
    """View positions of any shape as bodies whose joints are not yet those of a layout.

    Args:
        joints: The array, in 3D.
        count: Number of joints.
        names: What the joints are called; empty if that is not known.
        source: Name for messages.

    Returns:
        Bodies (M, T, V, 3); the order of the axes of the array, such as `CTVM`; and a note as of
        `as_bodies`.

    Raises:
        ClipError: As for `as_bodies`.
    """
    array = array_of(joints, source)
    readings = _readings(array, count, (3,)) if count > 0 else []
    if not readings:
        raise ClipError(
            source, f"expected {count} joints in 3D, such as (T, {count}, 3), got {array.shape}"
        )
    chosen = _settle(array, readings, _bones_between(names, count), source)
    return chosen.bodies, chosen.order, _notes(array, chosen)


def _bones_between(names: Sequence[str], count: int) -> NDArray[np.intp]:
    """The bones of the layout whose joints are called so; else each joint and the one after it."""
    found = match_names(names) if names else None
    if found is not None:
        ends: NDArray[np.intp] = np.array(found.places)[np.array(found.layout.bones)]
        known: NDArray[np.bool_] = np.asarray((ends >= 0).all(axis=1))
        return np.compress(known, ends, axis=0)
    return np.stack([np.arange(count - 1), np.arange(1, count)], axis=1)


def _settle(
    array: NDArray[np.generic], readings: list[_Reading], bones: NDArray[np.intp], source: str
) -> _Reading:
    """The reading that counts.

    Raises:
        ClipError: If it is an unusual one, and no body's, or several fit.
    """
    chosen = readings[0] if len(readings) == 1 else _choose(readings, bones, source)
    if chosen.order not in USUAL and _misfit(chosen.bodies, bones) > FITTING:
        raise ClipError(
            source, f"{array.shape} can only be read as {chosen.words}, and no body keeps its "
            f"bones so: bring it to (M, T, {chosen.bodies.shape[2]}, 3) with numpy.transpose"
        )  # fmt: skip
    return chosen


def _notes(array: NDArray[np.generic], chosen: _Reading) -> tuple[str, ...]:
    usual = chosen.order in USUAL
    return () if usual else (f"axes {array.shape} were read as {chosen.words}",)


def array_of(values: ArrayLike, source: str) -> NDArray[np.generic]:
    """Numbers in any form as an array, in which masked values are NaN.

    Raises:
        ClipError: If they are no numbers.
    """
    try:
        array = np.asanyarray(values)
    except ValueError as error:  # lists of different lengths
        raise ClipError(source, "frames or bodies differ in length: pass NaN where one is missing"
                        ) from error  # fmt: skip
    except (TypeError, RuntimeError) as error:  # as of a tensor that another device holds
        raise ClipError(source, f"NumPy cannot read it: {error}") from error
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ClipError(source, f"expected numbers, got an array of {array.dtype}")
    if isinstance(array, np.ma.MaskedArray):
        array = np.ma.filled(array.astype(np.result_type(array.dtype, np.float32)), np.nan)
    return np.asarray(array)


def _readings(array: NDArray[np.generic], joints: int, counts: tuple[int, ...]) -> list[_Reading]:
    """All ways to read an array, those of `USUAL` first."""
    while array.ndim > 4 and 1 in array.shape:  # a batch of one clip
        array = np.squeeze(array, axis=array.shape.index(1))
    if array.ndim == 2:
        return _rows(array, joints, counts)
    names = {3: "TVC", 4: "MTVC"}.get(array.ndim)
    if names is None:
        return []
    orders = sorted(map("".join, permutations(names)), key=lambda order: order not in USUAL)
    readings = []
    for order in orders:
        size = dict(zip(order, array.shape, strict=True))
        if size["C"] in counts and size["V"] == joints:
            bodies = np.transpose(array, [order.index(axis) for axis in names])
            readings.append(_Reading(order=order, bodies=bodies if "M" in names else bodies[None]))
    return readings


def _rows(array: NDArray[np.generic], joints: int, counts: tuple[int, ...]) -> list[_Reading]:
    """Ways to read rows (T, V * C), or (T, M * V * C) of several bodies, or (T * V, C)."""
    readings = []
    for count in counts:
        people, rest = divmod(array.shape[1], joints * count)
        if not rest and people and len(array) > 1:
            bodies = array.reshape(len(array), people, joints, count).transpose(1, 0, 2, 3)
            order = f"T, V * {count}" if people == 1 else f"T, M * V * {count}"
            readings.append(_Reading(order=order, bodies=bodies))
        frames, rest = divmod(len(array), joints)
        if array.shape[1] == count and not rest and frames > 1:  # a row a joint
            bodies = array.reshape(1, frames, joints, count)
            readings.append(_Reading(order=f"T * V, {count}", bodies=bodies))
    return readings


def _choose(readings: list[_Reading], bones: NDArray[np.intp], source: str) -> _Reading:
    """The reading that fits a body best; a usual one, unless another is clearly better.

    Raises:
        ClipError: If several fit as well, and none of them is usual.
    """
    misfit = {reading.order: _misfit(reading.bodies, bones) for reading in readings}
    ranked = sorted(
        readings,
        key=lambda one: (one.crowded, one.order not in USUAL, misfit[one.order]),
    )
    best = min(ranked, key=lambda one: misfit[one.order])
    most = CLEARLY * misfit[best.order]
    like_a_body = best.order in USUAL or misfit[best.order] <= FITTING
    if misfit[ranked[0].order] > most and like_a_body:
        return best
    rivals = [one for one in ranked if misfit[one.order] <= most and not one.crowded]
    if ranked[0].order not in USUAL and len(rivals) > 1:
        raise ClipError(
            source, f"the axes can be {' or '.join(one.words for one in rivals)}: bring the array "
            f"to (M, T, {best.bodies.shape[2]}, 3) with numpy.transpose"
        )  # fmt: skip
    return ranked[0]


def _misfit(bodies: NDArray[Any], ends: NDArray[np.intp]) -> float:
    """How little bodies (M, T, V, C) are like people's: how bones change, and how joints jump.

    Both are shares of the length of a bone. Bones of a picture change, but less than noise does.
    """
    bodies = bodies[:_LOOKED_AT, :_LOOKED_AT].astype(np.float64)
    here = np.isfinite(bodies).all(axis=3) & bodies.any(axis=3)
    bodies = np.where(here[..., None], bodies, np.nan)
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(bodies[:, :, ends[:, 0]] - bodies[:, :, ends[:, 1]], axis=3)
        steps = np.linalg.norm(np.diff(bodies, axis=1), axis=3)
    known = lengths[np.isfinite(lengths)]
    usual = float(np.median(known)) if len(known) else 0.0
    if not usual > 0:
        return np.inf
    bones = [bone[np.isfinite(bone)] for bone in np.moveaxis(lengths, 2, 0)]
    spread = [float(np.median(np.abs(bone - np.median(bone)))) for bone in bones if len(bone) > 1]
    moved = steps[np.isfinite(steps)]
    if not len(moved) or not spread:
        return np.inf
    return (float(np.mean(spread)) + float(np.median(moved))) / usual


def _explain(shape: tuple[int, ...], layout: str, joints: int, *, flat: bool) -> str:
    """Why an array of a shape holds no bodies of a layout, and what to do."""
    if not flat and ((2 in shape and joints in shape) or shape[-1:] == (2 * joints,)):
        return f"an array {shape} is in 2D: for clips in 2D, pass {option('flat', '')}"
    usual = {3: shape[2:] == (3,), 4: 3 in (shape[0], shape[-1])}.get(len(shape)) if shape else None
    if not usual or joints in shape:
        return f"expected shape (T, V, 3), (M, T, V, 3) or (3, T, V, M), got {shape}"
    found = shape[1] if len(shape) == 3 else shape[2]
    fitting = " or ".join(option("layout", name) for name in layouts_with(found))
    remedy = f"pass {fitting}" if fitting else "no known layout has so many"
    return f"{found} joints, but layout {layout!r} has {joints}: {remedy}"
