"""How often `--up auto` finds the axis that points up, and a note tells of a wrong one.

    python benchmarks/quality/upright.py --data DATA --write docs/sources.md

All clips of the known sets and archives, with each of six axes up, people who lie, crawl or stand
on their hands among them. About five minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from marked import write_between_marks
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sets import SPLITS

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.convention import UP_AXES, Convention, turn_of
from stars_infer.clips.plausibility import doubts
from stars_infer.clips.upright import find_up
from stars_infer.errors import ClipError
from stars_infer.layouts import NTU25
from stars_infer.preprocessing.prepare import center_actors
from stars_infer.readers.files import clip_files, read_clip
from stars_infer.train.datasets.sources import Windows, clips_of

WHOLE = Windows(seconds=0, shortest=0.1)


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    rows = [
        ["clips, each with six axes up", "found", "a wrong axis is told", "a right one doubted"]
    ]
    total = np.zeros(4, int)
    for name, clips in sets(options.data):
        counts = np.zeros(4, int)
        for source, bodies in clips:
            one = counted(bodies)
            if one[1] < len(UP_AXES):
                Console(stderr=True).print(Text(f"wrong: {source}"))
            counts += one
        if counts[0]:
            rows.append(_row(f"{name}: {counts[0]:,}", counts))
            total += counts
    rows.append(_row(f"all: {total[0]:,}", total))
    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*row)
    Console().print(table)
    if options.write:
        write_between_marks(options.write, "upright", rows)


def sets(root: Path) -> Iterator[tuple[str, Iterator[tuple[str, FloatArray]]]]:
    """The sets and archives in a folder: their names, and their clips (M, T, 25, 3)."""
    for split in SPLITS:
        if (root / split.folder).is_dir():
            yield split.name, _clips(root / split.folder, split.layout)
    for archive in sorted((root / "mocap").glob("*.npz")):
        found = clips_of(archive, layout=None, windows=WHOLE, skip=_left_out)
        yield archive.stem, ((clip.source, clip.actors) for clip in found)


def _clips(folder: Path, layout: str | None) -> Iterator[tuple[str, FloatArray]]:
    for path in clip_files([folder]):
        try:
            yield str(path), center_actors(read_clip(path, layout=layout))
        except ClipError as error:
            _left_out(error)


def _left_out(error: ClipError) -> None:
    Console(stderr=True, soft_wrap=True).print(Text(f"left out: {error}", style="yellow"))


def counted(bodies: FloatArray) -> np.ndarray:
    """For one clip: 1, axes that are found, wrong axes that are told, and right ones doubted."""
    presence: BoolArray = np.asarray(bodies.any(axis=(2, 3)))
    found = told = doubted = 0
    for up in UP_AXES:
        axes, signs = turn_of(Convention(up=up))
        turned = np.zeros_like(bodies)  # as a source with this axis up has it
        for axis, (of, sign) in enumerate(zip(axes, signs, strict=True)):
            turned[..., of] = sign * bodies[..., axis]
        found += find_up(turned, presence, layout=NTU25) == up
        said = doubts(turned, presence, layout=NTU25, convention=Convention(up="y", units="m"))
        noted = any("pass --up" in note for note in said)
        told += noted and up != "y"
        doubted += noted and up == "y"
    return np.array([1, found, told, doubted])


def _row(name: str, counts: np.ndarray) -> list[str]:
    clips = counts[0]
    wrong = len(UP_AXES) - 1
    shares = (counts[1] / len(UP_AXES), counts[2] / wrong, counts[3])
    return [name, *(f"{100 * share / clips:.1f} %" for share in shares)]


if __name__ == "__main__":
    main()
