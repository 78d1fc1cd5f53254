"""From clip files to descriptions: find, read, prepare and encode many; bad ones are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stars_infer.clip import FloatArray
from stars_infer.convention import Convention
from stars_infer.description import Description
from stars_infer.encoder import Encoder
from stars_infer.errors import ClipError
from stars_infer.people import POOLED
from stars_infer.prepared_files import PreparedClip, Reading, prepared_files
from stars_infer.readers import READERS

Skip = Callable[[ClipError], None]
"""What to do about a clip that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFile:
    """A clip of a file and what is kept of it.

    Attributes:
        path: The file.
        source: What the clip is called: the file, or `FILE#NAME` where one holds many.
        description: Its vector, and its sequence where the model makes one.
        content_hash: `Clip.content_hash`.
        bodies: Actors in the clip, 1 or 2.
        frames: Frames of the clip.
        notes: What was mended in it or is odd about it, in words.
    """

    path: Path
    source: str
    description: Description
    content_hash: str
    bodies: int
    frames: int
    notes: tuple[str, ...] = ()


def clip_files(paths: Iterable[Path]) -> list[Path]:
    """Spell out paths: a folder stands for the clip files in it, at any depth.

    Raises:
        ClipError: If a folder holds no clip file.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in READERS)
            if not inside:
                known = ", ".join(READERS)
                raise ClipError(str(path), f"no clip in this folder; known endings: {known}")
            files += inside
        else:
            files.append(path)
    return files


def embed_files(
    encoder: Encoder,
    paths: Sequence[Path],
    *,
    skip: Skip,
    layout: str | None = None,
    convention: Convention | None = None,
    question: bool = False,
    people: str = POOLED,
    views: Sequence[str] = (),
    workers: int | None = 1,
) -> Iterator[EmbeddedFile]:
    """Embed all clips of files, the bodies of several clips at once.

    Args:
        encoder: The model.
        paths: Clip files.
        skip: Called with the error of each clip that cannot be used; the others go on.
        layout: Short for `convention=Convention(layout=...)`.
        convention: What is known of the files, where they do not say.
        question: As in `Encoder.describe`.
        people: As in `stars_infer.people.parts_by_people`.
        views: Other views of each clip for its description, as in `stars_infer.views.views_of`.
        workers: Processes that read and prepare clips where there are many; None for one a core.
            With more than one, a script must keep what it does behind
            `if __name__ == "__main__":`, since each process imports it.

    Yields:
        Clips and their descriptions, in order.
    """
    wanted = Convention(layout=layout).over(convention or Convention())
    reading = Reading(encoder=encoder, convention=wanted, people=people, views=tuple(views))
    waiting: list[PreparedClip] = []
    without_network = question and encoder.info.comparison is not None
    for read in prepared_files(reading, paths, skip=skip, workers=workers):
        waiting.append(read)
        if without_network:
            yield from _embedded(waiting, [None])
            waiting = []
        elif sum(len(file.prepared) for file in waiting) >= encoder.batch:
            yield from _encoded(encoder, waiting)
            waiting = []
    yield from _encoded(encoder, waiting)


def _encoded(encoder: Encoder, files: Sequence[PreparedClip]) -> Iterator[EmbeddedFile]:
    yield from _embedded(files, encoder.embed_prepared([file.prepared for file in files]))


def _embedded(
    files: Sequence[PreparedClip], vectors: Iterable[FloatArray | None]
) -> Iterator[EmbeddedFile]:
    for file, vector in zip(files, vectors, strict=True):
        yield EmbeddedFile(
            path=file.path,
            source=file.source,
            description=Description(vector=vector, sequence=file.sequence, views=file.views),
            content_hash=file.content_hash,
            bodies=len(file.prepared),
            frames=file.frames,
            notes=file.notes,
        )
