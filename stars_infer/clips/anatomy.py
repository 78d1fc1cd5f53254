"""Measure a body and compare it with a person's: limbs, height, rigidity, unit of length.

All is measured on the 25 joints of NTU RGB+D, to which every layout is mapped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.layouts import NTU25_INDEX, NTU25_PARENTS
from stars_infer.layouts.bones import STANDARD_LENGTHS

RIGID = 15.0
"""A bone is rigid if its length varies by no more than this, in percent; with sensors, by 10."""
EVEN = 20.0
"""With sensors, left and right differ by no more than this, in percent of their mean."""
CROWN_AND_SOLE = 0.2 / 1.5
"""Height above the head joint and below the ankles, as a share of the height between them: 20 cm of
an adult of 1.70 m."""

PLAUSIBLE: Mapping[str, tuple[float, float]] = {
    "upper arm": (0.15, 0.42), "forearm": (0.13, 0.36), "thigh": (0.22, 0.62),
    "shin": (0.22, 0.55), "spine": (0.30, 0.70), "shoulder width": (0.18, 0.50),
    "hip width": (0.08, 0.45), "height": (0.80, 2.30),
}  # fmt: skip
"""Shortest and longest limbs of people, meters: from a small child to a tall adult, between the
points that sensors and motion capture take for joints, with some slack for their error."""

UNITS_PER_METER: Mapping[str, float] = {
    "millimeters": 1000.0, "centimeters": 100.0, "inches": 1 / 0.0254, "feet": 1 / 0.3048,
}  # fmt: skip
_NEAR_UNIT = 1.6
"""A body up to this factor larger or smaller than an adult can be a person."""

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
_TRUNK_BONES = [NTU25_INDEX[joint] for joint in _UPWARD[:0:-1]]
_LEG_BONES = [NTU25_INDEX[f"{side} {joint}"] for side in _SIDES for joint in ("knee", "ankle")]
"""Joints at which the bones end that make the height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limb:
    """The length of one limb of a body over a clip.

    Attributes:
        kind: A key of `PLAUSIBLE`.
        side: `left` or `right`; empty for what a body has once.
        centimeters: Median length, provided that the file is in meters.
        variation: Standard deviation in percent of the median; 0 for a rigid skeleton.
        estimated: Whether it ends at a joint that the layout lacks and that is made of others.
        verdict: `ok`, `short`, `long`, or `stretches` if it varies too much to be a bone.
    """

    kind: str
    side: str
    centimeters: float
    variation: float
    estimated: bool
    verdict: str

    @property
    def name(self) -> str:
        """Side and kind, such as `left forearm`."""
        return f"{self.side} {self.kind}".strip()

    @property
    def plausible(self) -> tuple[float, float]:
        """Shortest and longest of a person's, centimeters."""
        least, most = PLAUSIBLE[self.kind]
        return 100 * least, 100 * most


def measure_limbs(joints: FloatArray, *, synthesized: Collection[str] = ()) -> tuple[Limb, ...]:
    """Measure the limbs of one body.

    Args:
        joints: NTU-25 joints (T, 25, 3) of the frames in which the body is seen, meters.
        synthesized: NTU-25 joints that its layout lacks, as in `Layout.synthesized`.

    Returns:
        Arms and legs on both sides, spine, shoulder and hip width, and the standing height.
    """
    lengths = {key: _along(joints, chain) for key, chain in _CHAINS.items()}
    leg = sum(lengths[kind, side] for kind in ("thigh", "shin") for side in _SIDES) / 2
    lengths["height", ""] = _along(joints, _UPWARD) + leg
    ends = {key: {chain[0], chain[-1]} for key, chain in _CHAINS.items()}
    ends["height", ""] = {"head", "left ankle", "right ankle"}
    return tuple(
        _limb(
            kind,
            side,
            standing_height(joints) if kind == "height" else float(np.median(length)),
            variation=_variation(length),
            estimated=not ends[kind, side].isdisjoint(synthesized),
        )
        for (kind, side), length in lengths.items()
    )


