"""NTU RGB+D `.skeleton` text: frames, bodies in a frame, 25 joints of a body.

Each frame starts with its number of bodies. A body is a line of 10 values of which the first is its
tracking id, a line with its number of joints, and a line of 12 values for each joint, of which the
first three are x, y and z in meters. The format is that of the data set's own reader,
`read_skeleton_file.m` (Shahroudy et al., "NTU RGB+D", CVPR 2016).
"""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import check_frame_count
from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.errors import ClipError, NobodyError, count_of
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.readers.bounds import check_points
from stars_infer.readers.recording import MOST_BODIES, Recording

_JOINTS = len(NTU25_JOINTS)
_BODY_VALUES = 10
_JOINT_VALUES = 12
_NUMBER_BYTES = b"0123456789+-.eE \n"
"""A file with any other byte is checked number by number, which takes longer."""


def read_skeleton(path: Path) -> tuple[Recording, ...]:
    """Read an NTU `.skeleton` file with LF or CRLF line ends.

    Raises:
        ClipError: If the file is cut short, its counts do not fit, or a value is not a number;
            the message names the line.
    """
    return (_Scanner(path.read_bytes(), str(path)).scan(),)


class _Scanner:
    """Walks the lines of one file and collects the joint lines of every body."""

    def __init__(self, content: bytes, source: str) -> None:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b" ").rstrip()
        self.source = source
        self.size = len(content)
        self.plain = not content.translate(None, _NUMBER_BYTES)
        self.lines = content.decode("ascii", "backslashreplace").split("\n")
        self.at = 0
        self.first_lines: list[int] = []
        """Number of each body's first joint line, in file order."""
        self.joint_lines: list[str] = []
        """The joint lines of all bodies, one after the other."""
        self.owner: list[tuple[int, int]] = []
        """(body, frame) of each entry of `first_lines`."""
        self.body_of_id: dict[str, int] = {}

    def scan(self) -> Recording:
        frames = self.count("frames")
        check_frame_count(frames, source=self.source, recording=True)
        for frame in range(frames):
            for _ in range(self.count("bodies", frame=frame, most=MOST_BODIES)):
                self.body(frame)
        if self.at < len(self.lines):
            raise self.error(f"the file goes on after its {frames} frames; is the count right?")
        if not self.owner:
            raise NobodyError(self.source, "no body in any frame: record it again")
        return self.recording(frames)

    def recording(self, frames: int) -> Recording:
        points = len(self.body_of_id) * frames * _JOINTS
        check_points(points, source=self.source, size=self.size)
        bodies = np.zeros((len(self.body_of_id), frames, _JOINTS, 3), np.float32)
        presence = np.zeros(bodies.shape[:2], np.bool_)
        body, frame = np.array(self.owner).T
        positions = self.positions()
        bodies[body, frame] = positions
        presence[body, frame] = positions.any(axis=(1, 2))  # NaN is not zero
        return Recording(
            joints=bodies,
            presence=presence,
            source=self.source,
            joint_names=NTU25_JOINTS,
            stated=Convention(layout="ntu25"),
            default=STANDARD,
        )

    def body(self, frame: int) -> None:
        if self.at >= len(self.lines):
            raise self.ends_in(f"a body of frame {frame}")
        values = self.lines[self.at].split()
        self.at += 1
        if len(values) != _BODY_VALUES:
            raise self.error(
                f"expected the {_BODY_VALUES} values of a body, found {len(values)}", back=1
            )
        joints = self.count("joints")
        if joints != _JOINTS:
            raise self.error(f"expected {_JOINTS} joints, the file says {joints}", back=1)
        first = self.at
        self.at = first + _JOINTS
        if self.at > len(self.lines):
            raise self.ends_in(f"a body of frame {frame}")
        self.first_lines.append(first)
        self.joint_lines += self.lines[first : self.at]
        self.owner.append((self.body_of_id.setdefault(values[0], len(self.body_of_id)), frame))

    def positions(self) -> FloatArray:
        """Parse x, y and z of all joint lines, (bodies seen, 25, 3).

        NumPy parses three of the twelve values, which takes a fifth of the time of parsing all. The
        other nine are only known to be nine, and written with the bytes of numbers.
        """
        spaces = set(map(str.count, self.joint_lines, repeat(" ")))
        if not self.plain or spaces != {_JOINT_VALUES - 1}:
            self.check_joint_lines()
        try:
            values = np.loadtxt(self.joint_lines, usecols=(0, 1, 2), comments=None, ndmin=2)
        except ValueError:
            self.check_joint_lines()
            raise
        with np.errstate(over="ignore"):  # what overflows is missing
            return values.astype(np.float32).reshape(-1, _JOINTS, 3)

    def check_joint_lines(self) -> None:
        """Refuse a joint line that is not 12 numbers."""
        for first in self.first_lines:
            for self.at in range(first, first + _JOINTS):
                fields = self.lines[self.at].encode().split()  # where ASCII has white space
                if len(fields) != _JOINT_VALUES:
                    raise self.error(
                        f"expected the {_JOINT_VALUES} values of a joint, found {len(fields)}"
                    )
                for field in fields:
                    if not _is_number(field):
                        raise self.error(f"{_shorten(field.decode())} is not a number")

    def count(self, what: str, *, frame: int | None = None, most: int | None = None) -> int:
        if self.at >= len(self.lines):
            raise self.ends_in(f"the number of {_place(what, frame)}")
        line = self.lines[self.at]
        self.at += 1
        try:
            number = int(line)
        except ValueError:
            place = _place(what, frame)
            raise self.error(
                f"expected the number of {place}, found {_shorten(line.strip())}", back=1
            ) from None
        if number < 0 or (most is not None and number > most):
            said = count_of(number)
            raise self.error(f"{said} cannot be the number of {_place(what, frame)}", back=1)
        return number

    def ends_in(self, what: str) -> ClipError:
        return ClipError(
            self.source,
            f"cut short: the file ends at line {len(self.lines)}, within {what}; copy it again",
        )

    def error(self, problem: str, *, back: int = 0) -> ClipError:
        return ClipError(self.source, f"line {self.at + 1 - back}: {problem}")


def _is_number(field: bytes) -> bool:
    """Whether NumPy's parser takes it; `float` alone takes digits grouped by `_`, too."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _place(what: str, frame: int | None) -> str:
    return what if frame is None else f"{what} in frame {frame}"


def _shorten(field: str) -> str:
    """A field, quoted for a message."""
    return repr(field[:24] + ("…" if len(field) > 24 else ""))
