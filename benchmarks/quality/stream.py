"""How right a stream is named, how late, and whether its memory stays flat.

    python benchmarks/quality/stream.py --data DATA --write docs/segmentation-and-streaming.md
    python benchmarks/quality/stream.py --soak 1000000 --write docs/segmentation-and-streaming.md

The first pushes stitched recordings (see `stitching.py`) frame by frame, about ten minutes on one
core; the second pushes synthetic people who act, stand, leave and come back.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from marked import write_between_marks
from rich.console import Console
from segments import filled, stitchable
from stitching import Interval, stitched

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import StarsError
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.segmentation.segment import Segment
from stars_infer.streaming.classifier import StreamClassifier
from stars_infer.streaming.options import StreamOptions
from stars_infer.synthetic.actions import SOLO_ACTIONS, perform

GRACE = 1.0
"""Seconds after the end of an action in which its label still counts."""
SOAK_EVERY = 1.0
MOMENTS = (0.1, 0.5, 1.0)
"""Shares of a soak at which memory is looked at."""


@dataclass(slots=True)
class Tally:
    """What streams of a set gave."""

    shown: int = 0
    shown_right: int = 0
    actions: int = 0
    delays: list[float] = field(default_factory=list)
    """Seconds from the beginning of an action to its label."""
    seen: list[float] = field(default_factory=list)
    """The same as a share of the action."""
    before_end: int = 0
    latencies: list[float] = field(default_factory=list)

    def add(self, labels: Sequence[Segment], truth: Sequence[Interval]) -> None:
        """Count a stream."""
        self.shown += len(labels)
        self.shown_right += sum(any(_meet(said, real) for real in truth) for said in labels)
        self.actions += len(truth)
        for real in truth:
            starts = [said.start for said in labels if _meet(said, real)]
            if starts:
                self.delays.append(max(min(starts) - real.start, 0.0))
                self.seen.append(self.delays[-1] / (real.end - real.start))
                self.before_end += min(starts) < real.end

    def cells(self) -> list[str]:
        """For the table."""
        precision, recall = self.shown_right / max(self.shown, 1), len(self.delays) / self.actions
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        half, most = 1000 * np.percentile(self.latencies, (50, 95))
        return [
            f"{100 * f1:.0f} ({100 * precision:.0f} / {100 * recall:.0f})",
            f"{self.shown / self.actions:.2f}",
            f"{np.median(self.delays):.1f}",
            f"{100 * np.median(self.seen):.0f}",
            f"{100 * self.before_end / self.actions:.0f}",
            f"{half:.0f} / {most:.0f}",
        ]


ROWS = (
    "F1 (precision / recall) of labels shown",
    "labels shown for an action",
    "seconds from its beginning to its label, median",
    "share of the action that was over by then, %, median",
    "named before its end, %",
    "latency of an answer, ms, p50 / p95",
)


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with the known sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(2))
    parser.add_argument("--recordings", type=int, default=5, help="for each seed")
    parser.add_argument("--soak", type=int, help="push so many frames and look at memory")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    if options.data is None and options.soak is None:
        parser.error("name the folder with the known sets, --data, or frames to push, --soak")
    try:
        encoder = Encoder.load(device="cpu")
        tables = {}
        if options.data is not None:
            tables["stream"] = quality(options.data, encoder, options.seeds, options.recordings)
        if options.soak is not None:
            tables["soak"] = soak(encoder, options.soak)
    except StarsError as error:
        sys.exit(f"error: {error}")
    for name, rows in tables.items():
        print("\n".join(" | ".join(row) for row in rows), end="\n\n")
        if options.write:
            write_between_marks(options.write, name, rows)


def quality(root: Path, encoder: Encoder, seeds: Sequence[int], recordings: int) -> list[list[str]]:
    """Rows of the table of streams of stitched recordings."""
    columns: dict[str, list[str]] = {}
    for data in stitchable(root, Console(stderr=True, soft_wrap=True)):
        tally = Tally()
        for seed in seeds:
            task = stitched(data, recordings=recordings, seed=seed)
            with tempfile.TemporaryDirectory() as folder, filled(
                Path(folder) / "stars.db", data, task, encoder
            ) as index:  # fmt: skip
                for clip, truth in task.recordings:
                    every = StreamOptions(live=False)  # right or wrong, whatever else runs here
                    classifier = StreamClassifier(encoder, index, layout=clip.layout, how=every)
                    tally.add(list(_labels(classifier, clip, tally.latencies)), truth)
        columns[data.name] = tally.cells()
    return [
        ["", *columns],
        *([row, *(cells[number] for cells in columns.values())] for number, row in enumerate(ROWS)),
    ]


def _labels(classifier: StreamClassifier, clip: Clip, latencies: list[float]) -> Iterator[Segment]:
    """From when to when each label was shown."""
    label, since = None, 0.0
    for number in range(clip.frames):
        answer = classifier.push(clip.bodies[:, number], number / clip.fps)
        if answer is None:
            continue
        latencies.append(answer.latency)
        if answer.changed:
            if label is not None:
                yield Segment(
                    start=since, end=answer.time, label=label, confidence=1.0, similarity=1.0
                )
            label, since = answer.label, answer.time
    if label is not None:
        end = clip.frames / clip.fps
        yield Segment(start=since, end=end, label=label, confidence=1.0, similarity=1.0)


def _meet(said: Segment, real: Interval) -> bool:
    return said.label == real.label and said.start < real.end + GRACE and said.end > real.start


def soak(encoder: Encoder, frames: int) -> list[list[str]]:
    """Rows of the table of memory over a long stream."""
    random = np.random.default_rng(0)
    resident, latencies = {}, []
    marks = {max(1, round(share * frames)): share for share in MOMENTS}
    with tempfile.TemporaryDirectory() as folder, ExemplarIndex.open(
        Path(folder) / "stars.db", encoder.info
    ) as index:  # fmt: skip
        for action in SOLO_ACTIONS:
            clips = [Clip.from_array(perform(action, random)) for _ in range(3)]
            index.add(
                [
                    NewExemplar(
                        label=action,
                        features=features,
                        source=action,
                        content_hash=clip.content_hash,
                    )
                    for clip, features in zip(clips, encoder.encode(clips), strict=True)
                ]
            )
        classifier = StreamClassifier(encoder, index, how=StreamOptions(interval=SOAK_EVERY))
        began = time.perf_counter()
        for number, (frame, moment) in enumerate(_endless(random), start=1):
            answer = classifier.push(frame, moment)
            if answer is not None:
                latencies.append(np.float32(answer.latency))
            if number in marks:
                resident[marks[number]] = _resident()
            if number == frames:
                break
        took = time.perf_counter() - began
    half, most = 1000 * np.percentile(latencies, (50, 95))
    return [
        ["frames", "answers", "memory after", "latency, ms, p50 / p95", "frames a second"],
        [
            f"{frames:,}",
            f"{len(latencies):,}",
            ", ".join(f"{share:.0%}: {resident[share] / 1024:.1f} MiB" for share in MOMENTS),
            f"{half:.1f} / {most:.1f}",
            f"{frames / took:,.0f}",
        ],
    ]


def _endless(random: np.random.Generator) -> Iterator[tuple[FloatArray, float]]:
    """Frames of people who act, stand still, lose joints, and go away; times that jitter."""
    names, now = list(SOLO_ACTIONS), 0.0
    while True:
        joints = perform(random.choice(names), random)[0]
        standing = joints[-1] + random.normal(0, 0.003, (30, *joints.shape[1:]))
        nobody = np.zeros((random.integers(0, 20), *joints.shape[1:]))
        joints[random.integers(0, len(joints), 5), random.integers(0, 25, 5)] = np.nan
        for frame in np.concatenate((joints, standing, nobody)).astype(np.float32):
            now += max(0.001, random.normal(1 / 30, 0.005))
            yield frame, now


def _resident() -> float:
    """Memory of this process that lies in RAM, KiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


if __name__ == "__main__":
    main()
