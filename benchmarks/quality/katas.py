"""How well `stars segment` finds the elements of karate katas: one movement flows into the next.

    python benchmarks/quality/katas.py --data DATA

DATA holds `karate/*.npz`. Unlike the recordings of `segments.py`, these are not stitched: nobody
rests between two elements or comes back to where an element began. Exemplars are those of
`karate.py`, and nothing was chosen on these recordings. About a minute on one core.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from cutting import Tally
from karate import SHOTS, TRUNK, Element, elements_of, joints_of
from rich.console import Console
from rich.table import Table
from stitching import Interval

from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.segmentation.segment import segment

OVERLAPS = (0.5, 0.25)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with karate/")
    options = parser.parse_args()
    encoder = Encoder.load(device="cpu")
    files = sorted((options.data / "karate").glob("*.npz"))
    elements = {file: list(elements_of(file)) for file in files}
    table = Table("kata", "recordings", "elements", "F1 at 0.5", "F1 at 0.25", "any element, 0.5")
    for kata in sorted({one.kata for some in elements.values() for one in some}):
        own = [file for file in files if any(one.kata == kata for one in elements[file])]
        table.add_row(kata, *measure({file: elements[file] for file in own}, encoder))
    Console().print(table)


def measure(elements: dict[Path, list[Element]], encoder: Encoder) -> list[str]:
    """Every other recording teaches; the others are cut, and compared with what was taught."""
    taught = [one for file in list(elements)[::2] for one in elements[file]]
    labels = [one.label for one in taught]
    known = {label for label in labels if labels.count(label) >= max(SHOTS)}
    index = ExemplarIndex.in_memory(encoder.info)
    kept = [one for one in taught if one.label in known]
    features = encoder.encode([one.clip for one in kept])
    index.add(
        [
            NewExemplar(
                label=one.label,
                features=item,
                source=one.clip.source,
                content_hash=one.clip.content_hash,
            )
            for one, item in zip(kept, features, strict=True)
        ]
    )
    named = {overlap: Tally(overlap) for overlap in OVERLAPS}
    placed = Tally(OVERLAPS[0])
    asked = list(elements)[1::2]
    for file in asked:
        recording, truth = recording_of(file, elements[file], known)
        found = segment(recording, encoder, index)
        seconds = recording.frames / recording.fps
        for tally in named.values():
            tally.add(found, truth, seconds)
        placed.add(
            [replace(one, label="") for one in found],
            [replace(one, label="") for one in truth],
            seconds,
        )
    return [
        str(len(asked)),
        str(placed.true),
        *(f"{named[overlap].f1:.1f}" for overlap in OVERLAPS),
        f"{placed.f1:.1f}",
    ]


def recording_of(
    file: Path, elements: list[Element], known: set[str]
) -> tuple[Clip, list[Interval]]:
    """A whole recording, and when its known elements take place."""
    with np.load(file, allow_pickle=False) as arrays:
        values: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    joints, fps = joints_of(values), float(values["fps"])
    trunk = np.median(np.linalg.norm(joints[:, 20] - joints[:, 0], axis=1))
    clip = Clip.from_array(
        joints * np.float32(TRUNK / trunk), layout="ntu25", fps=fps, source=file.name
    )
    numbers = values["elements"].astype(str)
    truth = []
    for one in elements:
        frames = np.flatnonzero(numbers == one.label)
        if one.label in known:
            span = Interval(start=frames[0] / fps, end=(frames[-1] + 1) / fps, label=one.label)
            truth.append(span)
    return clip, truth


if __name__ == "__main__":
    main()
