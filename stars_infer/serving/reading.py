"""Uploads read in processes of their own, whose time and memory are bounded.

A file that takes too long, takes too much memory or crashes its reader ends that process alone, and
is told so; another process takes its place.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.clips.people import POOLED, parts_by_people
from stars_infer.embedding.files import PreparedClip, Reading
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, ServerError, StarsError, UsageError
from stars_infer.parallel import begin_worker
from stars_infer.readers.files import read_clip, read_clips
from stars_infer.readers.frames import frame_series
from stars_infer.serving.logs import log_as_json
from stars_infer.serving.settings import MEGABYTE, Limits

_Item = TypeVar("_Item")
Read = PreparedClip | ClipError
"""What becomes of a clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Files of a request, in a folder of their own.

    Attributes:
        folder: The folder, which is no part of their names.
        files: Those that hold clips; others lie beside them.
        convention: What the client says of them.
        people: As in `stars_infer.clips.people.parts_by_people`.
        views: As in `stars_infer.preprocessing.views.views_of`.
    """

    folder: Path
    files: Sequence[Path]
    convention: Convention
    people: str = POOLED
    views: Sequence[str] = ()


class ReadingPool:
    """Processes that read uploads.

    Args:
        encoder: Prepares clips.
        limits: Of time, memory, frames, joints and clips, and how many processes.
    """

    def __init__(self, encoder: Encoder, limits: Limits) -> None:
        self._limits = limits
        self._pool = ProcessPool(
            max_workers=limits.processes,
            initializer=_begin,
            initargs=(encoder, limits),
            context=multiprocessing.get_context("spawn"),
        )

    async def start(self) -> None:
        """Start all processes now rather than with the first uploads."""
        many = [self._pool.schedule(_nothing) for _ in range(self._limits.processes)]
        await asyncio.gather(*map(asyncio.wrap_future, many))

    async def clips(self, upload: Upload) -> list[Read]:
        """Read and prepare all clips of an upload, in order.

        Raises:
            StarsError: What is wrong with all of it: see `Reading.outcomes`.
        """
        return await self._read(_read_clips, upload)

    async def recordings(self, upload: Upload) -> list[Clip | ClipError]:
        """Read the recordings of an upload, parted by people."""
        return await self._read(_read_recordings, upload)

    async def shown(self, upload: Upload) -> list[tuple[Clip, PreparedClip] | ClipError]:
        """Read and prepare all clips of an upload, and keep what they show."""
        return await self._read(_read_shown, upload)

    async def _read(self, function: Callable[[Upload], list[_Item]], upload: Upload) -> list[_Item]:
        seconds = self._limits.seconds
        task = self._pool.schedule(function, (upload,), timeout=seconds)
        source = upload.files[0].name
        try:
            return await asyncio.wrap_future(task)
        except TimeoutError as error:
            raise ClipError(source, f"took longer than {seconds:g} s to read: cut it") from error
        except ProcessExpired as error:
            raise ClipError(source, "crashed its reader; it is damaged") from error
        except MemoryError as error:
            most = self._limits.memory // MEGABYTE
            raise ClipError(source, f"takes more than {most:,} MB to read: cut it") from error

    def close(self) -> None:
        """End the processes."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


_own: tuple[Encoder, Limits] | None = None
"""In a process that reads: what it was started with."""


def _begin(encoder: Encoder, limits: Limits) -> None:
    """Set up a process."""
    global _own
    begin_worker()
    log_as_json()
    _own = encoder, limits
    _bound_memory(limits.memory)


def _bound_memory(memory: int) -> None:
    """Let this process take no more than so many bytes beyond what it has, where systems can."""
    with suppress(ImportError, OSError, ValueError, StopIteration):
        import resource

        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        line = next(line for line in status if line.startswith("VmData"))
        most = 1024 * int(line.split()[1]) + memory
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _nothing() -> None:
    """Do nothing; that it was done shows that a process has started."""


