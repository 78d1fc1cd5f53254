"""Folders in which each file is one frame of a recording, as OpenPose and Pose2Sim write them.

OpenPose names them `NAME_000000000012_keypoints.json`, Pose2Sim's tools `NAME.0012.json`. A folder
may hold several recordings of different names, such as those of several cameras.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stars_infer.errors import ClipError
from stars_infer.readers.json import (
    FRAME_FORMS,
    frame_form_of,
    parse_json,
    recording_of_frames,
)
from stars_infer.readers.recording import Recording

_FRAME = re.compile(r"(?P<name>.*?)[._-]?(?P<number>\d{1,15})(?P<rest>_keypoints)?\.json",
                    re.IGNORECASE)  # fmt: skip
_LARGEST_FRAME = 1_000_000
"""Bytes of one frame of many people with hands and faces, at most."""
_LARGEST_GAPS = 100
"""Numbers from the first to the last file, for each file there is."""

Series = Mapping[str, list[Path]]
"""For each recording in a folder, by name, its files in the order of their numbers."""


def frame_series(files: Iterable[Path]) -> Series:
    """Find the recordings among the files of one folder of which each file holds a single frame.

    The files of a recording have the same name but for their number. One of them is opened, to see
    whether it holds a frame or a whole clip. A single file beside a recording belongs to none.
    """
    numbered: dict[str, dict[int, Path]] = {}
    for file in files:
        if match := _FRAME.fullmatch(file.name):
            name = match["name"] + (match["rest"] or "")
            numbered.setdefault(name, {}).setdefault(int(match["number"]), file)
    found = {
        name.removesuffix("_keypoints"): [those[number] for number in sorted(those)]
        for name, those in sorted(numbered.items())
        if len(those) > 1 and _is_frame(next(iter(those.values())))
    }
    if found:
        for name, those in numbered.items():
            if len(those) == 1 and _is_frame(next(iter(those.values()))):
                found.setdefault(name.removesuffix("_keypoints"), list(those.values()))
    return found


def read_frames(folder: Path, series: Series) -> Iterator[Recording | ClipError]:
    """Read the recordings of a folder; a number that is left out is a frame without people.

    Args:
        folder: The folder, for messages.
        series: Its recordings; where there are several, each is called `FOLDER#NAME`.

    Raises:
        ClipError: If the only recording of the folder cannot be used.
    """
    longer = {name: files for name, files in series.items() if len(files) > 1}
    alone = len(series) - len(longer)
    notes = (f"{alone} file(s) of a single frame beside it left out",) if alone else ()
    for name, files in longer.items():
        source = f"{folder}#{name}" if len(longer) > 1 else str(folder)
        try:
            found = _recording(files, source, name if len(longer) > 1 else "")
            yield replace(found, notes=(*notes, *found.notes))
        except ClipError as error:
            if len(longer) == 1:
                raise
            yield error


def _recording(files: list[Path], source: str, name: str) -> Recording:
    numbers = [int(match["number"]) for file in files if (match := _FRAME.fullmatch(file.name))]
    span = numbers[-1] - numbers[0] + 1
    if span > _LARGEST_GAPS * len(files):
        raise ClipError(
            source, f"{len(files)} files of one frame each, but numbered from {numbers[0]:,} to "
            f"{numbers[-1]:,}: are these one recording?"
        )  # fmt: skip
    frames: list[Any] = [None] * span
    size = sum(file.stat().st_size for file in files)
    for number, file in zip(numbers, files, strict=True):
        if file.stat().st_size > _LARGEST_FRAME:
            raise ClipError(str(file), "too large for one frame of a recording")
        frames[number - numbers[0]] = parse_json(file.read_text("utf-8-sig", "replace"), str(file))
    told = f"{len(files):,} files of one frame each, of one recording"
    try:
        recording = recording_of_frames({}, frames, source, size)
    except ClipError as error:
        raise ClipError(source, f"{told}: {_first_problem(frames) or error.problem}") from error
    flat = f"{told}: {recording.flat}" if recording.flat else ""
    return replace(recording, name=name, flat=flat)


def _first_problem(frames: list[Any]) -> str:
    """What is wrong with the first frame by itself: points in 2D count more than odd numbers."""
    first = next((frame for frame in frames if frame), None)
    try:
        if form := frame_form_of(first):
            FRAME_FORMS[form][0](first, "the first", "")
    except ClipError as error:
        return error.problem
    return ""


def _is_frame(file: Path) -> bool:
    """Whether a file holds a frame, not a clip."""
    try:
        if not 0 < file.stat().st_size <= _LARGEST_FRAME:
            return False
        content = json.loads(file.read_text("utf-8-sig", "replace"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and frame_form_of(content) not in (None, "bodies")
