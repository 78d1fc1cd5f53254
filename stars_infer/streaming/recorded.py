"""A file as a stream: recorded lines as they are, and any other clip file as lines made of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import UsageError
from stars_infer.readers.files import READERS, read_clip
from stars_infer.streaming.feed import Lines, lines_of_file

LINES = ".jsonl"
"""Ending of files that hold a frame a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStream:
    """A file that is read as a stream.

    Attributes:
        lines: Its frames.
        convention: What is known of these lines.
        notes: What was mended in the file, and what is odd about it, in words.
    """

    lines: Lines
    convention: Convention
    notes: tuple[str, ...] = ()


def read_as_stream(path: Path, convention: Convention) -> RecordedStream:
    """Read a file as a stream.

    Lines are read as they come, also from a named pipe. A file of another known ending is read
    whole, as a recording.

    Args:
        path: The file.
        convention: What is known of it, where it does not say itself.

    Raises:
        ClipError: If a clip file cannot be read.
        UsageError: If there is no such file.
    """
    if path.is_dir() or not path.exists():
        raise UsageError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}: name a file "
                         "of frames, or - for standard input")  # fmt: skip
    ending = path.suffix.lower()
    if ending == LINES or ending not in READERS or not path.is_file():
        return RecordedStream(lines=_lines_at(path), convention=convention)
    clip = read_clip(path, convention=convention, recording=True)
    known = Convention(layout=clip.layout, fps=clip.fps)
    return RecordedStream(lines=_lines_of_clip(clip), convention=known, notes=clip.notes)


def _lines_at(path: Path) -> Lines:
    def lines(stop: threading.Event) -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from lines_of_file(file)(stop)

    return lines


def _lines_of_clip(clip: Clip) -> Lines:
    """The frames of a clip, with its bodies as identities."""

    def lines(stop: threading.Event) -> Iterator[bytes]:
        for frame in range(clip.frames):
            if stop.is_set():
                return
            seen = clip.presence[:, frame].nonzero()[0].tolist()
            bodies = clip.bodies[seen, frame].astype(float).round(6).tolist()
            value = {"bodies": bodies, "ids": seen, "time": frame / clip.fps}
            yield json.dumps(value).encode()

    return lines
