"""The exemplars of an index, ready to be searched and to name clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import Calibration
from stars_infer.classification.classifiers import DEFAULT_CLASSIFIER, Ridge, Vote, classifier_named
from stars_infer.classification.open_set import (
    Decision,
    NearestOpenSetClassifier,
    OpenSetClassifier,
    RidgeOpenSetClassifier,
    leave_out_by_nearest,
)
from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.index.rows import Rows, as_queries
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import CANDIDATES, Found, Searcher, searcher_of

SHOWN_NEIGHBORS = 5
"""Nearest exemplars that come with an answer."""
MAX_DEFAULT_VOTERS = 5
_SAMPLE = 64
"""Exemplars by which a large index is calibrated."""


class Gallery:
    """Exemplars, in the order of their places.

    Args:
        store: At least one exemplar.
        model: Whose they are.
        similarity: Gives the similarity of exemplars among themselves, (E, E); asked once, and only
            where there are at most `CANDIDATES`.
        calibrated: Gives the calibration of more than that, which it may have from before.
    """

    def __init__(
        self,
        store: ExemplarStore,
        model: ModelInfo,
        *,
        similarity: Callable[[], FloatArray],
        calibrated: Callable[[Callable[[], Calibration]], Calibration],
    ) -> None:
        self._store = store
        self._model = model
        self._similarity = similarity
        self._calibrated = calibrated
        self._searcher, self._classes = store.searcher, store.classes
        self._sizes = np.bincount(self._classes[self._classes >= 0])
        self._classifiers: dict[tuple[str, int], OpenSetClassifier] = {}

    def nearest(self, queries: Sequence[Features], k: int) -> list[list[Neighbor]]:
        """The k nearest exemplars of each clip, nearest first."""
        return [self._neighbors(found, k) for found in self._searcher.nearest(queries, k)]

    @property
    def _is_small(self) -> bool:
        return int(self._sizes.sum()) <= CANDIDATES

    def open_set(self, options: ClassifyOptions) -> OpenSetClassifier:
        """What names clips and says how surely."""
        n = options.k or min(MAX_DEFAULT_VOTERS, int(self._sizes.min()))
        key = options.classifier, n
        if key not in self._classifiers:
            self._classifiers[key] = self._make_classifier(options.classifier, n)
        return self._classifiers[key]

    def classify(self, queries: Sequence[Features], options: ClassifyOptions) -> list[Prediction]:
        """Name clips."""
        open_set = self.open_set(options)
        threshold = open_set.calibration.threshold(options.false_accept_rate)
        found = self._found(queries)
        return [
            self._prediction(decision, near, threshold)
            for decision, near in zip(open_set.decisions(found), found, strict=True)
        ]

    def _found(self, queries: Sequence[Features]) -> list[Found]:
        """What a judge sees of each clip; where it has several views, by the most alike."""
        size = self._searcher.size
        if not self._is_small:
            return [
                _most_alike([self._store.candidates(view) for view in (one, *one.views)], size)
                for one in queries
            ]
        views = [view for one in queries for view in (one, *one.views)]
        found = iter(self._searcher.nearest(views, CANDIDATES))
        return [
            _most_alike([next(found) for _ in range(1 + len(one.views))], size) for one in queries
        ]

    def _make_classifier(self, classifier: str, n: int) -> OpenSetClassifier:
        how = self._model.comparison
        temperature = None if how is None else how.temperature
        if not self._is_small:
            if classifier == "prototypes":
                raise UsageError(
                    f"prototypes are made of at most {CANDIDATES:,} exemplars, the index holds "
                    f"{self._sizes.sum():,}: leave --classifier out"
                )
            return NearestOpenSetClassifier(
                self._classes,
                vote=Vote(n=n, temperature=None if classifier == "majority" else temperature),
                calibration=self._calibrated(self._calibration_by_sample),
            )
        ridge = Ridge(width=None if how is None else how.kernel_width)
        own = None
        if classifier != DEFAULT_CLASSIFIER:
            own = classifier_named(classifier, n=n, temperature=temperature)
        return RidgeOpenSetClassifier(
            self._similarity(),
            self._classes,
            len(self._sizes),
            ridge=ridge,
            classifier=own,
            prior=self._model.calibration.ridge,
        )

    def _calibration_by_sample(self) -> Calibration:
        """Measured by some exemplars of a large index."""
        there = np.flatnonzero(self._classes >= 0)
        sample = np.random.default_rng(0).permutation(there)[:_SAMPLE]
        asked = self._store.queries(sample)
        found = [self._store.candidates(one) for one in asked]
        own = self._classes[sample].tolist()
        class_out = [self._store.candidates(*one) for one in zip(asked, own, strict=True)]
        leave_out = leave_out_by_nearest(self._classes, sample, found, class_out)
        return Calibration.of(leave_out, self._model.calibration.nearest)

    def _neighbors(self, found: Found, k: int) -> list[Neighbor]:
        positions, similarities = found[0][:k], found[1][:k]
        sources = self._store.sources(positions)
        return [
            Neighbor(
                label=self._name(self._classes[position]), similarity=float(near), source=source
            )
            for position, near, source in zip(positions, similarities, sources, strict=True)
        ]

    def _name(self, number: int) -> str:
        return self._store.names[number]

    def _prediction(self, decision: Decision, found: Found, threshold: float) -> Prediction:
        positions, similarities = found
        classes = self._classes[positions]
        own = classes == decision.answer
        best = float(similarities[own].max())
        other = float(similarities[~own].max()) if not own.all() else None
        return Prediction(
            label=self._name(decision.answer),
            known=decision.chance_known > threshold,
            chance_known=decision.chance_known,
            confidence=decision.confidence,
            second=None if decision.second is None else self._name(decision.second),
            similarity=best,
            margin=None if other is None else best - other,
            neighbors=tuple(self._neighbors(found, SHOWN_NEIGHBORS)),
        )


def _most_alike(found: Sequence[Found], size: int) -> Found:
    """The largest similarity of each exemplar over several views, most alike first."""
    if len(found) == 1:
        return found[0]
    best = np.full(size, -np.inf, np.float32)
    for positions, similarities in found:
        np.maximum.at(best, positions, similarities)
    positions = np.flatnonzero(np.isfinite(best))
    positions = positions[np.argsort(-best[positions], kind="stable")]
    return positions, best[positions]


class ExemplarStore(Protocol):
    """Exemplars by their places."""

    @property
    def names(self) -> Sequence[str]:
        """Actions, sorted; of each there is an exemplar."""

    @property
    def classes(self) -> NDArray[np.intp]:
        """The place in `names` of each exemplar's action, (P,); -1 where there is none."""

    @property
    def searcher(self) -> Searcher:
        """Finds exemplars."""

    def candidates(self, query: Features, class_out: int | None = None) -> Found:
        """The exemplars by which a clip is named, the most alike first.

        Args:
            query: The clip.
            class_out: An action that is not to be seen, as if the index did not hold it.
        """

    def sources(self, positions: NDArray[np.intp]) -> list[str]:
        """Where exemplars come from."""

    def queries(self, positions: NDArray[np.intp]) -> list[Features]:
        """Exemplars as clips that are to be named."""


class SmallStore:
    """All exemplars of a small index; see `ExemplarStore`.

    Args:
        rows: Of the exemplars.
        model: Whose they are.
    """

    def __init__(self, rows: Rows, model: ModelInfo) -> None:
        self.ids = rows.ids
        names, self.classes = np.unique(np.array(rows.labels, object), return_inverse=True)
        self.names: list[str] = names.tolist()
        self._sources = rows.sources
        self._queries = as_queries(rows, model)
        self.searcher: Searcher = searcher_of(self._queries)

    def candidates(self, query: Features, class_out: int | None = None) -> Found:
        """See `ExemplarStore`; these are all."""
        ((positions, similar),) = self.searcher.nearest([query], len(self.ids))
        left = self.classes[positions] != (-1 if class_out is None else class_out)
        return positions[left], similar[left]

    def sources(self, positions: NDArray[np.intp]) -> list[str]:
        """See `ExemplarStore`."""
        return [self._sources[int(position)] for position in positions]

    def queries(self, positions: NDArray[np.intp]) -> list[Features]:
        """See `ExemplarStore`."""
        return [self._queries[int(position)] for position in positions]
