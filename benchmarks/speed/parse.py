"""Reading and preparing a `.skeleton` file beside a reader that goes line by line.

    python benchmarks/speed/parse.py                                # synthetic, 90 frames
    python benchmarks/speed/parse.py --clip S001C001P001R001A001.skeleton --write docs/benchmarks.md

The reader here converts every number of every line as it comes, the way the format is usually read;
its positions must be those of the library. Preparing is the library's in both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from report import machine, report
from rich.progress import track

from stars_infer.clip import Clip, FloatArray
from stars_infer.preparation import prepare
from stars_infer.readers import read_clip
from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text

_BODY_NAMES = ("clipped", "left", "left_sure", "right", "right_sure", "limited", "x", "y", "state")
_JOINT_NAMES = ("x", "y", "z", "dx", "dy", "cx", "cy", "ow", "ox", "oy", "oz", "state")


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clip", type=Path, action="append", help="a .skeleton file")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- parse -->")
    options = parser.parse_args()
    table = [["file", "frames", "MB/s", "line by line, ms", "library, ms", "ratio", "and prepared"]]
    with tempfile.TemporaryDirectory() as folder:
        for file in options.clip or synthetic(Path(folder)):
            table.append(measured(file, options.rounds))
    about = f"{machine('numpy')}. Medians of {options.rounds} rounds."
    report(about, table, options.write, "parse")


def synthetic(folder: Path) -> list[Path]:
    """A file of one body and one of two."""
    files = []
    for action in ("wave", "handshake"):
        file = folder / f"{action}.skeleton"
        file.write_text(skeleton_text(perform(action, np.random.default_rng(0))), encoding="ascii")
        files.append(file)
    return files


def measured(file: Path, rounds: int) -> list[str]:
    """The row of a file."""
    plain, clip = line_by_line(file), read_clip(file)
    fps = clip.fps
    if plain.shape == clip.bodies.shape and not np.allclose(plain, clip.bodies, atol=1e-4):
        sys.exit(f"error: {file}: the two readers give different positions")
    calls: dict[str, Callable[[], object]] = {
        "plain": lambda: line_by_line(file),
        "library": lambda: read_clip(file),
        "plain prepared": lambda: prepare(Clip.from_array(line_by_line(file), fps=fps)),
        "library prepared": lambda: prepare(read_clip(file)),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in track(range(rounds + 1), description=file.name, transient=True):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - began)
    took = {name: statistics.median(spent[1:]) for name, spent in times.items()}
    return [
        file.name,
        str(clip.frames),
        f"{os.path.getsize(file) / took['library'] / 1e6:.0f}",
        f"{1000 * took['plain']:.1f}",
        f"{1000 * took['library']:.1f}",
        f"{took['plain'] / took['library']:.1f}",
        f"{took['plain prepared'] / took['library prepared']:.1f}",
    ]


def line_by_line(path: Path) -> FloatArray:
    """Positions (M, T, 25, 3) of a file, every line read into a dictionary."""
    frames = []
    with path.open() as file:
        for _ in range(int(file.readline())):
            bodies = []
            for _ in range(int(file.readline())):
                values = file.readline().split()
                body = dict(zip(_BODY_NAMES, map(float, values[1:]), strict=True))
                joints = []
                for _ in range(int(file.readline())):
                    numbers = map(float, file.readline().split())
                    joints.append(dict(zip(_JOINT_NAMES, numbers, strict=True)))
                bodies.append((values[0], body, joints))
            frames.append(bodies)
    names = list(dict.fromkeys(name for bodies in frames for name, _, _ in bodies))
    positions = np.zeros((len(names), len(frames), 25, 3), np.float32)
    for number, bodies in enumerate(frames):
        for name, _, joints in bodies:
            for place, joint in enumerate(joints):
                for axis, key in enumerate("xyz"):
                    positions[names.index(name), number, place, axis] = joint[key]
    return positions


if __name__ == "__main__":
    main()
