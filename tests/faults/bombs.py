"""Small files that ask for much memory or time, and large ones at their densest; run to measure.

`python -m tests.faults.bombs` reads each in a process of its own and prints the peak of its memory
beside the bound of docs/reliability.md: 20 times the file and 200 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from stars_infer.layouts import get_layout
from tests.stars_infer.readers.test_bvh import bvh_text, person

TIMES, BESIDE = 20, 200_000_000
"""Bytes of memory for each byte of a file, and beside them."""
SECONDS_A_MEGABYTE, SECONDS = 3.0, 5.0
_ROOM = 12 << 30
"""Address space of the process, so that the machine is never in danger."""
KINECT = get_layout("kinect20").joints

_READ = """
import json, resource, sys, time
from stars_infer.errors import StarsError
from stars_infer.readers.files import read_clip, read_clips
for package in ("pyarrow.parquet", "h5py", "c3d", "scipy"):
    try: __import__(package)
    except ImportError: pass
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
before, began, clips, refused = peak(), time.process_time(), 0, []
try:
    for clip in read_clips(sys.argv[1], skip=lambda error: refused.append(str(error))): clips += 1
    if refused and "20,000 a clip" in refused[0]:
        refused.clear()
        read_clip(sys.argv[1], recording=True)
        clips += 1
    escaped = ""
except StarsError as error:
    refused.append(str(error))
    escaped = ""
except BaseException as error:
    escaped = f"{type(error).__name__}: {error}"
print(json.dumps({"memory": peak() - before, "seconds": time.process_time() - began,
                  "clips": clips, "refused": refused[:1], "escaped": escaped}))
