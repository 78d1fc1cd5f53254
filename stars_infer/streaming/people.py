"""Follow people from frame to frame of a stream, whatever their order in the list of bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.following import FORGOTTEN, distance, pair_nearest
from stars_infer.clips.people import REACH


class PeopleFollower:
    """Gives each person of a stream a slot, and keeps it for as long as the person is seen.

    A body with an identity is the person of that identity. Any other body is the person whose last
    pose is nearest, within the distance that a person may move; else the one who had its place in
    the list, if nobody else is taken for that person. Otherwise it is somebody new.

    Args:
        slots: Most people who are followed at once.
        joints: Number of joints of a body, V.

    Attributes:
        names: Who is in each slot: the identity, or a number from 0 in order of appearance.
    """

    def __init__(self, *, slots: int, joints: int) -> None:
        self.names: list[str] = [""] * slots
        self._poses = np.full((slots, joints, 3), np.nan, np.float32)
        self._seen = np.full(slots, -np.inf)
        self._identities: list[str | None] = [None] * slots
        self._order: list[int] = []
        self._people = 0

    def place(
        self, poses: FloatArray, time: float, identities: Sequence[str | None] = ()
    ) -> tuple[list[int], list[int]]:
        """Find the slots of the people in a frame.

        Args:
            poses: Bodies that are present (M, V, 3), at most one for each slot; NaN where a joint
                is missing.
            time: Time of the frame, seconds.
            identities: Who each of them is, if the source says it; None or left out if not.

        Returns:
            The slot of each body, and the slots that have a new person now.
        """
        known = [identities[at] if at < len(identities) else None for at in range(len(poses))]
        slots = self._known_slots(poses, time, known)
        fresh = []
        for at, name in enumerate(known):
            if slots[at] >= 0:
                continue
            free = [slot for slot in range(len(self.names)) if slot not in slots]
            slot = min(free, key=lambda one: float(self._seen[one]))
            slots[at] = slot
            fresh.append(slot)
            self._identities[slot] = name
            self.names[slot] = str(self._people) if name is None else name
            self._people += 1
        self._poses[slots] = poses
        self._seen[slots] = time
        self._order = slots
        return slots, fresh

    def _known_slots(
        self, poses: FloatArray, time: float, identities: Sequence[str | None]
    ) -> list[int]:
        """The slots of people who were seen before; -1 for anybody else."""
        slots = [-1] * len(poses)
        lost = time - self._seen
        for at, identity in enumerate(identities):
            if identity is not None and identity in self._identities:
                slots[at] = self._identities.index(identity)
        here = [
            slot
            for slot in np.flatnonzero(lost <= FORGOTTEN).tolist()
            if slot not in slots and self._identities[slot] is None
        ]
        bodies = [at for at, identity in enumerate(identities) if identity is None]
        if not here or not bodies:
            return slots
        with np.errstate(over="ignore", invalid="ignore"):
            steps = distance(poses[bodies][:, None], self._poses[here][None])
        steps[steps > REACH * (1 + lost[here])] = np.inf
        for row, column in pair_nearest(steps):
            slots[bodies[row]] = here[column]
        for at in bodies:
            if slots[at] < 0 and at < len(self._order):
                slot = self._order[at]
                if slot in here and slot not in slots:
                    slots[at] = slot
        return slots
