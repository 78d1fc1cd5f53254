"""Read and prepare `.skeleton` files, one and many, beside a reader that goes line by line.

    python benchmarks/speed/parse.py                                # synthetic, 90 frames
    python benchmarks/speed/parse.py --clip S001C001P001R001A001.skeleton --write docs/benchmarks.md

The reader here converts every number of every line as it comes, and prepares clips in the plain
steps of the papers, as public code does: it chooses the two bodies that move most, centers them
frame by frame, crops, and resizes to 120 frames. Unlike the library, it does not fill in, check or
denoise anything. Both must give the same positions and, for a clip of one body, the same prepared
clip.

`np.fromstring` converts all numbers in the lines of the joints; it shows how fast NumPy reads them.

Each reader reads a file five times in a row before it is the turn of the next, since in use files
are read one after the other. An encoder is loaded, as it is in use. Times are processor time, on
which other work has little influence.

Many files are read and prepared for comparison as `stars classify` does it, the same files several
times, by one process and then by one process for each core, started anew. How busy they keep the
cores is their processor time, including their start, over that of all cores less what the host took
(steal).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path

import numpy as np
from report import machine, report, stolen_time
from rich.progress import track

from stars_infer.arrays import FloatArray
from stars_infer.embedding.files import embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError
from stars_infer.machine import usable_cores
from stars_infer.preprocessing.prepare import CENTER_JOINT, prepare
from stars_infer.readers.files import read_clip
from stars_infer.synthetic.actions import ACTIONS, perform
from stars_infer.synthetic.files import skeleton_text

_IN_A_ROW = 5
_BODY_NAMES = ("clipped", "left", "left_sure", "right", "right_sure", "limited", "x", "y", "state")
_JOINT_NAMES = ("x", "y", "z", "dx", "dy", "cx", "cy", "ow", "ox", "oy", "oz", "state")
_FRAMES, _CROP = 120, 0.9


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clip", type=Path, action="append", help="a .skeleton file")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--files", type=int, default=400, help="files in the table of many")
    parser.add_argument("--times", type=int, default=5, help="how often each of them is read")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- parse -->")
    options = parser.parse_args()
    head = ["file", "frames", "MB/s", "NumPy's, MB/s", "line by line, ms", "library, ms", "ratio"]
    table = [[*head, "and prepared"]]
    encoder = Encoder.load()
    with tempfile.TemporaryDirectory() as folder:
        for file in options.clip or synthetic(Path(folder), 2, ("wave", "handshake")):
            table.append(measured(file, options.rounds))
        files = synthetic(Path(folder), options.files, ACTIONS)
        many = many_files(encoder, files * options.times)
    about = f"{machine('numpy')}. Medians of {options.rounds} rounds."
    report(about, table, options.write, "parse")
    report(machine("numpy"), many, options.write, "parse-many")


def synthetic(folder: Path, count: int, actions: tuple[str, ...]) -> list[Path]:
    """So many files of actions in turn, of one and of two bodies."""
    files = []
    for number in range(count):
        file = folder / f"{actions[number % len(actions)]}-{number}.skeleton"
        joints = perform(actions[number % len(actions)], np.random.default_rng(number))
        file.write_text(skeleton_text(joints), encoding="ascii")
        files.append(file)
    return files


def measured(file: Path, rounds: int) -> list[str]:
    """The row of a file."""
    check_alike(file)
    numbers = joint_lines(file)
    calls: dict[str, Callable[[], object]] = {
        "numpy": lambda: np.fromstring(numbers, sep=" "),
        "plain": lambda: line_by_line(file),
        "library": lambda: read_clip(file),
        "plain prepared": lambda: plainly_prepared(line_by_line(file)),
        "library prepared": lambda: prepare(read_clip(file)),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in track(range(rounds + 1), description=file.name, transient=True):
        for name, call in calls.items():
            for _ in range(_IN_A_ROW):
                began = time.thread_time()
                call()
                times[name].append(time.thread_time() - began)
    took = {name: statistics.median(spent[_IN_A_ROW:]) for name, spent in times.items()}
    return [
        file.name,
        str(read_clip(file).frames),
        f"{os.path.getsize(file) / took['library'] / 1e6:.0f}",
        f"{len(numbers) / took['numpy'] / 1e6:.0f}",
        f"{1000 * took['plain']:.1f}",
        f"{1000 * took['library']:.1f}",
        f"{took['plain'] / took['library']:.1f}",
        f"{took['plain prepared'] / took['library prepared']:.1f}",
    ]


def check_alike(file: Path) -> None:
    """Stop where the two readers, or the two ways to prepare one body, differ."""
    plain, clip = line_by_line(file), read_clip(file)
    if plain.shape == clip.bodies.shape and not np.allclose(plain, clip.bodies, atol=1e-4):
        sys.exit(f"error: {file}: the two readers give different positions")
    if len(plain) == 1 and not np.allclose(plainly_prepared(plain), prepare(clip), atol=1e-4):
        sys.exit(f"error: {file}: prepared clips differ")


def many_files(encoder: Encoder, paths: list[Path]) -> list[list[str]]:
    """Rows of one process and of one a core: seconds, clips a second, how busy the cores are."""
    cores = usable_cores()
    rows = [["processes", "clips", "s", "clips/s", "ratio", "cores kept busy"]]
    alone = 0.0
    others = set(active_children())
    for workers in dict.fromkeys((1, cores)):
        began, before, stolen = time.perf_counter(), processor_time(), stolen_time()
        clips = embed_files(encoder, paths, skip=fail, query=True, workers=workers)
        count = sum(1 for _ in clips)
        took = time.perf_counter() - began
        had = took * cores - (stolen_time() - stolen)
        while set(active_children()) - others:  # whose time counts once they have ended
            time.sleep(0.01)
        busy = (processor_time() - before) / had
        alone = alone or took
        row = str(workers), f"{count:,}", f"{took:.2f}", f"{count / took:.0f}"
        rows.append([*row, f"{alone / took:.2f}", f"{busy:.0%} of {cores}"])
    return rows


def processor_time() -> float:
    """Seconds of processor time of this process and of those it started that have ended."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system


def fail(error: ClipError) -> None:
    """No file here is damaged."""
    sys.exit(f"error: {error}")


def joint_lines(path: Path) -> str:
    """The numbers of all joints, for a parser that knows nothing but numbers."""
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    return "".join(line for line in lines if len(line.split()) == len(_JOINT_NAMES))


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


def plainly_prepared(bodies: FloatArray) -> FloatArray:
    """Prepare positions (M, T, 25, 3) in the papers' steps: (1 or 2, 120, 25, 3)."""
    moving = sorted(bodies, key=lambda joints: -float(joints[joints.any(axis=(1, 2))].std()))
    actors = np.stack(moving[:2])
    actors = actors[:, actors.any(axis=(0, 2, 3))]
    first = int(np.argmax(actors[0].any(axis=(1, 2))))
    origin = actors[0, first, CENTER_JOINT].copy()
    for joints in actors:
        for frame in joints:
            if frame.any():
                frame -= origin
    length = actors.shape[1]
    bias = int((1 - _CROP) * length / 2)
    cropped = actors[:, bias : length - bias]
    at = ((np.arange(_FRAMES) + 0.5) * cropped.shape[1] / _FRAMES - 0.5).clip(
        0, cropped.shape[1] - 1
    )
    before = at.astype(int)
    after = np.minimum(before + 1, cropped.shape[1] - 1)
    share = (at - before).astype(np.float32)[:, None, None]
    return np.asarray(cropped[:, before] * (1 - share) + cropped[:, after] * share)


if __name__ == "__main__":
    main()