"""


def measure(path: Path) -> dict[str, Any]:
    """Read a file in a process of its own: its peak memory, seconds, and what came of it."""
    limit = f'ulimit -v {_ROOM // 1024}; exec "$0" -c "$1" "$2"'
    done = subprocess.run(
        ["bash", "-c", limit, sys.executable, _READ, str(path)],
        capture_output=True, text=True, timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {"memory": _ROOM, "seconds": 0.0, "clips": 0, "refused": [],
                "escaped": f"ended by {done.returncode}: {done.stderr[-200:]}"}  # fmt: skip


def bound(path: Path) -> int:
    """Bytes of memory that reading a file may take."""
    return TIMES * path.stat().st_size + BESIDE


def _array_header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    import io

    written = io.BytesIO()
    npy.write_array_header_1_0(written, {"descr": kind, "fortran_order": False, "shape": shape})
    return written.getvalue()


def _zeros_in(path: Path, members: dict[str, tuple[tuple[int, ...], str]]) -> None:
    """An archive of arrays of zeros, written without holding them."""
    piece = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (shape, kind) in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(_array_header(shape, kind))
                left = int(np.prod(shape)) * np.dtype(kind).itemsize
                while left > 0:
                    left -= file.write(piece[:left])


def _skeleton(frames: int, bodies: Callable[[int], list[int]]) -> str:
    joint = " ".join(["1"] * 12) + "\n"
    rows = [f"{frames}\n"]
    for frame in range(frames):
        ids = bodies(frame)
        rows.append(f"{len(ids)}\n")
        rows += [f"{one} 0 0 0 0 0 0 0 0 0\n25\n{joint * 25}" for one in ids]
    return "".join(rows)


def _crowd(frames: int, people: int) -> str:
    return json.dumps({"layout": "kinect20", "frames": [
        {"bodies": [[[(b * 7 + j) % 9, (b * 3 + t) % 7, j % 5 + 1] for j in range(20)]
                    for b in range(people)]} for t in range(frames)
    ]}, separators=(",", ":"))  # fmt: skip


def _passers_by(frames: int, people: int) -> str:
    """One person a frame, each with an identity of its own for a while."""
    body = [[j % 9, j % 7, j % 5 + 1] for j in range(20)]
    return json.dumps({"layout": "kinect20", "frames": [
        {"ids": [t * people // frames], "bodies": [body]} for t in range(frames)
    ]}, separators=(",", ":"))  # fmt: skip


def _table(rows: int, cell: str = "1", separator: str = ",") -> str:
    joints = [name.replace(separator, "_") for name in KINECT]
    names = separator.join(f"{name}_{axis}" for name in joints for axis in "xyz")
    row = separator.join([cell] * 60) + "\n"
    return names + "\n" + row * rows


def _mvnx(frames: int) -> str:
    from tests.stars_infer.readers.mocap_files import XSENS

    segments = "".join(f'<segment label="{name}"/>' for name in XSENS)
    frame = f'<frame type="normal"><position>{" ".join(["1"] * 3 * len(XSENS))}</position></frame>'
    return f'<mvnx><subject frameRate="60"><segments>{segments}</segments><frames>' \
           f"{frame * frames}</frames></subject></mvnx>"  # fmt: skip


def _trc(frames: int, labels: int = 20) -> str:
    head = "PathFileType\t4\n\n\nFrame#\tTime\t" + "\t\t\t".join(KINECT[:labels]) + "\n\n"
    row = "\t".join(["1"] * (2 + 3 * labels)) + "\n"
    return head + row * frames


def _bvh_without_channels(frames: int, joints: int) -> str:
    """A long chain that does not turn: many joints from two bytes a frame."""
    head = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n"
    chain = "".join(f"JOINT j{n}\n{{\nOFFSET 0 1 0\nCHANNELS 0\n" for n in range(joints))
    return f"{head}{chain}{'}' * joints}}}\nMOTION\nFrames: {frames}\nFrame Time: 0.033\n" \
        + "1\n" * frames  # fmt: skip


def _person(values: np.ndarray) -> str:
    return bvh_text(person(), values)[0]


def _parquet(path: Path, rows: int, *, text: str = "") -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {f"{name}_{axis}": np.ones(rows) for name in KINECT for axis in "xyz"}
    if text:
        columns["note"] = pa.array([text] * rows).dictionary_encode()
    parquet.write_table(pa.table(columns), path, compression="zstd")


def _h5(path: Path, frames: int) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("tracks", (frames, 1, 25, 3), "f8", chunks=(4096, 1, 25, 3),
                            compression="gzip", fillvalue=1.0)  # fmt: skip


def _c3d(path: Path, frames: int) -> None:
    from tests.stars_infer.readers.mocap_files import c3d_file

    points = np.ones((frames, 20, 3), np.float32)
    path.write_bytes(c3d_file(list(KINECT), points))


def _clips_of_one_array(number: int) -> bytes:
    joints = np.random.default_rng(0).normal(size=(1, 2000, 25, 3)).astype(np.float32)
    return pickle.dumps([{"frame_dir": str(n), "keypoint": joints} for n in range(number)])


Write = Callable[[Path], object]


def _text(make: Callable[[], str]) -> Write:
    return lambda path: path.write_text(make(), encoding="utf-8")


def _bytes(make: Callable[[], bytes]) -> Write:
    return lambda path: path.write_bytes(make())


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(_array_header((1_000_000, 25, 3)))
        file.truncate(len(_array_header((1_000_000, 25, 3))) + 300 * 1_000_000)


def _packed_zeros() -> bytes:
    """512 MB of zeros as a variable of MATLAB."""
    packer = zlib.compressobj(9)
    part = b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return head + struct.pack("<II", 15, len(part)) + part


def _scene(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A small glTF file with a change to its description."""
    from tests.stars_infer.readers.scene_files import gltf_of, motion

    made = gltf_of(motion(frames=4))
    change(made.facts)
    return {"binary": made.binary(), "text": made.text()}


def _keys_of_zeros(keys: int) -> bytes:
    from tests.stars_infer.readers.scene_files import fbx_of, motion

    made = fbx_of(motion(frames=4))
    zeros = np.zeros(keys, "<i8")
    made.add("AnimationCurve", "", "", (), [("KeyTime", zeros), ("KeyValueFloat", zeros)])
    return bytes(made.binary())


