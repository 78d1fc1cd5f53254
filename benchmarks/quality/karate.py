"""Few-shot accuracy on elements of karate katas, seen by MediaPipe: no setting was chosen on them.

    python benchmarks/quality/karate.py --data DATA

DATA holds `karate/*.npz`. Every kata is a set of its own: its elements are the actions, exemplars
come from every other recording, and the rest is asked. Bodies are scaled to a trunk of half a
meter, because the scale of the recordings varies. About ten seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.evaluation.fewshot import LabeledClips, evaluate

SHOTS = (1, 2)
ROLES = (
    "SpineBase", "SpineMid", "Neck", "Head", "ShoulderLeft", "ElbowLeft", "WristLeft", "HandLeft",
    "ShoulderRight", "ElbowRight", "WristRight", "HandRight", "HipLeft", "KneeLeft", "AnkleLeft",
    "FootLeft", "HipRight", "KneeRight", "AnkleRight", "FootRight", "SpineShoulder", "HandTipLeft",
    "ThumbLeft", "HandTipRight", "ThumbRight",
)  # fmt: skip
"""Joints in NTU-25 order."""
BETWEEN = (
    ("SpineShoulder", "ShoulderLeft", "ShoulderRight"),
    ("SpineBase", "HipLeft", "HipRight"),
    ("SpineMid", "SpineBase", "SpineShoulder"),
    ("Neck", "SpineShoulder", "Head"),
    ("HandTipLeft", "HandLeft", "HandLeft"),
    ("ThumbLeft", "HandLeft", "HandLeft"),
    ("HandTipRight", "HandRight", "HandRight"),
    ("ThumbRight", "HandRight", "HandRight"),
)
"""Joints that MediaPipe does not see, and between which they lie."""
TRUNK = 0.5
SHORTEST, PLAUSIBLE = 12, 0.7
"""Fewest frames of an element, and share of them that must have plausible bones."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Element:
    """One element of one recording."""

    clip: Clip
    kata: str
    label: str
    recording: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with karate/")
    options = parser.parse_args()
    encoder = Encoder.load(device="cpu")
    elements = [
        element
        for file in sorted((options.data / "karate").glob("*.npz"))
        for element in elements_of(file)
    ]
    table = Table("kata", "elements", "exemplars", "queries", "accuracy %, 1 / 2 shots")
    for kata in sorted({element.kata for element in elements}):
        clips = split([element for element in elements if element.kata == kata], encoder)
        scores = evaluate(clips, shots=SHOTS)
        table.add_row(
            kata,
            str(len(set(clips.labels))),
            str(int(clips.exemplar.sum())),
            str(int(clips.query.sum())),
            " / ".join(f"{scores[n].mean:.1f}" for n in SHOTS),
        )
    Console().print(table)


def elements_of(file: Path) -> Iterator[Element]:
    """Cut a recording into its elements."""
    with np.load(file, allow_pickle=False) as arrays:
        values: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    joints = joints_of(values)
    numbers = values["elements"].astype(str)
    for number in np.unique(numbers):
        frames = np.flatnonzero(numbers == number)
        if not number or len(frames) < SHORTEST or values["ok"][frames].mean() < PLAUSIBLE:
            continue
        part = joints[frames[0] : frames[-1] + 1]
        trunk = np.median(np.linalg.norm(part[:, 20] - part[:, 0], axis=1))
        clip = Clip.from_array(
            (part - part[:1, :1]) * np.float32(TRUNK / trunk),
            layout="ntu25",
            fps=float(values["fps"]),
            source=f"{file.name}, element {number}",
        )
        yield Element(clip=clip, kata=str(values["kata"]), label=number, recording=file.stem)


def joints_of(values: dict[str, Any]) -> FloatArray:
    """Joints of a recording in NTU-25 order, (T, 25, 3), of what its file holds."""
    positions, roles = values["positions"], [str(role) for role in values["joint_roles"]]
    known = {role: positions[:, place] for place, role in enumerate(roles) if role}
    for role, one, other in BETWEEN:
        known.setdefault(role, (known[one] + known[other]) / 2)
    return np.stack([known[role] for role in ROLES], axis=1).astype(np.float32)


def split(elements: list[Element], encoder: Encoder) -> LabeledClips:
    """Every other recording teaches; elements with too few exemplars, or no query, are left out."""
    taught = set(sorted({element.recording for element in elements})[::2])

    def places(label: str, *, teach: bool) -> int:
        return sum(one.label == label and (one.recording in taught) == teach for one in elements)

    kept = [
        one
        for one in elements
        if places(one.label, teach=True) >= max(SHOTS) and places(one.label, teach=False)
    ]
    exemplar = [one.recording in taught for one in kept]
    return LabeledClips.of_features(
        encoder.encode([one.clip for one in kept], query=True),
        [one.label for one in kept],
        exemplar=exemplar,
        query=[not used for used in exemplar],
        comparison=encoder.info.comparison,
    )


if __name__ == "__main__":
    main()