def standing_height(joints: NDArray[np.floating]) -> float:
    """Height in meters that a body would have if it stood up straight, from its bone lengths.

    Args:
        joints: NTU-25 joints (N, 25, 3) of frames of one or several bodies.
    """
    ends = np.array(_TRUNK_BONES + _LEG_BONES)
    bones = joints[:, ends] - joints[:, np.asarray(NTU25_PARENTS)[ends]]
    lengths = median_of_rows(np.linalg.norm(bones, axis=2))
    trunk, legs = lengths[: len(_TRUNK_BONES)], lengths[len(_TRUNK_BONES) :]
    return float((trunk.sum() + legs.sum() / 2) * (1 + CROWN_AND_SOLE))


def median_of_rows(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Median over the first axis; `np.median` of few rows takes far longer than sorting them."""
    ordered, half = np.sort(values, axis=0), len(values) // 2
    return np.asarray((ordered[(len(values) - 1) // 2] + ordered[half]) / 2)


def person_scale(joints: FloatArray) -> float:
    """Size of a body (T, 25, 3) over that of a standard adult: the median ratio of its limbs."""
    chains = [_SINGLE["spine"], *(_CHAINS[kind, side] for kind in _PAIRED for side in _SIDES)]
    ratios = []
    for chain in chains:
        # The standard length of a bone is at the joint where it ends.
        standard = STANDARD_LENGTHS[[NTU25_INDEX[name] for name in chain[1:]]].sum()
        ratios.append(np.median(_along(joints, chain)) / standard)
    return float(np.median(ratios))


def likely_unit(scale: float) -> str | None:
    """Find the unit of length in which a body is of a person's size.

    Args:
        scale: How many times larger than an adult the body is if its positions are in meters.

    Returns:
        A key of `UNITS_PER_METER`; None if meters fit, or no unit does.
    """
    if 1 / _NEAR_UNIT**2 <= scale <= _NEAR_UNIT:
        return None
    if scale <= 0:
        return None
    distance = {unit: abs(np.log(scale / number)) for unit, number in UNITS_PER_METER.items()}
    unit = min(distance, key=distance.__getitem__)
    return unit if distance[unit] <= np.log(_NEAR_UNIT) else None


def uneven_limbs(limbs: tuple[Limb, ...]) -> tuple[tuple[str, float], ...]:
    """Find the kinds of limb whose sides differ by more than `EVEN`, and by how many percent."""
    length = {(limb.kind, limb.side): limb.centimeters for limb in limbs}
    uneven = []
    for kind in _PAIRED:
        left, right = length[kind, "left"], length[kind, "right"]
        percent = 200 * abs(left - right) / max(left + right, 1e-9)
        if percent > EVEN:
            uneven.append((kind, percent))
    return tuple(uneven)


def _along(joints: FloatArray, chain: tuple[str, ...]) -> NDArray[np.float64]:
    """Length (T,) of the line through a chain of joints."""
    way = joints[:, [NTU25_INDEX[name] for name in chain]].astype(np.float64)
    return np.asarray(np.linalg.norm(np.diff(way, axis=1), axis=2).sum(axis=1))


def _variation(length: NDArray[np.float64]) -> float:
    """Standard deviation over the median of lengths (T,), percent; 0 if the median is."""
    median = float(np.median(length))
    return 100 * float(length.std()) / median if median > 0 else 0.0


def _limb(kind: str, side: str, meters: float, *, variation: float, estimated: bool) -> Limb:
    least, most = PLAUSIBLE[kind]
    verdict = "ok" if variation <= RIGID else "stretches"
    if not least <= meters <= most:
        verdict = "short" if meters < least else "long"
    return Limb(
        kind=kind,
        side=side,
        centimeters=100 * meters,
        variation=variation,
        estimated=estimated,
        verdict=verdict,
    )