def _settings() -> tuple[Encoder, Limits]:
    assert _own is not None
    return _own


def _read_clips(upload: Upload) -> list[Read]:
    encoder, limits = _settings()
    reading = Reading(
        encoder=encoder, convention=upload.convention, people=upload.people, views=upload.views
    )
    found: list[Read] = []
    for clip in _clips_of(upload, limits):
        outcomes = [clip] if isinstance(clip, ClipError) else reading(clip)
        for one in outcomes:
            if isinstance(one, PreparedClip | ClipError):
                found.append(one)
            else:
                raise one
        if len(found) > limits.files:
            raise ServerError(413, f"more than {limits.files} clips: send them in parts")
    return found


def _read_shown(upload: Upload) -> list[tuple[Clip, PreparedClip] | ClipError]:
    encoder, limits = _settings()
    reading = Reading(encoder=encoder, convention=upload.convention, people=POOLED, views=())
    found: list[tuple[Clip, PreparedClip] | ClipError] = []
    for clip in _clips_of(upload, limits):
        if isinstance(clip, ClipError):
            found.append(clip)
            continue
        for one in reading(clip):
            if isinstance(one, PreparedClip):
                found.append((clip, one))
            elif isinstance(one, ClipError):
                found.append(one)
            else:
                raise one
        if len(found) > limits.files:
            raise ServerError(413, f"more than {limits.files} clips: send them in parts")
    return found


def _read_recordings(upload: Upload) -> list[Clip | ClipError]:
    _, limits = _settings()
    found: list[Clip | ClipError] = []
    for file in _files(upload):
        try:
            clip = read_clip(file, convention=upload.convention, recording=True)
            named = _checked(replace(clip, source=_name(clip.source, upload)), limits)
            found += parts_by_people(named, upload.people, uncut=True)
        except StarsError as error:
            found.append(_without_folder(error, upload))
    return found


def _clips_of(upload: Upload, limits: Limits) -> Iterator[Clip | ClipError]:
    """The clips of all files, named without the folder."""
    for file in _files(upload):
        failed: list[ClipError] = []
        try:
            for clip in read_clips(file, convention=upload.convention, skip=failed.append):
                yield from (_without_folder(error, upload) for error in failed)
                failed.clear()
                try:
                    yield _checked(replace(clip, source=_name(clip.source, upload)), limits)
                except ClipError as error:
                    yield error
        except StarsError as error:
            yield _without_folder(error, upload)
        yield from (_without_folder(error, upload) for error in failed)


def _files(upload: Upload) -> list[Path]:
    """The files, or the folder in the place of those that hold a frame each."""
    series = frame_series(upload.files)
    frames = {file for files in series.values() for file in files}
    others = [file for file in upload.files if file not in frames]
    return [upload.folder, *others] if frames else others


def _checked(clip: Clip, limits: Limits) -> Clip:
    """Refuse a clip that is larger than this server takes."""
    joints = clip.bodies.shape[2]
    if clip.frames > limits.frames:
        raise ClipError(
            clip.source,
            f"{clip.frames:,} frames, more than the {limits.frames:,} that this server takes: cut "
            "it into parts",
        )
    if joints > limits.joints:
        raise ClipError(
            clip.source,
            f"{joints} joints, more than the {limits.joints} that this server takes: name a "
            "--layout with fewer",
        )
    return clip


def _name(text: str, upload: Upload) -> str:
    return text.replace(f"{upload.folder}/", "").replace(str(upload.folder), "the upload")


def _without_folder(error: StarsError, upload: Upload) -> ClipError:
    """The error of a clip without the name of our folder.

    Raises:
        StarsError: If it is not about a clip.
    """
    if isinstance(error, ClipError):
        return type(error)(_name(error.source, upload), _name(error.problem, upload))
    raise UsageError(_name(str(error), upload)) if isinstance(error, UsageError) else error
