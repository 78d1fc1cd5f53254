"""From clip files to descriptions: find, read, prepare and encode many; bad ones are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stars_infer.clip import FloatArray
from stars_infer.description import Description
from stars_infer.encoder import Encoder
from stars_infer.errors import ClipError
from stars_infer.readers import READERS, read_clip

Skip = Callable[[ClipError], None]
"""What to do about a clip that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFile:
    """A clip file and what is kept of it.

    Attributes:
        path: The file.
        description: Its vector, and its sequence where the model makes one.
        content_hash: `Clip.content_hash`.
        bodies: Actors in the clip, 1 or 2.
        frames: Frames of the file.
    """

    path: Path
    description: Description
    content_hash: str
    bodies: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadFile:
    path: Path
    prepared: FloatArray
    """For the network."""
    sequence: FloatArray | None
    content_hash: str
    frames: int


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
    layout: str | None,
    skip: Skip,
    question: bool = False,
) -> Iterator[EmbeddedFile]:
    """Embed clip files, the bodies of several clips at once.

    Args:
        encoder: The model.
        paths: Clip files.
        layout: Joint layout, if the files do not say.
        skip: Called with the error of each file that cannot be used; the others go on.
        question: As in `Encoder.describe`.

    Yields:
        Files and their descriptions, in order.
    """
    waiting: list[_ReadFile] = []
    without_network = question and encoder.info.comparison is not None
    for path in paths:
        try:
            clip = read_clip(path, layout=layout)
            prepared, sequence = encoder.prepare(clip)
        except ClipError as error:
            skip(error)
            continue
        waiting.append(
            _ReadFile(
                path=path,
                prepared=prepared,
                sequence=sequence,
                content_hash=clip.content_hash,
                frames=clip.frames,
            )
        )
        if without_network:
            yield from _embedded(waiting, [None])
            waiting = []
        elif sum(len(file.prepared) for file in waiting) >= encoder.batch:
            yield from _encoded(encoder, waiting)
            waiting = []
    yield from _encoded(encoder, waiting)


def _encoded(encoder: Encoder, files: Sequence[_ReadFile]) -> Iterator[EmbeddedFile]:
    yield from _embedded(files, encoder.embed_prepared([file.prepared for file in files]))


def _embedded(
    files: Sequence[_ReadFile], vectors: Iterable[FloatArray | None]
) -> Iterator[EmbeddedFile]:
    for file, vector in zip(files, vectors, strict=True):
        yield EmbeddedFile(
            path=file.path,
            description=Description(vector=vector, sequence=file.sequence),
            content_hash=file.content_hash,
            bodies=len(file.prepared),
            frames=file.frames,
        )
