"""Read, prepare and encode many clips; those that cannot be used are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Required, TypedDict

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.clips.people import POOLED, check_way, parts_by_people
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, StarsError, check_range
from stars_infer.machine import usable_cores
from stars_infer.preprocessing.views import check_views, views_of
from stars_infer.readers.files import holds_many, read_clips
from stars_infer.similarity.features import Features

Skip = Callable[[ClipError], None]
"""What to do about a clip that cannot be used."""


class EmbedOptions(TypedDict, total=False):
    """Options of `embed_files` that functions of files hand on to it."""

    skip: Required[Skip]
    convention: Convention | None
    workers: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFile:
    """A clip of a file and its features.

    Attributes:
        path: The file; for a clip that needed no reading, its source.
        source: What the clip is called: the file, or `FILE#NAME` where one holds many.
        features: From `Encoder.encode`.
        content_hash: `Clip.content_hash`.
        bodies: Actors in the clip, 1 or 2.
        frames: Frames of the clip.
        notes: What was mended in the clip, and what is odd about it, in words.
    """

    path: Path
    source: str
    features: Features
    content_hash: str
    bodies: int
    frames: int
    notes: tuple[str, ...] = ()


def embed_files(
    encoder: Encoder,
    paths: Sequence[Path | Clip],
    *,
    skip: Skip,
    layout: str | None = None,
    convention: Convention | None = None,
    query: bool = False,
    defer_network: bool = False,
    people: str = POOLED,
    views: Sequence[str] = (),
    workers: int | None = 1,
) -> Iterator[EmbeddedFile]:
    """Embed all clips of files, the bodies of several clips at once.

    Args:
        encoder: The model.
        paths: Clip files, and clips that need no reading.
        skip: Called with the error of each clip that cannot be used; the others go on.
        layout: Short for `convention=Convention(layout=...)`.
        convention: What is known of the files, where they do not say.
        query: As in `Encoder.encode`.
        defer_network: As in `Encoder.encode`: for clips that go into an index.
        people: As in `stars_infer.clips.people.parts_by_people`.
        views: Other views of each clip, as in `stars_infer.preprocessing.views.views_of`.
        workers: Processes that read and prepare clips where there are many; None for one a core.
            With more than one, a script must keep what it does behind
            `if __name__ == "__main__":`, since each process imports it.

    Yields:
        Clips and their features, in order.

    Raises:
        UsageError: If the people, the views or the number of workers mean nothing.
        StarsError: What ends the reading: see `Reading.outcomes`.
    """
    check_way(people)
    views = check_views(views)
    check_range("workers", workers, at_least=1, whole=True)
    wanted = Convention(layout=layout).over(convention or Convention())
    reading = Reading(encoder=encoder, convention=wanted, people=people, views=views)
    waiting: list[PreparedClip] = []
    without_network = (query or defer_network) and not encoder.info.compares_vectors
    for read in prepared_files(reading, paths, skip=skip, workers=workers):
        waiting.append(read)
        if without_network:
            yield from _with_vectors(waiting, [None], keep_bodies=defer_network)
            waiting = []
        elif sum(len(file.prepared) for file in waiting) >= encoder.batch:
            yield from _run_network(encoder, waiting)
            waiting = []
    yield from _run_network(encoder, waiting)


def _run_network(encoder: Encoder, files: Sequence[PreparedClip]) -> Iterator[EmbeddedFile]:
    yield from _with_vectors(files, encoder.embed_prepared([file.prepared for file in files]))


def _with_vectors(
    files: Sequence[PreparedClip],
    vectors: Iterable[FloatArray | None],
    *,
    keep_bodies: bool = False,
) -> Iterator[EmbeddedFile]:
    for file, vector in zip(files, vectors, strict=True):
        yield EmbeddedFile(
            path=file.path,
            source=file.source,
            features=Features(
                vector=vector,
                sequence=file.sequence,
                bodies=file.prepared if keep_bodies else None,
                views=file.views,
                flat=file.flat,
            ),
            content_hash=file.content_hash,
            bodies=len(file.prepared),
            frames=file.frames,
            notes=file.notes,
        )


MOST_WORKERS = 16
"""Most processes that are started by default: more would read faster than one process can take
up."""
CHUNK = 8
"""Files that a process is given at a time."""
PATIENCE = 0.8
"""Seconds that this process reads alone before it starts others: two of them take about 0.6 s to
start, and 0.3 s of a core each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedClip:
    """A clip of a file, ready for the network.

    Attributes:
        path: The file; for a clip that needed no reading, its source.
        source: What the clip is called.
        prepared: Bodies for the network, as `Encoder.prepare` gives them.
        sequence: The sequence, if clips are compared by one.
        content_hash: `Clip.content_hash`.
        frames: Frames of the clip.
        notes: What was mended in the clip, and what is odd about it, in words.
        views: Features of other views of it.
        flat: Whether it is in 2D.
    """

    path: Path
    source: str
    prepared: FloatArray
    sequence: FloatArray | None
    content_hash: str
    frames: int
    notes: tuple[str, ...]
    views: tuple[Features, ...]
    flat: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """How the clips of a file are read and prepared.

    Attributes:
        encoder: The model; only views of a model without sequences need its network.
        convention: What is known of the files, where they do not say.
        people: As in `stars_infer.clips.people.parts_by_people`.
        views: As in `stars_infer.preprocessing.views.views_of`.
    """

    encoder: Encoder
    convention: Convention
    people: str
    views: Sequence[str]

    def outcomes(self, given: Path | Clip) -> Iterator[PreparedClip | ClipError]:
        """The clips of a file one after the other, and the errors of those that cannot be used.

        A clip counts as a file that holds it alone.

        Raises:
            MissingExtraError: If the format needs a package that is not installed.
            UsageError: If the convention or the people mean nothing.
        """
        failed: list[ClipError] = []
        path, clips = self._read(given, failed.append)
        for clip in clips:
            yield from failed
            failed.clear()
            try:
                parts = [
                    (part, *self.encoder.prepare(part))
                    for part in parts_by_people(clip, self.people)
                ]
            except ClipError as error:
                yield error
                continue
            for part, prepared, sequence in parts:
                views = self.encoder.encode(views_of(part, self.views), query=True)
                yield PreparedClip(
                    path=path,
                    source=part.source,
                    prepared=prepared,
                    sequence=sequence,
                    content_hash=part.content_hash,
                    frames=part.frames,
                    notes=clip.notes,
                    views=tuple(views),
                    flat=clip.flat,
                )
        yield from failed

    def _read(self, given: Path | Clip, skip: Skip) -> tuple[Path, Iterable[Clip]]:
        """The file, and its clips."""
        if isinstance(given, Clip):
            return Path(given.source), [given]
        return given, read_clips(given, convention=self.convention, skip=skip)

    def __call__(self, given: Path | Clip) -> list[PreparedClip | StarsError]:
        """As `outcomes`, with the error that ends the reading as the last of them."""
        found: list[PreparedClip | StarsError] = []
        try:
            found.extend(self.outcomes(given))
        except StarsError as error:
            found.append(error)
        return found


