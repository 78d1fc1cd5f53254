"""Follows what other processes change in a small index, in a thread, while it is asked."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stars_infer.encoder.model import ModelInfo
from stars_infer.index.contents import Contents, contents_of
from stars_infer.index.file import IndexFile
from stars_infer.index.gallery import Gallery
from stars_infer.index.small import small_gallery

PATIENCE = 0.2
"""Seconds for which an answer waits until a change is taken in; then it is of an earlier state."""
MOST_STALE = 60.0
"""Seconds before a question to which an answer's state may go back."""
_WAIT = 1.0
"""Seconds for which the thread waits for other programs."""
_REST = 4.0
"""Taking in changes that take longer than `PATIENCE` rests for so many times as long."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Followed:
    """A state of an index, complete.

    Attributes:
        contents: From `contents_of`.
        gallery: What names clips.
        as_of: When it was the state of the file, by `time.monotonic`.
    """

    contents: Contents
    gallery: Gallery
    as_of: float


class _EndedError(Exception):
    """Nobody waits for it any longer."""


class Follower:
    """Makes galleries of a file in a thread, one after the other, through a connection of its own.

    The thread ends with each gallery, so that none is left where nobody asks.

    Args:
        path: The index.
        model: Its model.
    """

    def __init__(self, path: Path, model: ModelInfo) -> None:
        self._path, self._model, self._inode = path, model, inode_of(path)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._found: Followed | None = None
        self._failed = self._closed = False
        self._began = self._ended = self._took = 0.0

    def follow(
        self, known: Followed, contents: Contents, *, asked: float, at_least: float
    ) -> Followed | None:
        """The newest state that can be had in time.

        Args:
            known: The last state that is known.
            contents: What the file holds now.
            asked: When it was asked for.
            at_least: The time of which the state must be at least; for that it is waited.

        Returns:
            A state, perhaps the known one; None where the file must be read otherwise, because this
            failed.
        """
        self._follow_fork()
        with self._changed:
            while True:
                known = self._newer(known)
                if known.contents == contents or known.as_of >= asked:
                    return known
                if self._failed or self._closed:
                    self._failed = False
                    return None
                now, enough = time.monotonic(), known.as_of >= at_least
                if self._thread is None and (not enough or now >= self._next(known)):
                    self._start(known)
                    continue
                left = self._began + PATIENCE - now if self._is_worth_waiting else 0.0
                if enough and left <= 0:
                    return known
                self._changed.wait(left if enough else None)

    def close(self) -> None:
        """End the thread, as soon as what it is at allows."""
        self._follow_fork()
        with self._changed:
            self._closed, thread = True, self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _follow_fork(self) -> None:
        if os.getpid() != self._process:  # the thread is the other process's, as is who waits
            self._start_afresh()

    def _newer(self, known: Followed) -> Followed:
        found = self._found
        return found if found is not None and found.as_of > known.as_of else known

    @property
    def _is_worth_waiting(self) -> bool:
        """Whether the thread may be done soon, as it was the last time."""
        return self._thread is not None and self._took <= PATIENCE

    def _next(self, known: Followed) -> float:
        """When a thread should start again, by `time.monotonic`."""
        if self._took <= PATIENCE:
            return self._ended
        return min(self._ended + _REST * self._took, known.as_of + MOST_STALE - 2 * self._took)

    def _start(self, known: Followed) -> None:
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(known,), name="stars-infer-index")
        try:
            self._thread.start()
        except RuntimeError:  # the program ends, or has all the threads that it may
            self._thread, self._failed = None, True

    def _run(self, known: Followed) -> None:
        found = None
        try:
            found = self._make(known)
        except Exception:  # whoever asks reads the file otherwise, and is told
            found = None
        with self._changed:
            self._found, self._failed = found, found is None
            self._thread, self._ended = None, time.monotonic()
            self._took = self._ended - self._began
            self._changed.notify_all()

    def _make(self, known: Followed) -> Followed | None:
        """None where the index has grown large, or another file lies there."""
        if self._inode != inode_of(self._path):
            return None
        with closing(IndexFile(self._path, self._model, wait=_WAIT)) as file:
            if self._inode != inode_of(self._path):
                return None
            as_of = time.monotonic()
            with file.reading() as connection:
                contents = contents_of(connection)
                gallery = small_gallery(file, self._model, before=known.gallery, sparing=True)
            if gallery is None or gallery.similarity is None:
                return None
            self._check_wanted()
            gallery.similarity.matrix(self._check_wanted)
            (first,) = gallery.store.queries(np.zeros(1, np.intp))
            gallery.nearest([first], 1)
            for options in list(known.gallery.asked.values()):
                self._check_wanted()
                gallery.classify([first], options)
        return Followed(contents=contents, gallery=gallery, as_of=as_of)

    def _check_wanted(self, at: int = 0, end: int = 0) -> None:
        """Stop where the index was closed, or the program ends."""
        if self._closed or not threading.main_thread().is_alive():
            raise _EndedError


def inode_of(path: Path) -> int | None:
    """What tells a file from another of its name; None if there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None
