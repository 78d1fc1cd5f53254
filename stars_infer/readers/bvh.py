"""Biovision Hierarchy, `.bvh`: a skeleton, and the rotations of its joints in every frame.

Forward kinematics places the joints, all frames of a joint at once. The format has no units;
centimeters are usual. Channels may come in any order and at any joint; the position channels of a
joint replace its offset. The end of a chain is named after its last joint, as in `Foot_end`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import check_frame_count
from stars_infer.clips.convention import LEAST_FPS, MOST_FPS, Convention
from stars_infer.errors import ClipError
from stars_infer.readers.recording import (
    MOST_BODIES,
    MOST_JOINTS,
    Recording,
    convention_in,
    empty_tracks,
)

DEFAULTS = Convention(units="cm", up="y", handedness="right")
_CHANNEL = re.compile(r"([xyz])(rotation|position)", re.IGNORECASE)
_NAMESPACE = re.compile(r"^.*[:|]")
_MOST_CHANNELS = 6
_PIECE = 1 << 20
"""Characters that are parsed at a time."""
_CHUNK = 4096
"""Frames that are placed at a time."""

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joint:
    name: str
    depth: int
    offset: tuple[float, float, float]
    channels: tuple[tuple[int, str], ...]
    """(axis, `rotation` or `position`), in the order in which they are applied."""
    root: int
    """Number of the root above it."""


def read_bvh(path: Path) -> tuple[Recording, ...]:
    """Read a hierarchy and its motion; each root is a body.

    Raises:
        ClipError: If the file is damaged or cut short (the message names the line), if it holds too
            many joints or frames, or if its roots have different joints.
    """
    source = str(path)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    motion = re.search(r"^\s*MOTION\b", text, flags=re.MULTILINE)
    if motion is None:
        raise ClipError(source, "no line MOTION, which opens the motion of a BVH file: export it "
                        "again")  # fmt: skip
    joints = _Hierarchy(text[: motion.start()], source).joints()
    channels = sum(len(joint.channels) for joint in joints)
    lines = text.count("\n", 0, motion.end())
    text = text[motion.end() :]
    values, seconds = _motion(text, lines, channels, source)
    del text
    positions = empty_tracks(1, len(values), len(joints), source=source,
                             size=path.stat().st_size)[0]  # fmt: skip
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        positions[part] = _forward_kinematics(joints, values[part])
    names, bodies = _bodies(joints, positions, source)
    usable = 1 / MOST_FPS <= seconds <= 1 / LEAST_FPS
    note = f"a frame time of {seconds:g} s cannot be right: 30 Hz is assumed, or pass --fps"
    return (
        Recording(
            joints=bodies,
            presence=np.ones(bodies.shape[:2], np.bool_),
            source=source,
            joint_names=names,
            stated=convention_in(source, fps=1 / seconds if usable else None),
            default=DEFAULTS,
            notes=() if usable else (note,),
            computed=True,
        ),
    )


class _Hierarchy:
    """Parses the words of a HIERARCHY."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.words = [
            (word, number)
            for number, line in enumerate(text.split("\n"), start=1)
            for word in line.replace("{", " { ").replace("}", " } ").split()
        ]
        self.at = 0
        self.found: list[_Joint] = []

    def joints(self) -> list[_Joint]:
        """Parse all joints; each comes after its parent."""
        self.expect("HIERARCHY")
        open_names: list[str] = []
        roots = 0
        while self.at < len(self.words):
            word = self.next_word("a joint").upper()
            if word == "}":
                if not open_names:
                    raise self.error("a '}' that closes nothing")
                open_names.pop()
                continue
            if word == "ROOT" and not open_names:
                roots += 1
                name = self.name()
            elif word == "JOINT" and open_names:
                name = self.name()
            elif word == "END" and open_names:
                self.name()
                name = f"{open_names[-1]}_end"
            else:
                raise self.error(f"expected ROOT, JOINT, End Site or '}}', found {word[:24]!r}")
            self.found.append(self.joint(name, len(open_names), roots - 1))
            if len(self.found) > MOST_JOINTS or roots > MOST_BODIES:
                raise self.error(f"more than {MOST_JOINTS} joints or {MOST_BODIES} roots")
            open_names.append(name)
        if open_names:
            raise self.error(f"cut short: the braces of {open_names[-1][:24]!r} are not closed")
        if not self.found:
            raise self.error("no ROOT: the hierarchy is empty")
        return self.found

    def joint(self, name: str, depth: int, root: int) -> _Joint:
        """Parse OFFSET and CHANNELS of a joint, after its opening brace."""
        self.expect("OFFSET")
        x, y, z = (self.number() for _ in range(3))
        channels: list[tuple[int, str]] = []
        if self.at < len(self.words) and self.words[self.at][0].upper() == "CHANNELS":
            self.at += 1
            count = self.number()
            if count not in range(_MOST_CHANNELS + 1):
                raise self.error(f"{count:g} channels: expected 0 to {_MOST_CHANNELS}")
            channels = [self.channel() for _ in range(int(count))]
            if len(set(channels)) < len(channels):
                raise self.error(f"a channel of {name[:24]!r} comes twice")
        return _Joint(name=name, depth=depth, offset=(x, y, z), channels=tuple(channels), root=root)

    def channel(self) -> tuple[int, str]:
        word = self.next_word("a channel")
        match = _CHANNEL.fullmatch(word)
        if match is None:
            raise self.error(f"expected a channel such as Xrotation, found {word[:24]!r}")
        return "xyz".index(match[1].lower()), match[2].lower()

    def name(self) -> str:
        """Take the words up to the opening brace."""
        words: list[str] = []
        while (word := self.next_word("the name of a joint")) != "{":
            words.append(word)
        return " ".join(words) or "joint"

    def number(self) -> float:
        word = self.next_word("a number")
        try:
            number = float(word)
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise self.error(f"expected a number, found {word[:24]!r}")
        return number

    def expect(self, keyword: str) -> None:
        word = self.next_word(keyword)
        if word.upper() != keyword:
            raise self.error(f"expected {keyword}, found {word[:24]!r}")

    def next_word(self, what: str) -> str:
        if self.at >= len(self.words):
            raise self.error(f"cut short: the hierarchy ends where {what} is due")
        self.at += 1
        return self.words[self.at - 1][0]

    def error(self, problem: str) -> ClipError:
        line = self.words[min(max(self.at, 1), len(self.words)) - 1][1] if self.words else 1
        return ClipError(self.source, f"line {line}: {problem}")


