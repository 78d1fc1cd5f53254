"""Place a joint that a recording never shows: a bone's length away from its neighbor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stars_infer.layouts import NTU25_INDEX, NTU25_JOINTS, NTU25_PARENTS
from stars_infer.layouts.bones import STANDARD_LENGTHS

if TYPE_CHECKING:
    from stars_infer.arrays import BoolArray, FloatArray
    from stars_infer.layouts import Layout

_SIDES = ("left", "right")
_UPWARDS = ("middle of spine", "spine at shoulders", "neck", "head")
_DOWNWARDS = tuple(f"{side} {joint}" for side in _SIDES for joint in ("elbow", "knee"))
_AHEAD = tuple(f"{side} foot" for side in _SIDES)


class Placement:
    """Places the joints of one body that are never seen.

    The spine continues upward, upper arms and thighs hang down, feet point ahead, and any other
    bone continues the bone before it. A bone is as long as its counterpart on the other side of the
    body, or else as that of a standard adult. A joint that NTU-25 does not have lies on its
    neighbor.
    """

    def __init__(self, joints: FloatArray, known: BoolArray, layout: Layout) -> None:
        """Take the joints of a body.

        Args:
            joints: (T, V, 3); a joint must be filled in before those that it carries are placed.
            known: Which of them were seen, (T, V).
            layout: Layout of the joints.
        """
        self.joints = joints
        self.known = known
        self.layout = layout
        self.roles = {
            next(iter(layout.ntu25[target])): target
            for target in reversed(NTU25_JOINTS)
            if len(layout.ntu25[target]) == 1
        }

    def offset(self, joint: int, carrier: int, before: int) -> NDArray[np.float64]:
        """Offset of a joint that is never seen from its neighbor, (T, 3), meters.

        Args:
            joint: The joint.
            carrier: Its neighbor toward the middle of the body.
            before: The neighbor of `carrier` toward the middle of the body.
        """
        length = self.length(joint, carrier)
        if not length:
            return np.zeros((len(self.joints), 3))
        return length * self.direction(self.roles.get(self.layout.joints[joint]), carrier, before)

    def length(self, joint: int, carrier: int) -> float:
        """Length of the bone between two neighbors, meters."""
        other = self.layout.counterparts
        ends = [other[joint], other[carrier]]
        both = self.known[:, ends].all(axis=1)
        if other[joint] != joint and both.any():
            bones = self.joints[both, ends[0]] - self.joints[both, ends[1]]
            return float(np.median(np.linalg.norm(bones, axis=1)))
        role = self.roles.get(self.layout.joints[joint])
        if role is None:
            return 0.0
        length, at = 0.0, NTU25_INDEX[role]
        while at != NTU25_PARENTS[at]:
            length += float(STANDARD_LENGTHS[at])
            at = NTU25_PARENTS[at]
            if self.layout.ntu25[NTU25_JOINTS[at]] == {self.layout.joints[carrier]: 1.0}:
                return length
        return 0.0

    def direction(self, role: str | None, carrier: int, before: int) -> NDArray[np.float64]:
        """Unit vectors (T, 3) from a carrier to a joint of NTU-25."""
        up, right = self.axes()
        if role in _UPWARDS:
            return up
        if role in _DOWNWARDS:
            return -up
        if role in _AHEAD:
            return _unit(np.asarray(np.cross(up, right), np.float64))
        along = self.joints[:, carrier] - self.joints[:, before]
        lengths = np.linalg.norm(along, axis=1, keepdims=True)
        return np.where(lengths > 1e-6, along / np.maximum(lengths, 1e-6), -up)

    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Unit vectors (T, 3) up along the trunk, and to the body's right."""
        weights = self.layout.ntu25_matrix().astype(np.float64)
        row = {name: weights[index] for name, index in NTU25_INDEX.items()}
        shoulders, hips = ([row[f"{side} {at}"] for side in _SIDES] for at in ("shoulder", "hip"))
        needed = np.any([*shoulders, *hips], axis=0)
        seen = np.flatnonzero(self.known[:, needed].all(axis=1))
        if not len(seen):
            frames = len(self.joints)
            return np.tile([0.0, 1.0, 0.0], (frames, 1)), np.tile([1.0, 0.0, 0.0], (frames, 1))
        trunk = np.where(self.known[seen][..., None], self.joints[seen], 0.0)
        to_up = sum(shoulders) - sum(hips)
        to_right = shoulders[1] - shoulders[0] + hips[1] - hips[0]
        up, right = (
            _hold_last(_unit(np.einsum("v,tvc->tc", rows, trunk)), seen, len(self.joints))
            for rows in (to_up, to_right)
        )
        return up, right


def _hold_last(
    vectors: NDArray[np.float64], seen: NDArray[np.intp], frames: int
) -> NDArray[np.float64]:
    """Spread vectors of the frames `seen` to all frames: each frame takes the last one seen."""
    last = np.searchsorted(seen, np.arange(frames), side="right") - 1
    return np.asarray(vectors[np.maximum(last, 0)])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6))
