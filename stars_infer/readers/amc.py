"""Acclaim motion, `.amc`: the turns of the bones in every frame; the `.asf` beside it is read, too.

Each bone turns about its own axes, which the skeleton gives in those of the whole body: its turn is
C M C⁻¹ after that of its parent, with C from `axis` and M from the values of the frame. The format
does not state the frame rate; CMU and HDM05 were captured at 120 Hz.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import MAX_RECORDING_FRAMES, check_frame_count
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.readers.asf import Skeleton, read_asf, rotation_of
from stars_infer.readers.recording import Recording, empty_tracks

DEFAULTS = Convention(up="y", handedness="right", fps=120.0)
_CHUNK = 4096
"""Frames that are placed at a time."""
_WAY = "or take the BVH of the same motion"


def read_amc(path: Path) -> tuple[Recording, ...]:
    """Read a motion with its skeleton: a joint at the root and at the end of each bone.

    The joint at the end of a bone is called `PARENT_@_BONE`, as in HDM05.

    Raises:
        ClipError: If no skeleton is beside the file, or it is not clear which, or one of the two is
            damaged (the message names the line).
    """
    source = str(path)
    skeleton = read_asf(_skeleton_of(path))
    motion = _Motion(path, skeleton)
    values = motion.values()
    bones = skeleton.bones
    positions = empty_tracks(1, len(values), len(bones), source=source,
                             size=path.stat().st_size)  # fmt: skip
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        _place(skeleton, values[part], positions[0, part])
    names = (bones[0].name, *(f"{bones[bone.parent].name}_@_{bone.name}" for bone in bones[1:]))
    return (
        Recording(
            joints=positions,
            presence=np.ones(positions.shape[:2], np.bool_),
            source=source,
            joint_names=names,
            stated=Convention(units="m"),
            default=DEFAULTS,
            notes=(
                "the format does not say the frame rate: 120 Hz is usual, or pass --fps",
                *motion.notes,
            ),
            computed=True,
        ),
    )


def _skeleton_of(path: Path) -> Path:
    """Find the `.asf` of an `.amc`: the one whose name begins it, or the only one beside it."""
    there = sorted(file for file in path.parent.iterdir() if file.suffix.lower() == ".asf")
    stem = path.stem.lower()
    fitting = [
        file for file in there
        if stem.startswith(file.stem.lower()) and not stem[len(file.stem) :][:1].isalnum()
    ]  # fmt: skip
    found = sorted(fitting, key=lambda file: len(file.stem))[-1:] or there
    if len(found) != 1:
        what = "no .asf skeleton" if not found else f"{len(found)} .asf skeletons"
        raise ClipError(
            str(path), f"{what} beside it: put the skeleton of this person there, named "
            f"{path.stem}.asf, {_WAY}"
        )  # fmt: skip
    return found[0]


class _Motion:
    """Reads the lines of a motion."""

    def __init__(self, path: Path, skeleton: Skeleton) -> None:
        self.source = str(path)
        self.lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        self.notes: tuple[str, ...] = ()
        self.columns: dict[str, slice] = {}
        at = 0
        for bone in skeleton.bones:
            self.columns[bone.name] = slice(at, at + len(bone.channels))
            at += len(bone.channels)
        self.width = at
        self.moving = sum(bool(bone.channels) for bone in skeleton.bones)

    def values(self) -> NDArray[np.float64]:
        """The channels of all bones, side by side in the order of the skeleton, (T, N).

        A last frame that is cut short is left out, with a note.
        """
        rows: list[NDArray[np.float64]] = []
        here = np.zeros(self.width)
        given: set[str] = set()
        for number, line in enumerate(self.lines, start=1):
            words = line.split()
            if not words or words[0][0] in "#:":
                continue
            if len(words) == 1 and words[0].isdigit():
                self.check_whole(len(given), len(rows), number)
                here, given = np.zeros(self.width), set()
                rows.append(here)
                if len(rows) > MAX_RECORDING_FRAMES:
                    break
                continue
            columns = self.columns.get(words[0])
            if columns is None or not rows:
                raise ClipError(
                    self.source, f"line {number}: {words[0][:24]!r} is no bone of the skeleton "
                    "beside it"
                )  # fmt: skip
            if words[0] in given:
                raise ClipError(
                    self.source, f"line {number}: {words[0][:24]!r} comes twice in frame "
                    f"{len(rows) - 1}"
                )  # fmt: skip
            here[columns] = self.numbers(words, columns, number)
            given.add(words[0])
        if rows and len(given) != self.moving:
            rows.pop()
            self.notes = (f"cut short: frame {len(rows)} is not whole, and left out",)
        check_frame_count(len(rows), source=self.source, recording=True)
        return np.stack(rows)

    def numbers(self, words: list[str], columns: slice, line: int) -> list[float]:
        try:
            values = [float(word) for word in words[1:]]
        except ValueError:
            values = []
        if len(values) != columns.stop - columns.start or not all(map(math.isfinite, values)):
            raise ClipError(
                self.source, f"line {line}: expected {columns.stop - columns.start} number(s) for "
                f"{words[0][:24]!r}, as the skeleton beside it has them"
            )  # fmt: skip
        return values

    def check_whole(self, lines: int, frames: int, line: int) -> None:
        """Refuse a frame that lacks bones."""
        if frames and lines != self.moving:
            raise ClipError(
                self.source, f"line {line}: frame {frames - 1} has {lines} of {self.moving} bones: "
                "cut short, or of another skeleton"
            )  # fmt: skip


def _place(skeleton: Skeleton, values: NDArray[np.float64], positions: NDArray[np.float32]) -> None:
    """Compute the ends of the bones in meters, (T, V, 3), from the channels (T, N)."""
    turned: list[NDArray[np.float64]] = []
    placed: list[NDArray[np.float64]] = []
    column = 0
    for index, bone in enumerate(skeleton.bones):
        angles, moved = np.zeros((len(values), 3)), np.zeros((len(values), 3))
        for channel in bone.channels:
            if channel[0] in "RT" and channel[1:] in ("X", "Y", "Z"):
                into = angles if channel[0] == "R" else moved
                into[:, "XYZ".index(channel[1])] = values[:, column]
            column += 1
        motion = rotation_of(np.radians(angles) if skeleton.degrees else angles, bone.order)
        own = bone.axes @ motion @ bone.axes.T
        turn = own if bone.parent < 0 else turned[bone.parent] @ own
        at = turn @ np.array(bone.offset) + moved
        if bone.parent >= 0:
            at += placed[bone.parent]
        turned.append(turn)
        placed.append(at)
        with np.errstate(over="ignore"):  # what is not finite is missing
            positions[:, index] = at * skeleton.meters
