"""The present state of an index, ready to name clips; it follows every change of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stars_infer.classification.calibration import Calibration
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.derived import ExemplarSimilarity, read_calibration, write_calibration
from stars_infer.index.file import IndexFile
from stars_infer.index.gallery import Gallery, SmallStore
from stars_infer.index.large.store import LargeStore
from stars_infer.index.rows import RowReader, count_of
from stars_infer.index.settings import IndexSettings
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.nearest import EXHAUSTIVE_LIMIT


def no_progress(at: int, end: int) -> None:
    """Report nothing."""


class IndexState:
    """Gives a `Gallery` of what the file holds now, the same one until the file changes.

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
        self._latest: tuple[object, Gallery] | None = None

    @contextmanager
    def gallery(self, progress: ReportProgress = no_progress) -> Iterator[Gallery]:
        """One state of the file, ready to name clips.

        A small index is all in memory then, so that others can read and write meanwhile. A large
        one is read while it is asked, in one transaction.

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
        with self._file.reading():
            gallery = self._latest_gallery()
            if gallery is not None:
                return None if gallery.similarity is None else gallery
            if self._count() > EXHAUSTIVE_LIMIT:
                return None
            store = SmallStore(RowReader(self._file, self._model).every(), self._model)
            similarity = ExemplarSimilarity(
                self._file, store.ids, store.all_queries, self._model.comparison
            )
            gallery = Gallery(
                store,
                self._model,
                options=self._settings.options(),
                unknown_share=self._settings.unknown_share(),
                similarity=similarity,
            )
            self._latest = self._file.version(), gallery
        return gallery

    def _prepare_large(self, progress: ReportProgress) -> None:
        """Load, make or extend the cache of a large index, unless nothing has changed."""
        with self._file.reading():
            current = self._latest_gallery() is not None
        if not current:
            self._large.prepare(progress)

    def _large_gallery(self) -> Gallery | None:
        """None where another process has made a cache since `_prepare_large`."""
        gallery = self._latest_gallery()
        if gallery is not None:
            return gallery
        self._count()
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
        self._latest = self._file.version(), gallery
        return gallery

    def _latest_gallery(self) -> Gallery | None:
        """The last one, unless the file has changed since; for use within `IndexFile.reading`."""
        if self._latest is None or self._latest[0] != self._file.version():
            return None
        return self._latest[1]

    def _count(self) -> int:
        """How many exemplars there are.

        Raises:
            ExemplarIndexError: If there are none.
        """
        with self._file.reading() as connection:
            size = count_of(connection)
        if not size:
            raise ExemplarIndexError(
                f"{self._file}: the index is empty; add clips with "
                "`stars fewshot add-class CLASS/*.npy`"
            )
        return size

    def _keep_calibration(self, gallery: Gallery) -> None:
        """Keep what a large index has measured; not within a transaction."""
        found = gallery.calibration
        if found is not None and found is not self._kept_calibration:
            self._file.keep(
                lambda connection: write_calibration(connection, found, gallery.sizes, self._model)
            )
            self._kept_calibration = found
