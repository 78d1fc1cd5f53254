"""How well clips in 2D are named by examples in 2D: the known sets, as a camera sees them.

    python benchmarks/quality/flat.py --data DATA --write docs/quality.md

Clips are turned about the vertical, projected by a camera at the height of the chest whose picture
is 1080 pixels high and holds the body twice, rounded to whole pixels, and read with `flat=True`.
About ten minutes on one core.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from marked import write_between_marks
from rich.console import Console
from rich.table import Table
from robustness import SHOTS, left_out, named
from sets import EvaluationSet, known_sets

from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.preprocessing.normalize import face_camera
from stars_infer.preprocessing.prepare import to_ntu25

SETS = ("UTD-MHAD", "MSR-Action3D")
DISTANCE = 3.0
"""Meters from the camera to the body, where a Kinect stands."""
FOCAL = 1080 / 3.4 * DISTANCE
"""Pixels; at this distance the picture is 3.4 m high."""
JITTER = 3.0
"""Pixels; deviation of a point on each axis, which is a centimeter here."""
VIEWS: tuple[tuple[str, float, float, float], ...] = (
    ("frontal, asked frontal", 0, 0, 0.0),
    ("frontal, asked frontal, jitter of 3 pixels", 0, 0, JITTER),
    ("frontal, asked from 20° aside", 0, 20, 0.0),
    ("frontal, asked from 45° aside", 0, 45, 0.0),
    ("frontal, asked from the side", 0, 90, 0.0),
    ("45° aside, asked from 45° aside", 45, 45, 0.0),
    ("from the side, asked from the side", 90, 90, 0.0),
)
"""Name of a row; degrees by which exemplars and asked clips are turned; jitter, pixels."""


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="name or directory; the shipped encoder if not given")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    encoder = Encoder.load(options.model, device="cpu")
    sets = [data for data in known_sets(options.data, left_out) if data.name in SETS]
    rows = [["accuracy %, 1 / 2 / 5 shots", *(data.name for data in sets)]]
    rows.append(["in 3D", *(_accuracy(data, data.clips, data.clips, encoder) for data in sets)])
    for name, taught, asked, jitter in VIEWS:
        cells = [
            _accuracy(data, seen(data, taught, 0.0), seen(data, asked, jitter), encoder)
            for data in sets
        ]
        rows.append([f"in 2D, {name}", *cells])
    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*row)
    Console().print(table)
    if options.write:
        write_between_marks(options.write, "flat", rows)


def seen(data: EvaluationSet, degrees: float, jitter: float) -> list[Clip]:
    """All clips of a set as a camera sees them, in pixels, and read as flat clips."""
    random = np.random.default_rng(0)
    return [_seen(clip, np.deg2rad(degrees), jitter, random) for clip in data.clips]


def _seen(clip: Clip, angle: float, jitter: float, random: np.random.Generator) -> Clip:
    body = to_ntu25(clip.bodies[:1], clip.layout)
    body = face_camera(body)[0][clip.presence[0]]
    body = body - body[0, 1]
    cosine, sine = np.cos(angle), np.sin(angle)
    x, z = cosine * body[..., 0] + sine * body[..., 2], cosine * body[..., 2] - sine * body[..., 0]
    scale = FOCAL / np.maximum(DISTANCE + z, 0.5)
    pixels = np.stack((960 + scale * x, 540 - scale * body[..., 1]), axis=-1)
    pixels = np.round(pixels + random.normal(0, jitter, pixels.shape) if jitter else pixels)
    made = Clip.from_array(pixels, flat=True, fps=clip.fps, source=clip.source)
    return replace(made, notes=())


def _accuracy(data: EvaluationSet, taught: list[Clip], asked: list[Clip], encoder: Encoder) -> str:
    exemplars, queries = np.flatnonzero(data.exemplar), np.flatnonzero(data.query)
    scores = named(
        [taught[at] for at in exemplars],
        [data.labels[at] for at in exemplars],
        [asked[at] for at in queries],
        [data.labels[at] for at in queries],
        encoder,
    )
    return " / ".join(f"{scores[n].mean:.1f}" for n in SHOTS)


if __name__ == "__main__":
    main()
