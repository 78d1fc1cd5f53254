"""The layout of a skeleton: its joints, bones and mirror pairs, and how to map it to NTU-25."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import UsageError

_MOST_NAMED = 3
_NAME_LENGTH = 32
"""Letters of a joint's name that a message shows at most."""

Mixture = Mapping[str, float]
"""A joint as a weighted sum of source joints; the weights sum to one."""

NTU25_JOINTS = (
    "base of spine", "middle of spine", "neck", "head",
    "left shoulder", "left elbow", "left wrist", "left hand",
    "right shoulder", "right elbow", "right wrist", "right hand",
    "left hip", "left knee", "left ankle", "left foot",
    "right hip", "right knee", "right ankle", "right foot",
    "spine at shoulders", "tip of left hand", "left thumb", "tip of right hand", "right thumb",
)  # fmt: skip
"""The joints of NTU RGB+D, to which every layout is mapped, in their order."""

NTU25_INDEX: Mapping[str, int] = {name: index for index, name in enumerate(NTU25_JOINTS)}
"""The position of each NTU-25 joint in that order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Joints and bones of one kind of skeleton.

    Attributes:
        name: Name of a shipped layout, or path of its file, as `--layout` takes it.
        about: The sensor, tool or data set, and where the order of its joints is documented.
        joints: Names of the joints, in file order.
        bones: Pairs of joint indices that a bone joins, parent first; together they are one tree.
        mirror: Pairs of joint indices, left and right.
        center: The middle of the body, as a mixture of joints.
        ntu25: For each NTU-25 joint, the mixture of this layout's joints that stands for it.
        by_name: Whether files name their joints, which may then come in any order and among others,
            so that nothing follows from their number.
        also_called: Other names of the layout.
        aliases: What files call a joint beside its name and its other spellings, the usual first.
        stand_in: Mixtures of other joints that stand for joints which files may lack.
    """

    name: str
    about: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    mirror: tuple[tuple[int, int], ...]
    center: Mixture
    ntu25: Mapping[str, Mixture]
    by_name: bool = False
    also_called: tuple[str, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stand_in: Mapping[str, Mixture] = field(default_factory=dict)

    def ntu25_matrix(self) -> NDArray[np.float32]:
        """Weights (25, V) that map the joints of this layout to NTU-25."""
        return mixture_matrix(self.ntu25, self.joints)

    @property
    def parents(self) -> tuple[int, ...]:
        """The parent of each joint; the root is its own parent."""
        parent = {child: above for above, child in self.bones}
        return tuple(parent.get(joint, joint) for joint in range(len(self.joints)))

    @property
    def counterparts(self) -> tuple[int, ...]:
        """The joint on the other side of the body for each joint; itself in the middle."""
        other = {one: two for pair in self.mirror for one, two in (pair, pair[::-1])}
        return tuple(other.get(joint, joint) for joint in range(len(self.joints)))

    @property
    def identity(self) -> str:
        """Text that tells the layout from others: its name if shipped, else what its file says."""
        own = self.name.lower().endswith(".toml")
        return f"{self.joints} {self.ntu25}" if own else self.name

    @property
    def synthesized(self) -> tuple[str, ...]:
        """NTU-25 joints that this layout does not have.

        They are mixtures of several joints, or copies of one. A joint that stands for several
        joints of NTU-25 counts as the first of them, and the others are copies.
        """
        true: set[str] = set()
        made = []
        for target in NTU25_JOINTS:
            (source, weight), *others = self.ntu25[target].items()
            if others or weight != 1 or source in true:
                made.append(target)
            else:
                true.add(source)
        return tuple(made)


def list_joints(names: Sequence[str]) -> str:
    """List joints for a message: up to four by name, or three and how many more there are."""
    shown = [name[:_NAME_LENGTH] for name in dict.fromkeys(names)]
    if len(shown) > _MOST_NAMED + 1:
        shown[_MOST_NAMED:] = [f"{len(shown) - _MOST_NAMED} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def mixture_matrix(mixtures: Mapping[str, Mixture], joints: Sequence[str]) -> NDArray[np.float32]:
    """Write mixtures of joints as a matrix (25, V) with rows in NTU-25 order.

    Raises:
        UsageError: If a mixture names a joint that is not in `joints`.
    """
    column = {name: v for v, name in enumerate(joints)}
    weights = np.zeros((len(NTU25_JOINTS), len(joints)), np.float32)
    for row, target in enumerate(NTU25_JOINTS):
        for name, weight in mixtures[target].items():
            if name not in column:
                raise UsageError(f"the joint {name!r}, needed for {target!r}, is missing")
            weights[row, column[name]] += weight
    return weights
