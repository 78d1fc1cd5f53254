"""Whether the bodies of a clip can be people: their size, which way is up, where left is.

A file often does not say its units or axes, and an array never does. Nothing is guessed: a clip
whose body cannot be a person's gets a note that names the remedy. A person may lie, or stand on the
head, so these are doubts and not errors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.anatomy import PLAUSIBLE, median_of_rows, standing_height
from stars_infer.clips.convention import UNITS, Convention, meters_in_unit, option, turn_of
from stars_infer.clips.upright import up_scores
from stars_infer.layouts import NTU25, NTU25_INDEX, Layout

Positions = NDArray[np.floating]

ENOUGH = 64
"""Frames, evenly spread over the clip, that are looked at."""
USUAL_HEIGHT = 1.7
"""Meters; where two units would fit, the one that comes nearest to it does."""
FAR_BETTER = 1.5
"""By so much another axis must fit better as the one that points up, of 3 for somebody who stands:
people bend down, and lie, too."""
_STANDING = 1.0
"""So well it must fit, of the same 3."""
BACKWARDS = -0.5
"""Cosine of the toes (or nose) with the way the body faces, median over the clip, below which left
and right are exchanged."""

_AXES = "xyz"


def doubts(
    bodies: FloatArray, presence: BoolArray, *, layout: Layout, convention: Convention
) -> tuple[str, ...]:
    """Say what is odd about the bodies of a clip, and what may be the remedy.

    Args:
        bodies: (M, T, V, 3), in meters, y up, right-handed, if the convention is right.
        presence: (M, T).
        layout: Of the joints.
        convention: The one by which the positions were brought to meters, y up, right-handed.

    Returns:
        A note for each doubt; none for an ordinary person.
    """
    body, frame = np.nonzero(presence)
    some = slice(None, None, 1 + len(frame) // ENOUGH)
    found = bodies[body[some], frame[some]].astype(np.float64)
    joints = found if layout.name == NTU25.name else layout.ntu25_matrix() @ found
    size = standing_height(joints)
    if not size > 0:
        return ("all joints of the body are in one place: was the right array saved?",)
    up = _up_doubt(joints, convention)
    if convention.flat:
        return (up,) if up else ()
    notes = [_size_doubt(size, convention), up]
    if not up:
        notes.append(_side_doubt(found, joints, layout))
    return tuple(note for note in notes if note)


def _size_doubt(size: float, convention: Convention) -> str:
    low, high = PLAUSIBLE["height"]
    if low <= size <= high:
        return ""
    unit = convention.units or "m"
    in_file = size / meters_in_unit(convention)
    fitting = {
        other: abs(np.log(in_file * scale / USUAL_HEIGHT))
        for other, scale in UNITS.items()
        if low <= in_file * scale <= high
    }
    if isinstance(unit, float):
        unit = f"units of {unit:.3g} m"
    told = f"the body is {size:.3g} m tall if the positions are in {unit}"
    if not fitting:
        adult = option("units", USUAL_HEIGHT / in_file)
        return (
            f"{told}, and no person's in {', '.join(UNITS)} either: check the units; if it is an "
            f"adult, pass the meters in a unit, about {adult}"
        )
    best = min(fitting, key=lambda other: fitting[other])
    return f"{told}: if they are in {best}, pass {option('units', best)}"


def _up_doubt(joints: Positions, convention: Convention) -> str:
    """Doubt which axis is up, if another one fits far better."""
    scores = up_scores(joints)
    found = max(scores, key=lambda up: scores[up])
    fits = scores[found] > _STANDING and scores[found] - scores["y"] >= FAR_BETTER
    if not fits or (convention.flat and found[-1] != "y"):
        return ""
    axes, signs = turn_of(convention)
    axis = "xyz".index(found[-1])
    sign = "-" if (found[0] == "-") != (signs[axis] < 0) else ""
    up = f"{sign}{_AXES[axes[axis]]}"
    passed = option("up", up)
    if axis == 1:
        return f"the head is below the feet: if {up} points up, pass {passed}"
    return f"the body lies along {up}: if the person is upright, pass {passed}"


def _side_doubt(bodies: Positions, joints: Positions, layout: Layout) -> str:
    """Doubt where left is, from the way toes or nose point."""
    front = _front(bodies, joints, layout)
    if front is None:
        return ""
    shoulders, hips = (
        joints[:, NTU25_INDEX[f"right {joint}"]] - joints[:, NTU25_INDEX[f"left {joint}"]]
        for joint in ("shoulder", "hip")
    )
    across = shoulders + hips
    # Facing is up × right: with y up and right along x, a person looks along -z.
    facing = np.stack([across[:, 2], -across[:, 0]], axis=1)
    agreement = (front[:, [0, 2]] * facing).sum(axis=1) / np.maximum(
        np.linalg.norm(front[:, [0, 2]], axis=1) * np.linalg.norm(facing, axis=1), 1e-9
    )
    if median_of_rows(agreement) >= BACKWARDS:
        return ""
    return (
        "toes or nose point backwards, so left and right are exchanged: if the axes are "
        f"left-handed, pass {option('handedness', 'left')}"
    )


def _front(bodies: Positions, joints: Positions, layout: Layout) -> Positions | None:
    """Where nose or toes point in every frame (N, 3); None if the layout has neither."""
    names = [name.casefold() for name in layout.joints]
    if {"nose", "left ear", "right ear"} <= set(names):
        nose, left, right = (
            bodies[:, names.index(name)] for name in ("nose", "left ear", "right ear")
        )
        return np.asarray(nose - (left + right) / 2)
    if {"left foot", "left ankle"} & set(layout.synthesized):
        return None
    toes = [
        joints[:, NTU25_INDEX[f"{side} foot"]] - joints[:, NTU25_INDEX[f"{side} ankle"]]
        for side in ("left", "right")
    ]
    return np.asarray(toes[0] + toes[1])
