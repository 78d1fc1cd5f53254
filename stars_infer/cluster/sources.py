"""The clip files of a job: found on disks or in object storage, and brought to where they are read.

Each file goes by the name under which it was found, on whatever machine it is read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from stars_infer.cluster.places import is_url, local_path, storage
from stars_infer.embedding.files import PreparedClip
from stars_infer.errors import ClipError, StarsError, brief
from stars_infer.pose.pictures import VIDEO_ENDINGS
from stars_infer.readers.files import READERS, clip_files

_AHEAD = 16
"""Files that are fetched from object storage while others are read."""
_TRIES = 3
_BESIDE = {".amc": ".asf", ".gltf": ".bin"}
"""Endings of clips that need files beside them, and the ending of these."""
_FOUND = frozenset(READERS) - {".txt"}
"""Endings of clips that are found in object storage; a text may be anything until it is read."""


def list_sources(
    given: Sequence[str],
    *,
    skip: Callable[[ClipError], None],
    note: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """The clip files among paths, folders, and objects and prefixes of object storage.

    Args:
        given: Paths and URLs.
        skip: Called with the error of each folder or prefix without clips, if there are others.
        note: Called with a line for each folder that holds files which are not read.

    Raises:
        ClipError: If there is no clip at all.
        StarsError: If a storage cannot be reached, or a package is missing for it.
    """
    found: list[str] = []
    errors: list[ClipError] = []
    for one in given:
        try:
            if is_url(one):
                found += _objects(one)
            else:
                found += map(str, clip_files([local_path(one)], note=note))
        except ClipError as error:
            errors.append(error)
    if errors and not found:
        raise errors[0]
    for failed in errors:
        skip(failed)
    return list(dict.fromkeys(found))


def _objects(url: str) -> list[str]:
    """The clips under a prefix, or the one object that a URL names."""
    system, root = storage(url)
    try:
        system.invalidate_cache()
        names = [root] if system.isfile(root) else system.find(root)
    except FileNotFoundError:
        names = []
    except Exception as error:
        raise StarsError(f"{url}: cannot be listed: {brief(error)}") from error
    if names == [root]:
        return [url]
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        inside = PurePosixPath(name[len(root) :])
        if not any(part.startswith(".") for part in inside.parts):
            folders[str(PurePosixPath(name).parent)].append(name)
    clips: list[str] = []
    for those in folders.values():
        read = [name for name in those if PurePosixPath(name).suffix.lower() in _FOUND]
        joints = [name for name in read if PurePosixPath(name).suffix.lower() not in VIDEO_ENDINGS]
        clips += joints or read  # as in a folder, videos beside clips are likely of the same motion
    if not clips:
        endings = ", ".join(ending for ending in READERS if ending in _FOUND)
        raise ClipError(url, f"no clip under this address; known endings: {endings}")
    return [system.unstrip_protocol(name) for name in sorted(clips)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A clip file where it can be read.

    Attributes:
        name: What it is called.
        path: Where it is on this machine.
    """

    name: str
    path: Path

    def named(self, clip: PreparedClip) -> PreparedClip:
        """A clip of it, by the name of the file."""
        source, notes = self._text(clip.source), tuple(map(self._text, clip.notes))
        return replace(clip, path=Path(self.name), source=source, notes=notes)

    def told(self, error: ClipError) -> ClipError:
        """An error of it, by the name of the file."""
        return type(error)(self._text(error.source), self._text(error.problem))

    def _text(self, text: str) -> str:
        if str(self.path) == self.name:
            return text
        return text.replace(str(self.path), self.name)


@contextmanager
def brought_here(names: Sequence[str], start: str = "") -> Iterator[Iterator[Here | ClipError]]:
    """Files where they can be read, in order; those of object storage are fetched ahead.

    What cannot be there is an error in its place.

    Args:
        names: Of the files.
        start: The folder from which paths go, on a disk that all machines share; the current one
            if empty.

    Raises:
        StarsError: If a storage cannot be reached, which is no clip's fault.
    """
    if not any(map(is_url, names)):
        yield (Here(name=name, path=absolute(name, start)) for name in names)
        return
    with (
        tempfile.TemporaryDirectory(prefix="stars-") as folder,
        ThreadPoolExecutor(_AHEAD, thread_name_prefix="fetching") as pool,
    ):
        yield _fetched(names, start, Path(folder), pool)


def absolute(name: str, start: str = "") -> Path:
    """The path of a file, wherever it is asked for."""
    return (Path(start) / local_path(name)).absolute()


def _fetched(
    names: Iterable[str], start: str, folder: Path, pool: ThreadPoolExecutor
) -> Iterator[Here | ClipError]:
    waiting: deque[tuple[Future[Here | ClipError], Path]] = deque()

    def first() -> Iterator[Here | ClipError]:
        future, own = waiting.popleft()
        yield future.result()
        shutil.rmtree(own, ignore_errors=True)

    for number, name in enumerate(names):
        own = folder / str(number)
        waiting.append((pool.submit(_fetch, name, start, own), own))
        if len(waiting) >= _AHEAD:
            yield from first()
    while waiting:
        yield from first()


def _fetch(name: str, start: str, folder: Path) -> Here | ClipError:
    if not is_url(name):
        return Here(name=name, path=absolute(name, start))
    folder.mkdir()
    system, root = storage(name)
    for left in reversed(range(_TRIES)):
        try:
            file, mark, clip = root, "", ""
            if "#" in root and not system.exists(root):
                file, mark, clip = root.rpartition("#")
            path = folder / PurePosixPath(file).name
            system.get_file(file, str(path))
            _fetch_beside(system, file, path)
            return Here(name=name, path=Path(f"{path}{mark}{clip}"))
        except FileNotFoundError:
            return ClipError(name, "no such file")
        except PermissionError as error:
            return ClipError(name, f"cannot be read: {brief(error)}")
        except Exception as error:
            if not left:
                raise StarsError(
                    f"{name}: cannot be fetched: {brief(error)}; run it again"
                ) from error
    raise AssertionError


def _fetch_beside(system: object, root: str, path: Path) -> None:
    """Fetch what a clip needs beside it."""
    ending = _BESIDE.get(path.suffix.lower())
    if ending is None:
        return
    parent = str(PurePosixPath(root).parent)
    for other in system.ls(parent, False):  # type: ignore[attr-defined]  # fsspec is not typed
        if PurePosixPath(other).suffix.lower() == ending:
            system.get_file(other, str(path.parent / PurePosixPath(other).name))  # type: ignore[attr-defined]
