"""Folders on a disk or in object storage, by a path or a URL that fsspec knows (`s3://…`)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stars_infer.atomic import written_beside
from stars_infer.errors import MissingExtraError, StarsError, UsageError, brief

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_FILE = "file://"
_EXTRAS = {"s3fs": "s3", "gcsfs": "gs"}
"""Packages that open a kind of object storage, and the extras that bring them."""


def is_url(text: str) -> bool:
    """Whether a text names object storage rather than a file of this machine."""
    return _URL.match(text) is not None and not text.startswith(_FILE)


def local_path(text: str) -> Path:
    """The path that a text names, also as `file://…`."""
    return Path(text.removeprefix(_FILE))


def storage(url: str) -> tuple[Any, str]:
    """The file system of a URL, as fsspec has it, and the path in it.

    Raises:
        MissingExtraError: If a package that opens such URLs is not installed.
        UsageError: If fsspec knows no such URLs.
        StarsError: If the storage cannot be reached.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise MissingExtraError(url, "ray", "fsspec") from error
    try:
        found: tuple[Any, str] = url_to_fs(url)
    except ImportError as error:
        package = next((name for name in _EXTRAS if name in str(error)), None)
        if package is None:
            raise MissingExtraError(url, None, brief(error).split()[-1]) from error
        raise MissingExtraError(url, _EXTRAS[package], package) from error
    except ValueError as error:
        raise UsageError(f"{url}: no such kind of storage ({brief(error)})") from error
    return found


@dataclass(frozen=True)
class Place:
    """A folder that results are written to, which other programs may read meanwhile.

    Attributes:
        url: Its path, or its URL in object storage.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> str:
        """The name of a file in it, for messages."""
        return f"{self.url.rstrip('/')}/{name}"

    @property
    def path(self) -> Path | None:
        """Where it is on the disk; None in object storage."""
        return None if is_url(self.url) else local_path(self.url)

    @cached_property
    def _storage(self) -> tuple[Any, str]:
        return storage(self.url.rstrip("/"))

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder of it, in order; files in the making are left out."""
        if self.path is not None:
            there = self.path / folder
            found = [one.name for one in there.iterdir()] if there.is_dir() else []
        else:
            system, root = self._storage
            system.invalidate_cache()
            with _told(self.url):
                try:
                    found = [one.rpartition("/")[2] for one in system.ls(f"{root}/{folder}", False)]
                except FileNotFoundError:
                    found = []
        return sorted(name for name in found if name and not name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """The contents of a file in it; None if there is no such file.

        Raises:
            StarsError: If it cannot be read.
        """
        with _told(self / name):
            try:
                if self.path is not None:
                    return (self.path / name).read_bytes()
                system, root = self._storage
                system.invalidate_cache()
                return bytes(system.cat_file(f"{root}/{name}"))
            except FileNotFoundError:
                return None

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A new file that takes its place in one step when all went well; a kill leaves nothing.

        Raises:
            StarsError: If it cannot be written.
        """
        if self.path is not None:
            target = self.path / name
            with _told(self / name):
                target.parent.mkdir(parents=True, exist_ok=True)
                with written_beside(target) as beside:
                    yield beside
            return
        system, root = self._storage
        with tempfile.TemporaryDirectory(prefix="stars-") as folder:
            path = Path(folder, name.rpartition("/")[2])
            yield path
            with _told(self / name):  # an object is there as a whole, or not at all
                system.put_file(str(path), f"{root}/{name}")

    def remove(self, name: str) -> None:
        """Remove a file of it, if it is there."""
        with _told(self / name), suppress(FileNotFoundError):
            if self.path is not None:
                (self.path / name).unlink()
            else:
                system, root = self._storage
                system.rm_file(f"{root}/{name}")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Errors of a disk or a network in one sentence.

    Raises:
        StarsError: In their place.
    """
    try:
        yield
    except StarsError:
        raise
    except FileNotFoundError:
        raise
    except Exception as error:  # each storage has errors of its own
        if not isinstance(error, OSError) and not _is_of_storage(error):
            raise
        why = getattr(error, "strerror", None) or brief(error)
        raise StarsError(f"{what}: cannot be reached or written: {why}; run it again") from error


def _is_of_storage(error: Exception) -> bool:
    module = type(error).__module__.partition(".")[0]
    return module in {"botocore", "aiohttp", "gcsfs", "s3fs", "google", "azure", "asyncio"}
