"""The gallery of a small index, all in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.derived import ExemplarSimilarity
from stars_infer.index.file import IndexFile
from stars_infer.index.gallery import Gallery
from stars_infer.index.rows import ExemplarRows, RowReader, as_queries, count_of
from stars_infer.index.settings import IndexSettings
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import EXHAUSTIVE_LIMIT, Matches, Searcher, searcher_of


def small_gallery(
    file: IndexFile, model: ModelInfo, *, before: Gallery | None = None, sparing: bool = False
) -> Gallery | None:
    """What an index holds, for use within `IndexFile.reading`; None where it is large.

    Args:
        file: The index.
        model: Its model.
        before: An earlier state of it, whose similarities are taken over.
        sparing: Keep similarities in the file only where those there lack many exemplars.

    Raises:
        ExemplarIndexError: If it holds nothing.
    """
    if not is_small(size_of(file)):
        return None
    store, settings = SmallStore(RowReader(file, model).every(), model), IndexSettings(file)
    similarity = ExemplarSimilarity(
        file,
        store.ids,
        store.all_queries,
        model.comparison,
        before=None if before is None else before.similarity,
        sparing=sparing,
    )
    return Gallery(
        store,
        model,
        options=settings.options(),
        unknown_share=settings.unknown_share(),
        similarity=similarity,
    )


def is_small(size: int) -> bool:
    """Whether all of so many exemplars are compared."""
    return size <= EXHAUSTIVE_LIMIT


def size_of(file: IndexFile) -> int:
    """How many exemplars there are.

    Raises:
        ExemplarIndexError: If there are none.
    """
    with file.reading() as connection:
        size = count_of(connection)
    if not size:
        raise ExemplarIndexError(
            f"{file}: the index is empty; add clips with `stars fewshot add-class CLASS/*.npy`"
        )
    return size


class SmallStore:
    """All exemplars of a small index, in memory; see `ExemplarStore`.

    Args:
        rows: The exemplars.
        model: Their model.
    """

    def __init__(self, rows: ExemplarRows, model: ModelInfo) -> None:
        self.ids = rows.ids
        names, self.classes = np.unique(np.array(rows.labels, object), return_inverse=True)
        self.names: list[str] = names.tolist()
        self._sources = rows.sources
        self.all_queries = as_queries(rows, model)
        self.searcher: Searcher = searcher_of(self.all_queries, model.comparison)

    def candidates(self, query: Features, class_out: int | None = None) -> Matches:
        """See `ExemplarStore`; these are all."""
        ((positions, similar),) = self.searcher.nearest([query], len(self.ids))
        left = self.classes[positions] != (-1 if class_out is None else class_out)
        return positions[left], similar[left]

    def sources(self, positions: NDArray[np.intp]) -> list[str]:
        """See `ExemplarStore`."""
        return [self._sources[int(position)] for position in positions]

    def queries(self, positions: NDArray[np.intp]) -> list[Features]:
        """See `ExemplarStore`."""
        return [self.all_queries[int(position)] for position in positions]
