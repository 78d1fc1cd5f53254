"""Xsens MVN, `.mvnx`: the positions of the segments of a person in every frame, as XML.

The position of a segment is that of the joint it starts from: of `LeftForeArm`, the left elbow.
Poses of calibration come first and are left out. A file may hold several people (`subject`).

The XML is read as a stream, by `expat` of Python's standard library. A document type, without which
no XML can define or load entities, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import MAX_RECORDING_FRAMES
from stars_infer.clips.convention import LEAST_FPS, MOST_FPS, Convention
from stars_infer.errors import ClipError
from stars_infer.readers.recording import (
    MOST_BODIES,
    MOST_JOINTS,
    Recording,
    convention_in,
    empty_tracks,
)

DEFAULTS = Convention(units="m", up="z", handedness="right")
_LONGEST_LINE = 64 * 3 * MOST_JOINTS
"""Characters of the positions of one frame, at most."""


def read_mvnx(path: Path) -> tuple[Recording, ...]:
    """Read the segments of each person as joints.

    Raises:
        ClipError: If the file is no such XML or is damaged (the message names the line), or its
            people have different segments.
    """
    source = str(path)
    people = [person for person in _Handler(source).read(path) if person.frames]
    if not people:
        raise ClipError(source, "no frames of type 'normal' with positions: export the positions "
                        "of segments from MVN")  # fmt: skip
    names = people[0].segments
    if any(person.segments != names for person in people) or not names:
        raise ClipError(source, "no segments, or people with different ones: export them apart")
    frames = max(len(person.frames) for person in people)
    joints = empty_tracks(len(people), frames, len(names), source=source, size=path.stat().st_size)
    presence = np.zeros(joints.shape[:2], np.bool_)
    for track, seen, person in zip(joints, presence, people, strict=True):
        for frame, values in enumerate(person.frames):
            if len(values) != 3 * len(names):
                raise ClipError(
                    source, f"frame {frame}: {len(values)} values of position, but {len(names)} "
                    "segments need three each"
                )  # fmt: skip
            with np.errstate(over="ignore"):  # what overflows is missing
                track[frame] = values.reshape(-1, 3)
        seen[: len(person.frames)] = True
    rate = people[0].rate
    return (
        Recording(
            joints=joints,
            presence=presence,
            source=source,
            joint_names=names,
            stated=convention_in(source, fps=rate if LEAST_FPS <= rate <= MOST_FPS else None),
            default=DEFAULTS,
        ),
    )


@dataclass
class _Person:
    """What a `subject` holds: its frame rate, the names of its segments, and positions."""

    rate: float = 0.0
    segments: tuple[str, ...] = ()
    frames: list[NDArray[np.float64]] = field(default_factory=list)


class _Handler:
    """Takes what the parser finds."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.people: list[_Person] = []
        self.normal = False
        self.text: list[str] | None = None
        """Pieces of the positions of a frame, while the parser is within them."""
        self.length = 0
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def read(self, path: Path) -> list[_Person]:
        try:
            with path.open("rb") as file:
                self.parser.ParseFile(file)
        except expat.ExpatError as error:
            raise ClipError(
                self.source, f"line {error.lineno}: not readable XML "
                f"({expat.ErrorString(error.code)}): copy or export it again"
            ) from error  # fmt: skip
        except (LookupError, ValueError) as error:  # an unknown encoding
            raise ClipError(self.source, f"not readable XML ({error})") from error
        return self.people

    def doctype(self, *_: object) -> None:
        raise self.error("a document type, which no file of MVN has: refused")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name == "subject":
            self.people.append(_Person(rate=_number(attributes.get("frameRate"))))
            if len(self.people) > MOST_BODIES:
                raise self.error(f"more than {MOST_BODIES} people")
        elif not self.people:
            return
        elif name == "segment":
            person = self.people[-1]
            person.segments = (*person.segments, attributes.get("label", ""))
            if len(person.segments) > MOST_JOINTS:
                raise self.error(f"more than {MOST_JOINTS} segments")
        elif name == "frame":
            self.normal = attributes.get("type", "normal") == "normal"
        elif name == "position" and self.normal:
            self.text, self.length = [], 0

    def characters(self, text: str) -> None:
        if self.text is None:
            return
        self.text.append(text)
        self.length += len(text)
        if self.length > _LONGEST_LINE:
            raise self.error("too many positions in one frame")

    def end(self, tag: str) -> None:
        if self.text is None or tag.rpartition(":")[2] != "position":
            return
        frames = self.people[-1].frames
        try:
            frames.append(np.array("".join(self.text).split(), np.float64))
        except ValueError as error:
            raise self.error(f"a position is no number ({str(error)[:60]})") from error
        if len(frames) > MAX_RECORDING_FRAMES:
            raise self.error(f"more than {MAX_RECORDING_FRAMES:,} frames: cut it into parts")
        self.text = None

    def error(self, problem: str) -> ClipError:
        return ClipError(self.source, f"line {self.parser.CurrentLineNumber}: {problem}")


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
