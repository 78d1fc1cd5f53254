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
    Judge,
    NearestJudge,
    RidgeJudge,
    Verdict,
    rehearsal_by_nearest,
)
from stars_infer.classification.prediction import Naming, Neighbour, Prediction
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.index.rows import Rows, questions_of
from stars_infer.similarity.features import Description
from stars_infer.similarity.nearest import CANDIDATES, Found, Searcher, searcher_of

SHOWN_NEIGHBOURS = 5
"""Nearest exemplars that come with an answer."""
MAX_DEFAULT_VOTERS = 5
_SAMPLE = 64
"""Exemplars by which a large index is calibrated."""


class Gallery:
    """Exemplars, in the order of their places.

    Args:
        holdings: At least one exemplar.
        model: Whose they are.
        likeness: Gives the likeness of exemplars among themselves, (E, E); asked once, and only
            where there are at most `CANDIDATES`.
        calibrated: Gives the calibration of more than that, which it may have from before.
    """

    def __init__(
        self,
        holdings: Holdings,
        model: ModelInfo,
        *,
        likeness: Callable[[], FloatArray],
        calibrated: Callable[[Callable[[], Calibration]], Calibration],
    ) -> None:
        self._holdings = holdings
        self._model = model
        self._likeness = likeness
        self._calibrated = calibrated
        self._searcher, self._classes = holdings.searcher, holdings.classes
        self._sizes = np.bincount(self._classes[self._classes >= 0])
        self._judges: dict[tuple[str, int], Judge] = {}

    def nearest(self, queries: Sequence[Description], k: int) -> list[list[Neighbour]]:
        """The k nearest exemplars of each clip, nearest first."""
        return [self._neighbours(found, k) for found in self._searcher.nearest(queries, k)]

    @property
    def _is_small(self) -> bool:
        return int(self._sizes.sum()) <= CANDIDATES

    def judge(self, naming: Naming) -> Judge:
        """What names clips and says how surely."""
        n = naming.k or min(MAX_DEFAULT_VOTERS, int(self._sizes.min()))
        key = naming.classifier, n
        if key not in self._judges:
            self._judges[key] = self._made_judge(naming.classifier, n)
        return self._judges[key]

    def classify(self, queries: Sequence[Description], naming: Naming) -> list[Prediction]:
        """Name clips."""
        judge = self.judge(naming)
        threshold = judge.calibration.threshold(naming.strangers)
        found = self._found(queries)
        return [
            self._prediction(verdict, near, threshold)
            for verdict, near in zip(judge.verdicts(found), found, strict=True)
        ]

    def _found(self, queries: Sequence[Description]) -> list[Found]:
        """What a judge sees of each clip; where it has several views, by the most alike."""
        size = self._searcher.size
        if not self._is_small:
            return [
                _most_alike([self._holdings.seen(view) for view in (one, *one.views)], size)
                for one in queries
            ]
        views = [view for one in queries for view in (one, *one.views)]
        found = iter(self._searcher.nearest(views, CANDIDATES))
        return [
            _most_alike([next(found) for _ in range(1 + len(one.views))], size) for one in queries
        ]

    def _made_judge(self, classifier: str, n: int) -> Judge:
        how = self._model.comparison
        temperature = None if how is None else how.temperature
        if not self._is_small:
            if classifier == "prototypes":
                raise UsageError(
                    f"prototypes are made of at most {CANDIDATES:,} exemplars, the index holds "
                    f"{self._sizes.sum():,}: leave --classifier out"
                )
            return NearestJudge(
                self._classes,
                vote=Vote(n=n, temperature=None if classifier == "majority" else temperature),
                calibration=self._calibrated(self._calibration_by_sample),
            )
        ridge = Ridge(width=None if how is None else how.kernel_width)
        own = None
        if classifier != DEFAULT_CLASSIFIER:
            own = classifier_named(classifier, n=n, temperature=temperature)
        return RidgeJudge(
            self._likeness(),
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
        asked = self._holdings.questions(sample)
        found = [self._holdings.seen(one) for one in asked]
        own = self._classes[sample].tolist()
        apart = [self._holdings.seen(*one) for one in zip(asked, own, strict=True)]
        rehearsal = rehearsal_by_nearest(self._classes, sample, found, apart)
        return Calibration.of(rehearsal, self._model.calibration.nearest)

    def _neighbours(self, found: Found, k: int) -> list[Neighbour]:
        places, similarities = found[0][:k], found[1][:k]
        sources = self._holdings.sources(places)
        return [
            Neighbour(label=self._name(self._classes[place]), similarity=float(near), source=source)
            for place, near, source in zip(places, similarities, sources, strict=True)
        ]

    def _name(self, number: int) -> str:
        return self._holdings.names[number]

    def _prediction(self, verdict: Verdict, found: Found, threshold: float) -> Prediction:
        places, similarities = found
        classes = self._classes[places]
        own = classes == verdict.answer
        best = float(similarities[own].max())
        other = float(similarities[~own].max()) if not own.all() else None
        return Prediction(
            label=self._name(verdict.answer),
            known=verdict.chance_known > threshold,
            chance_known=verdict.chance_known,
            confidence=verdict.confidence,
            second=None if verdict.second is None else self._name(verdict.second),
            similarity=best,
            margin=None if other is None else best - other,
            neighbours=tuple(self._neighbours(found, SHOWN_NEIGHBOURS)),
        )


def _most_alike(found: Sequence[Found], size: int) -> Found:
    """The largest similarity of each exemplar over several views, most alike first."""
    if len(found) == 1:
        return found[0]
    best = np.full(size, -np.inf, np.float32)
    for places, similarities in found:
        np.maximum.at(best, places, similarities)
    places = np.flatnonzero(np.isfinite(best))
    places = places[np.argsort(-best[places], kind="stable")]
    return places, best[places]


class Holdings(Protocol):
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

    def seen(self, query: Description, apart: int | None = None) -> Found:
        """The exemplars by which a clip is named, the most alike first.

        Args:
            query: The clip.
            apart: An action that is not to be seen, as if the index did not hold it.
        """

    def sources(self, places: NDArray[np.intp]) -> list[str]:
        """Where exemplars come from."""

    def questions(self, places: NDArray[np.intp]) -> list[Description]:
        """Exemplars as clips that are to be named."""


class AllInMemory:
    """All exemplars of a small index; see `Holdings`.

    Args:
        rows: Of the exemplars.
        model: Whose they are.
    """

    def __init__(self, rows: Rows, model: ModelInfo) -> None:
        self.ids = rows.ids
        names, self.classes = np.unique(np.array(rows.labels, object), return_inverse=True)
        self.names: list[str] = names.tolist()
        self._sources = rows.sources
        self._questions = questions_of(rows, model)
        self.searcher: Searcher = searcher_of(self._questions)

    def seen(self, query: Description, apart: int | None = None) -> Found:
        """See `Holdings`; these are all."""
        ((places, similar),) = self.searcher.nearest([query], len(self.ids))
        left = self.classes[places] != (-1 if apart is None else apart)
        return places[left], similar[left]

    def sources(self, places: NDArray[np.intp]) -> list[str]:
        """See `Holdings`."""
        return [self._sources[int(place)] for place in places]

    def questions(self, places: NDArray[np.intp]) -> list[Description]:
        """See `Holdings`."""
        return [self._questions[int(place)] for place in places]
