"""NTU RGB+D `.skeleton` text: frames, bodies in a frame, 25 joints of a body.

Per frame a body count; per body a line of 10 values that opens with its tracking id, a joint
count, and a line of 12 values per joint that opens with x y z in meters (REFERENCE 4).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import check_frame_count
from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.errors import ClipError, NobodyError
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.readers.decimals import first_numbers
from stars_infer.readers.recording import Recording

_JOINTS = len(NTU25_JOINTS)
_BODY_VALUES = 10
_JOINT_VALUES = 12
_MAX_BODIES = 100
"""No sensor tracks more in one frame; a larger count is damage."""
_AT_ONCE = 30
"""Bodies whose numbers are parsed together: arrays so small are made without fresh memory."""
_BLOCK = 1 << 16
"""Bytes that are searched for line ends together, for the same reason."""


def read_skeleton(path: Path) -> tuple[Recording, ...]:
    """Read an NTU `.skeleton` file with LF or CRLF line ends.

    Raises:
        ClipError: If the file is cut short, its counts do not fit, or a value is not a number;
            the message names the line.
    """
    return (_Scanner(path.read_bytes(), str(path)).scan(),)


class _Scanner:
    """Walks the lines of one file, collecting the joint lines of every body."""

    def __init__(self, content: bytes, source: str) -> None:
        self.source = source
        self.content = content if content.endswith(b"\n") else content + b"\n"
        self.starts = _line_starts(self.content)
        """Of the lines, and the end of the last."""
        self.lines = len(self.starts) - 1
        while self.lines and not self.line(self.lines - 1).strip():
            self.lines -= 1
        self.at = 0
        self.joint_lines: list[int] = []
        """Index of each body's first joint line, in file order."""
        self.owner: list[tuple[int, int]] = []
        """(body, frame) of each entry of `joint_lines`."""
        self.body_of_id: dict[bytes, int] = {}

    def scan(self) -> Recording:
        frames = self.count("frames")
        check_frame_count(frames, source=self.source, recording=True)
        for frame in range(frames):
            for _ in range(self.count("bodies", frame=frame, most=_MAX_BODIES)):
                self.body(frame)
        if self.at < self.lines:
            raise self.error(f"the file goes on after its {frames} frames; is the count right?")
        if not self.owner:
            raise NobodyError(self.source, "no body in any frame: record it again")
        return self.recording(frames)

    def recording(self, frames: int) -> Recording:
        bodies = np.zeros((len(self.body_of_id), frames, _JOINTS, 3), np.float32)
        presence = np.zeros(bodies.shape[:2], np.bool_)
        body, frame = np.array(self.owner).T
        positions = self.positions()
        bodies[body, frame] = positions
        presence[body, frame] = positions.any(axis=(1, 2))  # NaN counts as something
        return Recording(
            joints=bodies,
            presence=presence,
            source=self.source,
            joint_names=NTU25_JOINTS,
            said=Convention(layout="ntu25"),
            usual=STANDARD,
        )

    def body(self, frame: int) -> None:
        if self.at >= self.lines:
            raise self.ends_in(f"a body of frame {frame}")
        fields = self.line(self.at).split()
        self.at += 1
        if len(fields) != _BODY_VALUES:
            raise self.error(
                f"expected the {_BODY_VALUES} values of a body, found {len(fields)}", back=1
            )
        joints = self.count("joints")
        if joints != _JOINTS:
            raise self.error(f"expected {_JOINTS} joints, the file says {joints}", back=1)
        at = self.at
        self.at = at + _JOINTS
        if self.at > self.lines:
            raise self.ends_in(f"a body of frame {frame}")
        body = self.body_of_id.setdefault(fields[0], len(self.body_of_id))
        self.joint_lines.append(at)
        self.owner.append((body, frame))

    def positions(self) -> FloatArray:
        """Parse all joint lines, many at once: (bodies seen, 25, 3)."""
        parts = []
        for at in range(0, len(self.joint_lines), _AT_ONCE):
            some = self.joint_lines[at : at + _AT_ONCE]
            text = b"".join(
                self.content[self.starts[first] : self.starts[first + _JOINTS]] for first in some
            )
            try:
                parts.append(first_numbers(text, columns=_JOINT_VALUES, wanted=3))
            except ValueError:
                raise self.bad_joint_line() from None
        with np.errstate(over="ignore"):  # what overflows is missing
            return np.concatenate(parts).astype(np.float32).reshape(-1, _JOINTS, 3)

    def bad_joint_line(self) -> ClipError:
        """Find the joint line that could not be parsed."""
        for first in self.joint_lines:
            for self.at in range(first, first + _JOINTS):
                fields = self.line(self.at).split()
                if len(fields) != _JOINT_VALUES:
                    return self.error(
                        f"expected the {_JOINT_VALUES} values of a joint, found {len(fields)}"
                    )
                for field in fields:
                    try:
                        float(field)
                    except ValueError:
                        return self.error(f"{_shown(field)} is not a number")
        raise AssertionError("every joint line parses alone")

    def count(self, what: str, *, frame: int | None = None, most: int | None = None) -> int:
        if self.at >= self.lines:
            raise self.ends_in(f"the number of {_within(what, frame)}")
        line = self.line(self.at)
        self.at += 1
        try:
            number = int(line)
        except ValueError:
            what = _within(what, frame)
            raise self.error(
                f"expected the number of {what}, found {_shown(line.strip())}", back=1
            ) from None
        if number < 0 or (most is not None and number > most):
            raise self.error(f"{number} cannot be the number of {_within(what, frame)}", back=1)
        return number

    def line(self, number: int) -> bytes:
        return self.content[self.starts[number] : self.starts[number + 1] - 1]

    def ends_in(self, what: str) -> ClipError:
        return ClipError(
            self.source,
            f"cut short: the file ends at line {self.lines}, within {what}; copy it again",
        )

    def error(self, problem: str, *, back: int = 0) -> ClipError:
        return ClipError(self.source, f"line {self.at + 1 - back}: {problem}")


def _line_starts(content: bytes) -> list[int]:
    """Where lines begin, and the end of the last."""
    array, starts = np.frombuffer(content, np.uint8), [0]
    for at in range(0, len(array), _BLOCK):
        ends = np.flatnonzero(array[at : at + _BLOCK] == ord("\n"))
        starts += (ends + (at + 1)).tolist()
    return starts


def _within(what: str, frame: int | None) -> str:
    return what if frame is None else f"{what} in frame {frame}"


def _shown(field: bytes) -> str:
    """A field for a message, shortened."""
    text = field[:24].decode("ascii", "backslashreplace")
    return repr(text + ("…" if len(field) > 24 else ""))