def _motion(text: str, lines_before: int, channels: int, source: str) -> tuple[Float64Array, float]:
    """Parse what follows MOTION: values (T, channels), and the seconds between frames."""
    head = re.match(
        r"\s*Frames\s*:\s*(?P<frames>\S+)\s+Frame\s*Time\s*:\s*(?P<seconds>\S+)[ \t\r]*(?:\n|$)",
        text, flags=re.IGNORECASE,
    )  # fmt: skip
    first = lines_before + 1
    if head is None:
        raise ClipError(source, f"line {first + 1}: expected 'Frames: N' and 'Frame Time: SECONDS' "
                        "after MOTION")  # fmt: skip
    try:
        frames, seconds = int(head["frames"]), float(head["seconds"])
    except ValueError as error:
        raise ClipError(source, f"line {first + 1}: the frames or their time are not numbers "
                        f"({str(error)[:60]})") from error  # fmt: skip
    check_frame_count(frames, source=source, recording=True)
    found = 0
    values = np.empty(min(frames * channels, len(text)))
    for piece in _pieces(text, head.end()):
        words = piece.split()
        if found + len(words) <= len(values):
            try:
                values[found : found + len(words)] = words
            except ValueError:
                line, word = next(_bad_words(text[head.end() :]))
                after = first + text.count("\n", 0, head.end())
                raise ClipError(
                    source, f"line {after + line}: {word[:24]!r} is not a number"
                ) from None  # fmt: skip
        found += len(words)
    if found != frames * channels:
        raise ClipError(
            source, f"the motion has {found:,} values, {found // max(channels, 1):,} frames of "
            f"{channels}, but the file says {frames:,} frames: copy or export it again"
        )  # fmt: skip
    if not np.isfinite(values).all():
        frame = int(np.argmax(~np.isfinite(values))) // channels
        raise ClipError(source, f"frame {frame}: a channel is NaN or infinite: export it again")
    return values.reshape(frames, channels), seconds


def _pieces(text: str, start: int) -> Iterator[str]:
    """Cut a text into pieces between lines, so that its words are never all in memory."""
    while start < len(text):
        end = text.find("\n", start + _PIECE)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end


def _bad_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the words that are not numbers, each with its line from 0."""
    for line, content in enumerate(text.split("\n")):
        for word in content.split():
            try:
                np.float64(word)
            except ValueError:
                yield line, word


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused, or missing
def _forward_kinematics(joints: list[_Joint], values: Float64Array) -> NDArray[np.float32]:
    """Compute positions (T, V, 3), in the units of the file, from channel values."""
    frames = len(values)
    positions = np.empty((frames, len(joints), 3), np.float32)
    # Joints come depth first: the ancestors of a joint are the last joints of each lesser depth.
    turned: list[Float64Array] = []
    placed: list[Float64Array] = []
    column = 0
    for index, joint in enumerate(joints):
        del turned[joint.depth :], placed[joint.depth :]
        local = np.tile(np.array(joint.offset), (frames, 1))
        rotation = turned[-1] if turned else np.tile(np.eye(3), (frames, 1, 1))
        parent = rotation
        for axis, kind in joint.channels:
            if kind == "position":
                local[:, axis] = values[:, column]
            else:
                rotation = _rotate(rotation, axis, np.deg2rad(values[:, column]))
            column += 1
        at = np.einsum("tij,tj->ti", parent, local)
        if placed:
            at += placed[-1]
        positions[:, index] = at
        turned.append(rotation)
        placed.append(at)
    return positions


def _rotate(rotation: Float64Array, axis: int, angle: Float64Array) -> Float64Array:
    """Follow rotations (T, 3, 3) by turns (T,), in radians, about one of their own axes."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = rotation.copy()
    turned[:, :, one] = rotation[:, :, one] * cos + rotation[:, :, two] * sin
    turned[:, :, two] = rotation[:, :, two] * cos - rotation[:, :, one] * sin
    return turned


def _bodies(
    joints: list[_Joint], positions: NDArray[np.float32], source: str
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Split positions by root: the names of the joints (V,), and bodies (M, T, V, 3)."""
    columns: list[dict[str, int]] = []
    names: list[tuple[str, ...]] = []
    for root in range(joints[-1].root + 1):
        own = [index for index, joint in enumerate(joints) if joint.root == root]
        names.append(tuple(joints[index].name for index in own))
        columns.append({_NAMESPACE.sub("", joints[index].name): index for index in own})
    if len(columns) == 1:
        return names[0], positions[None]
    for other in columns[1:]:
        if list(other) != list(columns[0]) and set(other) != set(columns[0]):
            odd = sorted(set(other) ^ set(columns[0]))[0]
            raise ClipError(
                source, f"its {len(columns)} roots have different joints ({odd[:24]!r} is not in "
                "all): save each body as a file of its own"
            )  # fmt: skip
    order = [[column[name] for name in columns[0]] for column in columns]
    return tuple(columns[0]), np.ascontiguousarray(positions[:, order].transpose(1, 0, 2, 3))