BOMBS: dict[str, Write] = {
    "zeros.mat": _bytes(_packed_zeros),
    "keys of zeros.fbx": _bytes(lambda: _keys_of_zeros(20_000_000)),
    "keys that are nowhere.glb": _bytes(lambda: _scene(lambda facts: facts["accessors"].__setitem__(
        1, {"componentType": 5126, "count": 100_000_000, "type": "VEC4"}))["binary"]),
    "takes of the same keys.gltf": _bytes(lambda: _scene(lambda facts: facts.update(
        animations=facts["animations"] * 400))["text"]),
    "memo of 200,000,000 entries.pkl": _bytes(
        lambda: b"\x80\x04Nr" + struct.pack("<I", 200_000_000) + b"."),
    "memo by text.pkl": _bytes(lambda: b"Np200000000\n."),
    "bytes of 40 GB.pkl": _bytes(lambda: b"\x80\x04\x8e" + struct.pack("<Q", 40 << 30) + b"x."),
    "byte array of 3 GB.pkl": _bytes(lambda: b"\x80\x05\x96" + struct.pack("<Q", 3 << 30) + b"."),
    "frame of 1 TB.pkl": _bytes(lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"x."),
    "long of 200 MB.pkl": _bytes(lambda: b"\x80\x04\x8b" + struct.pack("<i", 200 << 20) + b"x."),
    "lists in lists.pkl": _bytes(lambda: b"\x80\x04" + b"(" * 200_000 + b"l" * 200_000 + b"."),
    "empty lists.pkl": _bytes(lambda: b"\x80\x04](" + b"]" * 8_000_000 + b"e."),
    "empty sets.pkl": _bytes(lambda: b"\x80\x04](" + b"\x8f" * 4_000_000 + b"e."),
    "empty arrays.pkl": _bytes(
        lambda: b"\x80\x04cnumpy.core.multiarray\n_reconstruct\nq\x00](" + b"h\x00)R" * 2_000_000
        + b"e."),
    "one array many times.pkl": _bytes(lambda: _clips_of_one_array(30_000)),
    "positions of zeros.npz": lambda path: _zeros_in(
        path, {"joints": ((14_000_000, 25, 3), "<f4")}),
    "zeros beside.npz": lambda path: _zeros_in(
        path, {"joints": ((10, 25, 3), "<f4"), "junk": ((2 << 30,), "|u1")}),
    "names of zeros.npz": lambda path: _zeros_in(
        path, {"joints": ((10, 25, 3), "<f4"), "joint_names": ((200_000_000,), "<U1")}),
    "turns of zeros.npz": lambda path: _zeros_in(
        path, {"poses": ((1_800_000, 156), "<f4"), "trans": ((1_800_000, 3), "<f4")}),
    "clips of zeros.npz": lambda path: _zeros_in(
        path, {"x_train": ((4, 400_000, 150), "<f4"), "y_train": ((4, 60), "<f4")}),
    "header of 1 PB.npy": _bytes(lambda: _array_header((10**12, 25, 3)) + bytes(1000)),
    "header of bytes.npy": _bytes(lambda: _array_header((10**10,), "|V1000000000") + bytes(1000)),
    "holes.npy": _sparse,
    "ten digits of frames.skeleton": _text(lambda: "1000000000\n1\n"),
    "nobody.skeleton": _text(lambda: "2000000\n" + "0\n" * 2_000_000),
    "an id a frame.skeleton": _text(lambda: _skeleton(4_000, lambda frame: [frame])),
    "ninety ids.skeleton": _text(lambda: _skeleton(9_000, lambda frame: [frame // 100])),
    "a hundred bodies.json": _text(lambda: _crowd(40, 100)),
    "passers-by.json": _text(lambda: _passers_by(60_000, 100)),
    "nested.json": _text(lambda: "[" * 100_000 + "]" * 100_000),
    "nested objects.json": _text(lambda: '{"a":' * 100_000),
    "nested.jsonl": _text(lambda: "[" * 100_000 + "]" * 100_000 + "\n"),
    "empty lists.json": _text(lambda: "[" + "[]," * 8_000_000 + "[]]"),
    "empty objects.json": _text(lambda: "[" + '{"a":1},' * 3_000_000 + "{}]"),
    "empty lines.jsonl": _text(lambda: "{}\n" * 8_000_000),
    "brackets printed.json": _text(
        lambda: "PoseLandmarkerResult(a=" + "[" + "[]," * 2_000_000 + "])"),
    "40,000 columns.csv": _text(lambda: "".join(f"c{n}," for n in range(40_000)) + "\n"
                                + "1," * 40_000 + "\n"),
    "160,000 columns of numbers.csv": _text(lambda: ("1," * 160_000 + "\n") * 3),
    "empty rows.csv": _text(lambda: "frame,time,x,y,z\n" + ",,,,\n" * 3_000_000),
    "names of a row.csv": _text(
        lambda: "frame,joint,x,y,z\n" + "".join(f"{n},{n},1,1,1\n" for n in range(300_000))),
    "many frames.csv": _text(lambda: "frame,hip_x,hip_y,hip_z\n0,1,1,1\n1999999,1,1,1\n"),
    "many people.csv": _text(lambda: "frame,body," + _table(0).split("\n")[0] + "\n"
                             + "".join(f"{n * 200},{n}{',1' * 60}\n" for n in range(100))),
    "a chain that does not turn.bvh": _text(lambda: _bvh_without_channels(40_000, 490)),
    "ten digits of frames.bvh": _text(
        lambda: _person(np.zeros((3, 3 * len(person()) + 3)))
        .replace("Frames: 3", "Frames: 10000000")),
    "one value 500,000 times.parquet": lambda path: _parquet(path, 500_000),
    "one text 500,000 times.parquet": lambda path: _parquet(path, 100_000, text="x" * 10_000),
    "a fill value.h5": lambda path: _h5(path, 1_000_000),
}  # fmt: skip
"""Files by their names: small, or such as no tool writes."""

LARGE: dict[str, Write] = {
    "densest.csv": _text(lambda: _table(200_000)),
    "three letters.csv": _text(lambda: _table(150_000, "12")),
    "spaces.csv": _text(lambda: _table(150_000, "12", " ")),
    "a row a joint.txt": _text(lambda: "1 1 1\n" * 3_000_000),
    "tabs.tsv": _text(lambda: _table(200_000, separator="\t")),
    "densest.trc": _text(lambda: _trc(150_000)),
    "densest.bvh": _text(lambda: _person(np.zeros((2, 3 * len(person()) + 3)))
                         .split("Frames:")[0] + "Frames: 250000\nFrame Time: 0.033\n"
                         + (" ".join(["0"] * (3 * len(person()) + 3)) + "\n") * 250_000),
    "densest.json": _text(lambda: json.dumps({"layout": "kinect20", "bodies": [
        [[[1, 2, 3]] * 20] * 100_000]}, separators=(",", ":"))),
    "densest.jsonl": _text(lambda: (json.dumps({"joints": [[1, 2, 3]] * 20},
                                               separators=(",", ":")) + "\n") * 100_000),
    "densest.skeleton": _text(lambda: _skeleton(30_000, lambda frame: [0])),
    "densest.mvnx": _text(lambda: _mvnx(150_000)),
    "half precision.npy": _bytes(lambda: _array_header((300_000, 25, 3), "<f2")
                                 + np.ones(300_000 * 75, "<f2").tobytes()),
    "half precision.npz": lambda path: np.savez(path, joints=np.ones((300_000, 25, 3), "<f2")),
    "half precision.pkl": _bytes(lambda: pickle.dumps([{
        "frame_dir": "a", "keypoint": np.ones((1, 300_000, 25, 3), "<f2")}])),
    "densest.c3d": lambda path: _c3d(path, 60_000),
}  # fmt: skip
"""Large files with the fewest bytes a number."""


def rows(kinds: dict[str, Write], folder: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Write and read each file: its name, its size, and what was measured."""
    for name, write in kinds.items():
        path = folder / name
        try:
            write(path)
        except ImportError:
            continue
        yield name, path.stat().st_size, measure(path)
        path.unlink()


def faults_of(size: int, found: dict[str, Any]) -> str:
    """What is wrong with the reading of a file of this size; empty if nothing is."""
    over = found["memory"] > TIMES * size + BESIDE
    slow = found["seconds"] > SECONDS + SECONDS_A_MEGABYTE * size / 1e6
    return " OVER" * over + " SLOW" * slow + " ESCAPED" * bool(found["escaped"])


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", help="parts of the names; all if none")
    options.add_argument("--large", action="store_true", help="also the large files")
    given = options.parse_args()
    kinds = {**BOMBS, **(LARGE if given.large else {})}
    wanted = {name: write for name, write in kinds.items()
              if not given.names or any(part in name for part in given.names)}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name, size, found in rows(wanted, Path(folder)):
            what = found["escaped"] or (found["refused"] or [f"{found['clips']} read"])[0]
            sys.stdout.write(
                f"{name}: {size / 1e6:.3f} MB, {found['memory'] / 1e6:.0f} MB, "
                f"{found['seconds']:.1f} s{faults_of(size, found)}: {what[-100:]}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
