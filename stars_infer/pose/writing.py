"""Write what a pose model sees in a video as a clip file, `.json` or `.jsonl`, while it is seen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stars_infer.atomic import written_beside
from stars_infer.errors import NobodyError
from stars_infer.pose.people import SeenFrame, description, frame_record

CLIP_ENDINGS = (".json", ".jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen in a video.

    Attributes:
        pictures: Number of pictures.
        with_somebody: Number of those in which somebody is seen; the others are gaps.
        people: Number of people who were told apart.
        seconds: Time from the first to the last picture.
    """

    pictures: int
    with_somebody: int
    people: int
    seconds: float


def write_poses(frames: Iterable[SeenFrame], path: Path, *, layout: str, source: str) -> Seen:
    """Write frames as a clip file, as they come; it takes its place when all are there.

    Ctrl-C ends the frames, and what was seen until then is kept.

    Args:
        frames: The frames.
        path: A file that ends in one of `CLIP_ENDINGS`.
        layout: Joint layout of the people.
        source: Name of the video or camera for messages.

    Raises:
        NobodyError: If nobody is seen; then nothing is written.
        OSError: If the file cannot be written.
    """
    lines = path.suffix.lower() == ".jsonl"
    head = json.dumps(description(layout))
    start, between, end = (head + "\n", "\n", "\n") if lines else (
        head[:-1] + ', "frames": [\n', ",\n", "\n]}\n"
    )  # fmt: skip
    pictures = with_somebody = 0
    identities: set[int] = set()
    first = last = 0.0
    with written_beside(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.write(start)
        try:
            for frame in frames:
                file.write((between if pictures else "") + json.dumps(frame_record(frame)))
                first, last = (first if pictures else frame.time), frame.time
                pictures += 1
                with_somebody += bool(frame.people)
                identities |= {person.identity for person in frame.people}
        except KeyboardInterrupt:
            if not pictures:
                raise
        if not identities:
            raise NobodyError(source, "nobody is seen: show the whole body, upright and lit")
        file.write(end)
    return Seen(
        pictures=pictures,
        with_somebody=with_somebody,
        people=len(identities),
        seconds=last - first,
    )