def prepared_files(
    reading: Reading,
    paths: Sequence[Path | Clip],
    *,
    skip: Callable[[ClipError], None],
    workers: int | None,
) -> Iterator[PreparedClip]:
    """Read and prepare the clips of files, in order.

    Args:
        reading: How.
        paths: Clip files, and clips that need no reading.
        skip: Called, in order too, with the error of each clip that cannot be used.
        workers: Processes; as many as there are cores, at most `MOST_WORKERS`, if None. They are
            not started for what takes less than about `PATIENCE` seconds, nor for files that hold
            many clips, which are read one clip after the other.

    Raises:
        StarsError: What ends the reading: see `Reading.outcomes`; or a process was killed.
    """
    workers = min(usable_cores(), MOST_WORKERS) if workers is None else workers
    needs_network = bool(reading.views) and reading.encoder.info.compares_vectors
    outcomes: Iterable[Iterable[PreparedClip | StarsError]]
    few = workers == 1 or len(paths) <= CHUNK
    if few or needs_network or any(_holds_many(path) for path in paths):
        outcomes = map(reading.outcomes, paths)
    else:
        from stars_infer.parallel import ordered_map

        outcomes = ordered_map(reading, paths, workers=workers, chunk=CHUNK, patience=PATIENCE)
    for outcome in chain.from_iterable(outcomes):
        if isinstance(outcome, PreparedClip):
            yield outcome
        elif isinstance(outcome, ClipError):
            skip(outcome)
        else:
            raise outcome


def _holds_many(given: Path | Clip) -> bool:
    return not isinstance(given, Clip) and holds_many(given)
