"""Limbs of a body against a person's: lengths, how rigid they are, and in which unit they are.

Measured on the 25 joints of NTU RGB+D, to which every layout is mapped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.layouts.bones import STANDARD_LENGTHS

RIGID = 15.0
"""Variation, in percent, up to which a bone counts as rigid; sensors reach about 10."""
EVEN = 20.0
"""Difference between left and right, in percent of their mean, that sensors reach."""
CROWN_AND_SOLE = 0.20
"""Meters that a standing person has above the head joint and below the ankles."""

PLAUSIBLE: Mapping[str, tuple[float, float]] = {
    "upper arm": (0.15, 0.42), "forearm": (0.13, 0.36), "thigh": (0.22, 0.62),
    "shin": (0.22, 0.55), "spine": (0.30, 0.70), "shoulder width": (0.18, 0.50),
    "hip width": (0.08, 0.45), "height": (0.95, 2.20),
}  # fmt: skip
"""Least and most of each limb, meters: from a child of five to a tall adult, between the points
that sensors and motion capture take for joints."""

UNITS: Mapping[str, float] = {
    "millimeters": 1000.0, "centimeters": 100.0, "inches": 1 / 0.0254, "feet": 1 / 0.3048,
}  # fmt: skip
"""Units of length and how many are a meter."""
_NEAR_UNIT = 1.6
"""A body this many times larger or smaller than a person in some unit still is one in it."""

_JOINT = {name: place for place, name in enumerate(NTU25_JOINTS)}
_SIDES = ("left", "right")
_PAIRED = {
    "upper arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"), "shin": ("knee", "ankle"),
}  # fmt: skip
_SINGLE = {
    "spine": ("base of spine", "middle of spine", "spine at shoulders"),
    "shoulder width": ("left shoulder", "right shoulder"),
    "hip width": ("left hip", "right hip"),
}
_CHAINS: Mapping[tuple[str, str], tuple[str, ...]] = {
    (kind, side): (f"{side} {ends[0]}", f"{side} {ends[1]}")
    for kind, ends in _PAIRED.items()
    for side in _SIDES
} | {(kind, ""): joints for kind, joints in _SINGLE.items()}
_UPWARD = ("base of spine", "middle of spine", "spine at shoulders", "neck", "head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limb:
    """One length of a body over a clip.

    Attributes:
        kind: A key of `PLAUSIBLE`.
        side: `left`, `right`, or nothing for what a body has once.
        centimeters: Median length, if the file is in meters.
        variation: Standard deviation over the median, percent; a rigid skeleton has 0.
        estimated: Whether it ends at a joint that the layout lacks, made of others.
        verdict: `ok`, `short`, `long`, or `stretches` where the length is not a bone's.
    """

    kind: str
    side: str
    centimeters: float
    variation: float
    estimated: bool
    verdict: str

    @property
    def name(self) -> str:
        """Such as `left forearm`."""
        return f"{self.side} {self.kind}".strip()

    @property
    def plausible(self) -> tuple[float, float]:
        """Least and most of a person's, centimeters."""
        least, most = PLAUSIBLE[self.kind]
        return 100 * least, 100 * most


def measure_limbs(joints: FloatArray, *, synthesized: Collection[str] = ()) -> tuple[Limb, ...]:
    """Measure the limbs of one body.

    Args:
        joints: NTU-25 joints (T, 25, 3) of the frames in which the body is seen, meters.
        synthesized: NTU-25 joints that its layout lacks; see `Layout.synthesized`.

    Returns:
        Arms and legs on both sides, spine, shoulder and hip width, and the height: the body
        stretched along its bones, whatever its posture, with `CROWN_AND_SOLE` added.
    """
    lengths = {key: _along(joints, chain) for key, chain in _CHAINS.items()}
    leg = sum(lengths[kind, side] for kind in ("thigh", "shin") for side in _SIDES) / 2
    lengths["height", ""] = _along(joints, _UPWARD) + leg
    ends = {key: {chain[0], chain[-1]} for key, chain in _CHAINS.items()}
    ends["height", ""] = {"head", "left ankle", "right ankle"}
    return tuple(
        _limb(kind, side, length, estimated=not ends[kind, side].isdisjoint(synthesized))
        for (kind, side), length in lengths.items()
    )


def person_scale(joints: FloatArray) -> float:
    """How many times larger than a standard adult a body (T, 25, 3) is: its median limb's ratio."""
    chains = [_SINGLE["spine"], *(_CHAINS[kind, side] for kind in _PAIRED for side in _SIDES)]
    ratios = []
    for chain in chains:
        # The standard length of a bone is at the joint where it ends.
        standard = STANDARD_LENGTHS[[_JOINT[name] for name in chain[1:]]].sum()
        ratios.append(np.median(_along(joints, chain)) / standard)
    return float(np.median(ratios))


def likely_unit(scale: float) -> str | None:
    """The unit in which a body so many times too large would be a person; none if meters fit."""
    if 1 / _NEAR_UNIT**2 <= scale <= _NEAR_UNIT:
        return None
    distance = {unit: abs(np.log(scale / number)) for unit, number in UNITS.items() if scale > 0}
    unit = min(distance, key=distance.__getitem__, default=None)
    return unit if unit is not None and distance[unit] <= np.log(_NEAR_UNIT) else None


def uneven_limbs(limbs: tuple[Limb, ...]) -> tuple[tuple[str, float], ...]:
    """Kinds of limb whose sides differ by more than `EVEN`, and by how many percent."""
    length = {(limb.kind, limb.side): limb.centimeters for limb in limbs}
    uneven = []
    for kind in _PAIRED:
        left, right = length[kind, "left"], length[kind, "right"]
        percent = 200 * abs(left - right) / max(left + right, 1e-9)
        if percent > EVEN:
            uneven.append((kind, percent))
    return tuple(uneven)


def _along(joints: FloatArray, chain: tuple[str, ...]) -> NDArray[np.float64]:
    """Length (T,) of a way from joint to joint."""
    way = joints[:, [_JOINT[name] for name in chain]].astype(np.float64)
    return np.asarray(np.linalg.norm(np.diff(way, axis=1), axis=2).sum(axis=1))


def _limb(kind: str, side: str, length: NDArray[np.float64], *, estimated: bool) -> Limb:
    median = float(np.median(length))
    variation = 100 * float(length.std()) / median if median > 0 else 0.0
    if kind == "height":
        median += CROWN_AND_SOLE
    least, most = PLAUSIBLE[kind]
    verdict = "ok" if variation <= RIGID else "stretches"
    if not least <= median <= most:
        verdict = "short" if median < least else "long"
    return Limb(
        kind=kind,
        side=side,
        centimeters=100 * median,
        variation=variation,
        estimated=estimated,
        verdict=verdict,
    )
