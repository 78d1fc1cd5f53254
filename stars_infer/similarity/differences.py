"""What differs between two performances that lie over each other in time: which limb, when, how.

Arms are measured from their shoulder, legs from their hip, the trunk and the head from the hips,
and the hips by their height over the floor, so that a bent trunk is not told again of every limb.
The bodies have the bones of a standard adult; centimeters are those of that adult.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.layouts import NTU25_INDEX, Layout
from stars_infer.preprocessing.normalize import SIDES

LIMBS = ("left arm", "right arm", "left leg", "right leg", "trunk and head", "hips")
"""Parts of the body that are told apart."""
HEIGHT = 1.75
"""Height of the standard adult, meters, whose bones `stars_infer.layouts.bones` has."""
LEAST = 0.1
"""Distance of a limb, meters, below which nothing is said: a Kinect's noise, and people's own."""
LEAST_TURN = 30.0
"""The same of the direction in which somebody faces, degrees."""
FEWEST_PLACES = 3
"""Places of the path, which has about forty, that a difference lasts at least."""
MOST_NAMED = 5
_HALF = 0.5
"""A difference lasts as long as it is more than this share of its peak."""

_J = NTU25_INDEX
_PARTS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "left arm": ("left shoulder", ("left elbow", "left wrist"), "left wrist"),
    "right arm": ("right shoulder", ("right elbow", "right wrist"), "right wrist"),
    "left leg": ("left hip", ("left knee", "left ankle"), "left ankle"),
    "right leg": ("right hip", ("right knee", "right ankle"), "right ankle"),
    "trunk and head": ("base of spine", ("spine at shoulders", "head"), "head"),
}
"""Of each limb: the joint from which it is measured, its joints, and the one that is told of."""
_LIMB_JOINTS = {"arm": ("elbow", "wrist", "hand", "thumb"), "leg": ("knee", "ankle", "foot")}
_FEET = [_J[f"{side} {joint}"] for side in ("left", "right") for joint in ("ankle", "foot")]
_FLOOR = 5
"""Percentile of the heights of feet that counts as the floor: feet of sensors jump."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimbDifference:
    """A limb of the first person that is elsewhere than that of the second, for a while.

    Attributes:
        limb: One of `LIMBS`, or `whole body` for the direction in which somebody faces.
        person: Of whom, 1 or 2, where both clips show two people; else 0.
        start: When it begins, seconds into the first clip.
        end: When it ends.
        other_start: When it begins in the second clip, seconds.
        other_end: When it ends there.
        amount: How much it is at its largest, in `unit`, along `direction`.
        unit: `cm` of a standard adult of 1.75 m, or `°`.
        direction: Where the limb of the first person is, seen from that of the second: `higher`,
            `lower`, `further forward`, `further back`, `further out`, `further in`, `further to the
            left` or `further to the right`.
        distance: Distance of the limbs at its largest, body heights; of a turn, shares of a half
            turn.
    """

    limb: str
    person: int
    start: float
    end: float
    other_start: float
    other_end: float
    amount: float
    unit: str
    direction: str
    distance: float

    def words(self) -> str:
        """Say it: `the right arm, 1.2 to 1.8 s, 30 cm higher`."""
        size = f"turned {self.amount:.0f}°" if self.unit == "°" else f"{self.amount:.0f} cm"
        start, end = f"{self.start:.1f}", f"{self.end:.1f}"
        when = f"at {start} s" if start == end else f"{start} to {end} s"
        whose = f" of person {self.person}" if self.person else ""
        return f"the {self.limb}{whose}, {when}, {size} {self.direction}"

    def to_json(self) -> dict[str, Any]:
        """All values, rounded, and the words."""
        values = {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return values | {"words": self.words()}


def limb_of_joints(layout: Layout) -> tuple[int, ...]:
    """Number of the limb, in `LIMBS`, to which each joint of a layout belongs."""
    of_ntu = np.full(25, LIMBS.index("trunk and head"))
    for limb in LIMBS[:4]:
        side, kind = limb.split()
        for name, number in _J.items():
            if side in name.split() and any(part in name for part in _LIMB_JOINTS[kind]):
                of_ntu[number] = LIMBS.index(limb)
    for name in ("base of spine", "left hip", "right hip"):
        of_ntu[_J[name]] = LIMBS.index("hips")
    weights = layout.ntu25_matrix()
    limbs = [int(of_ntu[column.argmax()]) for column in weights.T]
    # A joint that stands for none of NTU-25 belongs to what its parent belongs to.
    for joint in _from_root(layout.parents):
        if not weights[:, joint].any():
            limbs[joint] = limbs[layout.parents[joint]]
    return tuple(limbs)


def _from_root(parents: tuple[int, ...]) -> list[int]:
    def depth(joint: int) -> int:
        return 0 if parents[joint] == joint else 1 + depth(parents[joint])

    return sorted(range(len(parents)), key=depth)


def limb_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """How far each limb of one body is from that of the other, (M, P, L), meters.

    Args:
        first: Postures (M, P, 25, 3), meters, of people with the same bones who face -z.
        second: The same of the other clip, matched.
    """
    both = np.asarray(first.any(axis=(2, 3)) & second.any(axis=(2, 3)))
    result = np.zeros((*both.shape, len(LIMBS)), np.float32)
    for number, limb in enumerate(LIMBS):
        if limb == "hips":
            apart = np.abs(_hip_height(first) - _hip_height(second))
        else:
            start, joints, _ = _PARTS[limb]
            at = [_J[joint] for joint in joints]
            gaps = _from(first, start)[:, :, at] - _from(second, start)[:, :, at]
            apart = np.sqrt(np.square(gaps).sum(axis=3).mean(axis=2))
        result[:, :, number] = np.where(both, _smooth(apart), 0)
    return result


def largest_differences(
    first: FloatArray,
    second: FloatArray,
    first_seconds: NDArray[np.float64],
    second_seconds: NDArray[np.float64],
) -> tuple[LimbDifference, ...]:
    """Name the largest differences, the largest first, at most `MOST_NAMED`.

    Args:
        first: Postures (M, P, 25, 3) as for `limb_distances`.
        second: The same of the other clip.
        first_seconds: When each of them is, (P,).
        second_seconds: The same of the other clip.
    """
    distances = limb_distances(first, second)
    found: list[tuple[float, str, int, tuple[int, int], float, str, str]] = []
    for body in range(len(distances)):
        person = body + 1 if len(distances) > 1 else 0
        for number, limb in enumerate(LIMBS):
            apart = distances[body, :, number]
            if apart.max() < LEAST:
                continue
            at, span = _peak(apart)
            direction, amount = _direction(limb, first[body], second[body], at)
            if amount >= LEAST and _lasts(span):
                size = float(apart[at]) / HEIGHT
                found.append((size, limb, person, span, 100 * amount, "cm", direction))
        turn = _turn_between(first[body], second[body])
        at, span = _peak(np.abs(turn))
        if abs(turn[at]) >= LEAST_TURN and _lasts(span):
            way = "further to the right" if turn[at] > 0 else "further to the left"
            degrees = float(abs(turn[at]))
            found.append((degrees / 180, "whole body", person, span, degrees, "°", way))
    found.sort(key=lambda one: -one[0])
    return tuple(
        LimbDifference(
            limb=limb,
            person=person,
            start=float(first_seconds[start]),
            end=float(first_seconds[end]),
            other_start=float(second_seconds[start]),
            other_end=float(second_seconds[end]),
            amount=amount,
            unit=unit,
            direction=direction,
            distance=distance,
        )
        for distance, limb, person, (start, end), amount, unit, direction in found[:MOST_NAMED]
    )


def _from(bodies: FloatArray, joint: str) -> FloatArray:
    return bodies - bodies[:, :, [_J[joint]]]


def _hip_height(bodies: FloatArray) -> FloatArray:
    """Height of the hips (M, P) over the floor on which the feet of the clip stand."""
    feet = bodies[:, :, _FEET, 1].min(axis=2)
    floor = np.percentile(feet, _FLOOR, axis=1, keepdims=True)
    return np.asarray(bodies[:, :, 0, 1] - floor, np.float32)


def _turn_between(first: FloatArray, second: FloatArray) -> NDArray[np.float32]:
    """By how many degrees one body (P, 25, 3) is turned to its right of another, (P,)."""
    angles = []
    for joints in (first, second):
        across = np.sum([joints[:, right] - joints[:, left] for left, right in SIDES], axis=0)
        angles.append(np.arctan2(across[:, 2], across[:, 0]))
    between = np.degrees(angles[0] - angles[1])
    return np.asarray((between + 180) % 360 - 180, np.float32)


def _smooth(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """The mean of each place (M, P) and its neighbors."""
    padded = np.pad(values, ((0, 0), (1, 1)), mode="edge")
    return np.asarray((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3, np.float32)


def _peak(apart: NDArray[np.floating]) -> tuple[int, tuple[int, int]]:
    """Where a difference is largest, and the first and last place of the stretch around it."""
    at = int(np.argmax(apart))
    low = np.flatnonzero(apart < _HALF * apart[at])
    before, after = low[low < at], low[low > at]
    return at, (
        int(before[-1]) + 1 if len(before) else 0,
        int(after[0]) - 1 if len(after) else len(apart) - 1,
    )


def _lasts(span: tuple[int, int]) -> bool:
    return span[1] - span[0] + 1 >= FEWEST_PLACES


def _direction(limb: str, first: FloatArray, second: FloatArray, at: int) -> tuple[str, float]:
    """Where a limb of the first person is at a place, seen from the second's, and how far, m."""
    if limb == "hips":
        up = float((_hip_height(first[None]) - _hip_height(second[None]))[0, at])
        return ("higher" if up > 0 else "lower"), abs(up)
    start, _, told = _PARTS[limb]
    gap = _from(first[None], start)[0, at, _J[told]] - _from(second[None], start)[0, at, _J[told]]
    axis = int(np.argmax(np.abs(gap)))
    amount = float(gap[axis])
    if axis == 1:
        words = ("higher", "lower")
    elif axis == 2:  # they face -z
        words = ("further back", "further forward")
    elif limb.startswith("right"):
        words = ("further out", "further in")
    elif limb.startswith("left"):
        words = ("further in", "further out")
    else:
        words = ("further to the right", "further to the left")
    return (words[0] if amount > 0 else words[1]), abs(amount)
