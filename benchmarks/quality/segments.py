"""How right `stars segment` cuts stitched recordings, beside plainer ways, and how fast.

    python benchmarks/quality/segments.py --data DATA --write docs/segmentation-and-streaming.md

For every seed a quarter of the actions are unknown clips, five exemplars of each other action are
drawn, and recordings are stitched of other clips (see `stitching.py`). About ten minutes on one
core.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from cutting import Tally, matched, ways
from marked import write_between_marks
from rich.console import Console
from sets import EvaluationSet, known_sets
from stitching import EXEMPLARS, Task, stitched

from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, StarsError
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.segmentation.segment import SegmentOptions, segments_of
from stars_infer.segmentation.windows import WindowGrid, name_windows

SEEDS, RECORDINGS = 6, 5
OVERLAPS = (0.5, 0.25)
BINS = (0.3, 0.45, 0.6, 0.75, 0.9, 1.0)


@dataclass(slots=True)
class Score:
    """What a way gave on a set."""

    tallies: dict[float, Tally] = field(
        default_factory=lambda: {overlap: Tally(overlap) for overlap in OVERLAPS}
    )

    def row(self) -> str:
        """For the table."""
        half, quarter = (self.tallies[overlap] for overlap in OVERLAPS)
        return (
            f"{half.f1:.1f} ({half.precision:.0f} / {half.recall:.0f}), {quarter.f1:.1f}, "
            f"{100 * half.time_right / half.time:.0f}"
        )


@dataclass(slots=True)
class Measured:
    """What is known of a set at the end."""

    scores: dict[str, Score]
    sure: list[tuple[float, bool]] = field(default_factory=list)
    """Confidence of each segment of `stars segment`, and whether it was right."""
    seconds: float = 0.0
    computing: float = 0.0


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(SEEDS))
    parser.add_argument("--recordings", type=int, default=RECORDINGS, help="for each seed")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    console = Console(stderr=True, soft_wrap=True)
    try:
        encoder = Encoder.load(device="cpu")
        results = {}
        for data in stitchable(options.data, console):
            results[data.name] = measure(data, encoder, options.seeds, options.recordings)
            console.print(f"{data.name}: done")
    except StarsError as error:
        sys.exit(f"error: {error}")
    tables = {"segments": table(results), "confidence": reliability(results)}
    for name, rows in tables.items():
        print("\n".join(" | ".join(row) for row in rows), end="\n\n")
        if options.write:
            write_between_marks(options.write, name, rows)


def stitchable(root: Path, console: Console) -> Iterator[EvaluationSet]:
    """The sets of short clips of one action each; those of HDM05 are recordings themselves."""

    def left_out(error: ClipError) -> None:
        console.print(f"left out: {error}", style="yellow", markup=False)

    for data in known_sets(root, left_out):
        if data.most_shots < EXEMPLARS:
            problem = f"some action has less than {EXEMPLARS} possible exemplars"
            left_out(ClipError(data.name, problem))
        elif data.name != "HDM05":
            yield data


def measure(
    data: EvaluationSet, encoder: Encoder, seeds: Sequence[int], recordings: int
) -> Measured:
    """Stitch recordings, cut them in every way, and compare with the truth."""
    result = Measured(scores={name: Score() for name in ways()})
    grid = WindowGrid()
    for seed in seeds:
        task = stitched(data, recordings=recordings, seed=seed)
        with (
            tempfile.TemporaryDirectory() as folder,
            filled(Path(folder) / "stars.db", data, task, encoder) as index,
        ):
            for clip, truth in task.recordings:
                seconds = clip.frames / clip.fps
                before = time.process_time()
                windows = grid.windows(clip.frames, clip.fps)
                named = [w for _, w in name_windows(clip, windows, encoder, index) if w is not None]
                result.computing += time.process_time() - before
                result.seconds += seconds
                for name, way in ways().items():
                    segments = way(named, clip.fps, seconds)
                    for tally in result.scores[name].tallies.values():
                        tally.add(segments, truth, seconds)
                segments = segments_of(named, clip.fps, SegmentOptions())
                right = matched(segments, truth, OVERLAPS[0])
                result.sure += [
                    (part.confidence, good) for part, good in zip(segments, right, strict=True)
                ]
    return result


def filled(path: Path, data: EvaluationSet, task: Task, encoder: Encoder) -> ExemplarIndex:
    """An index with the exemplars of a task."""
    index = ExemplarIndex.open(path, encoder.info)
    clips = [data.clips[position] for position in task.exemplars]
    index.add(
        [
            NewExemplar(
                label=data.labels[position],
                features=features,
                source=clip.source,
                content_hash=clip.content_hash,
            )
            for position, clip, features in zip(
                task.exemplars, clips, encoder.encode(clips), strict=True
            )
        ]
    )
    return index


def table(results: dict[str, Measured]) -> list[list[str]]:
    """Rows of the table of ways."""
    return [
        ["F1 at 0.5 (precision / recall), F1 at 0.25, time right %", *results],
        *(
            [name, *(measured.scores[name].row() for measured in results.values())]
            for name in ways()
        ),
        [
            f"seconds of recording a second of computing, {EXEMPLARS} exemplars an action",
            *(f"{measured.seconds / measured.computing:.0f}" for measured in results.values()),
        ],
    ]


def reliability(results: dict[str, Measured]) -> list[list[str]]:
    """Rows of the table of what confidence is worth."""
    rows = [["confidence said", *(f"{name}: right % (of)" for name in results)]]
    for low, high in pairwise(BINS):
        cells = []
        for measured in results.values():
            right = [good for sure, good in measured.sure if low <= sure < high]
            cells.append(f"{100 * np.mean(right):.0f} ({len(right)})" if right else "–")
        rows.append([f"{low:.2f} to {high:.2f}", *cells])
    return rows


if __name__ == "__main__":
    main()
