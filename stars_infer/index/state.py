"""The present state of an index, ready to name clips; it follows every change of the file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from stars_infer.classification.calibration import Calibration
from stars_infer.encoder.model import ModelInfo
from stars_infer.index.contents import contents_of
from stars_infer.index.derived import read_calibration, write_calibration
from stars_infer.index.file import IndexFile
from stars_infer.index.following import MOST_STALE, Followed, Follower
from stars_infer.index.gallery import Gallery
from stars_infer.index.large.store import LargeStore
from stars_infer.index.rows import count_of
from stars_infer.index.settings import IndexSettings
from stars_infer.index.small import is_small, size_of, small_gallery
from stars_infer.parallel import ReportProgress


def no_progress(at: int, end: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Latest:
    """The state that was answered by last.

    Attributes:
        state: What it is.
        own: `IndexFile.own_version` at that time.
        version: `IndexFile.version` of the file that is known to hold it; None if none is.
    """

    state: Followed
    own: object
    version: object


class IndexState:
    """Gives a `Gallery` of what the file holds, the same one until that changes.

    Args:
        file: The index.
        model: Its model.
    """

    def __init__(self, file: IndexFile, model: ModelInfo) -> None:
        self._file = file
        self._model = model
        self._settings = IndexSettings(file)
        self._large = LargeStore(file, model)
        self._kept_calibration: Calibration | None = None
        self._latest: _Latest | None = None
        self._wanted_since = 0.0
        self._follower = None if file.path is None else Follower(file.path, model)

    def close(self) -> None:
        """End what follows the file."""
        if self._follower is not None:
            self._follower.close()

    def refresh(self) -> None:
        """From now on, answer by nothing older than what the file holds now."""
        self._wanted_since = time.monotonic()

    @contextmanager
    def gallery(self, progress: ReportProgress = no_progress) -> Iterator[Gallery]:
        """One state of the file, ready to name clips.

        A small index is all in memory then, so that others can read and write meanwhile. What other
        processes change in it is taken in beside the answers: see `Follower`. A large index is read
        while it is asked, in one transaction.

        Raises:
            ExemplarIndexError: If it holds nothing.
        """
        small = self._small_gallery()
        if small is not None:
            yield small
            return
        with self._file.lock:
            large = None
            while large is None:
                self._prepare_large(progress)
                with self._file.reading():
                    large = self._large_gallery()
                    if large is not None:
                        yield large
            self._keep_calibration(large)

    def _small_gallery(self) -> Gallery | None:
        """None where the index is large."""
        asked = time.monotonic()
        with self._file.reading() as connection:
            gallery = self._latest_gallery(asked)
            if gallery is not None:
                return None if gallery.similarity is None else gallery
            latest, own = self._latest, self._file.own_version()
            if not self._may_lag(own):
                return self._read_small(asked)
            contents = contents_of(connection)
        assert latest is not None
        assert self._follower is not None
        at_least = max(asked - MOST_STALE, self._wanted_since)
        found = self._follower.follow(latest.state, contents, asked=asked, at_least=at_least)
        if found is None:
            with self._file.reading():
                return self._read_small(time.monotonic())
        with self._file.lock:
            if self._latest is latest and found is not latest.state:
                self._latest = _Latest(state=found, own=own, version=None)
        return found.gallery

    def _may_lag(self, own: object) -> bool:
        """Whether only other processes have changed a small index, which is one still."""
        latest = self._latest
        if latest is None or latest.own != own or self._follower is None:
            return False
        size = count_of(self._file.connection)
        return latest.state.gallery.similarity is not None and size > 0 and is_small(size)

    def _read_small(self, asked: float) -> Gallery | None:
        """Take in what the file holds, within `IndexFile.reading`; None where it is large."""
        before = None if self._latest is None else self._latest.state.gallery
        gallery = small_gallery(self._file, self._model, before=before)
        if gallery is not None:
            self._take(gallery, asked)
        return gallery

    def _take(self, gallery: Gallery, asked: float) -> None:
        contents = contents_of(self._file.connection)
        self._latest = _Latest(
            state=Followed(contents=contents, gallery=gallery, as_of=asked),
            own=self._file.own_version(),
            version=self._file.version(),
        )

    def _prepare_large(self, progress: ReportProgress) -> None:
        """Load, make or extend the cache of a large index, unless nothing has changed."""
        with self._file.reading():
            current = self._latest_gallery(time.monotonic()) is not None
        if not current:
            self._large.prepare(progress)

    def _large_gallery(self) -> Gallery | None:
        """None where another process has made a cache since `_prepare_large`."""
        asked = time.monotonic()
        gallery = self._latest_gallery(asked)
        if gallery is not None:
            return gallery
        size_of(self._file)
        if not self._large.read():
            return None
        store, connection = self._large, self._file.connection
        sizes = int((store.classes >= 0).sum()), len(store.names)
        self._kept_calibration = read_calibration(connection, sizes, self._model)
        gallery = Gallery(
            store,
            self._model,
            options=self._settings.options(),
            unknown_share=self._settings.unknown_share(),
            calibration=self._kept_calibration,
        )
        self._take(gallery, asked)
        return gallery

    def _latest_gallery(self, asked: float) -> Gallery | None:
        """The last one, unless the index has changed since; for use within `IndexFile.reading`."""
        latest = self._latest
        if latest is None:
            return None
        version = self._file.version()
        if latest.version != version:
            if latest.own != self._file.own_version():
                return None
            if latest.state.contents != contents_of(self._file.connection):
                return None
        state = replace(latest.state, as_of=max(asked, latest.state.as_of))
        self._latest = replace(latest, version=version, state=state)
        return latest.state.gallery

    def _keep_calibration(self, gallery: Gallery) -> None:
        """Keep what a large index has measured; not within a transaction."""
        found = gallery.calibration
        if found is not None and found is not self._kept_calibration:
            self._file.keep(
                lambda connection: write_calibration(connection, found, gallery.sizes, self._model)
            )
            self._kept_calibration = found
