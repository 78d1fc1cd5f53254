"""One state of an index: its exemplars, ready to be searched and to name clips."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.calibration import Calibration
from stars_infer.classification.classifiers import (
    DEFAULT_CLASSIFIER,
    Ridge,
    Vote,
    make_classifier,
    median_gap,
)
from stars_infer.classification.mirroring import (
    AUTO,
    LARGE_MIRRORING,
    NO_MIRRORING,
    Mirroring,
    choose_mirroring,
)
from stars_infer.classification.open_set import (
    Candidates,
    Decision,
    LocalOpenSetClassifier,
    OpenSetClassifier,
    RidgeOpenSetClassifier,
    Scored,
    decide,
    probabilities,
)
from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.classification.unknown_share import UnknownShare
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.index.derived import ExemplarSimilarity
from stars_infer.index.rows import Ids
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import (
    EXHAUSTIVE_LIMIT,
    Matches,
    Searcher,
    SequenceSearcher,
)
from stars_infer.similarity.rough import rough_among, rough_pairwise

SHOWN_ACTIONS = 5
"""Likeliest actions that come with an answer."""
SHOWN_NEIGHBORS = 5
"""Nearest exemplars that come with an answer."""
MAX_DEFAULT_VOTERS = 5
_NOTED = 4
"""Ways to name clips that are noted."""
NEAR = 96
"""Exemplars of a large index to which the classifier is fitted for each clip."""
_SAMPLE = 64
"""Exemplars by which a large index is calibrated."""


class Gallery:
    """Exemplars in the order of their positions; several threads may ask at once.

    Args:
        store: At least one exemplar.
        model: Its model.
        options: How clips are named if nothing else is said.
        unknown_share: What is known of the share of unknown clips.
        similarity: Of the exemplars of a small index; None for a large one, which is named by the
            nearest exemplars.
        calibration: Of a large index, from before; None where it is to be measured.

    Attributes:
        store: As given.
        options: As given.
        similarity: As given.
        calibration: As given, or as measured since.
        sizes: How many exemplars and actions there are.
        asked: How clips were named: classifier, number of voters and mirror images, as asked for.
    """

    def __init__(
        self,
        store: ExemplarStore,
        model: ModelInfo,
        *,
        options: ClassifyOptions,
        unknown_share: UnknownShare,
        similarity: ExemplarSimilarity | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.store = store
        self.options = options
        self._unknown_share = unknown_share
        self._model = model
        self.similarity = similarity
        self.calibration = calibration
        self._searcher, self._classes = store.searcher, store.classes
        self._counts = np.bincount(self._classes[self._classes >= 0])
        self.sizes = int(self._counts.sum()), len(store.names)
        self.asked: dict[tuple[str, int | None, str], ClassifyOptions] = {}
        self._classifiers: dict[tuple[str, int, str], OpenSetClassifier] = {}
        self._mirrorings: dict[str, Mirroring] = {}
        self._lock = threading.Lock()

    def nearest(self, queries: Sequence[Features], k: int) -> list[list[Neighbor]]:
        """The k nearest exemplars of each clip, nearest first."""
        return [self._neighbors(found, k) for found in self._searcher.nearest(queries, k)]

    def open_set(self, options: ClassifyOptions) -> OpenSetClassifier:
        """What decides which action a clip shows, and how sure that is."""
        n = options.k or min(MAX_DEFAULT_VOTERS, int(self._counts.min()))
        key = options.classifier, n, options.mirror
        with self._lock:
            self._note(options)
            if key not in self._classifiers:
                self._classifiers[key] = self._make_classifier(options, n)
            return self._classifiers[key]

    def _note(self, options: ClassifyOptions) -> None:
        """Note how clips are named, last what was asked for last."""
        way = options.classifier, options.k, options.mirror
        self.asked.pop(way, None)
        self.asked[way] = options
        if len(self.asked) > _NOTED:
            del self.asked[next(iter(self.asked))]

    def classify(self, queries: Sequence[Features], options: ClassifyOptions) -> list[Prediction]:
        """Name clips."""
        open_set = self.open_set(options)
        found = self._candidates(queries, options)
        scored, calibration = open_set.score(found), open_set.calibration
        share = self._share(scored, calibration, options)
        threshold = calibration.threshold(options.false_accept_rate, share)
        decisions = decide(scored, calibration, share)
        chances = probabilities(scored, calibration, share)
        predictions = [
            self._prediction(decision, row, near, threshold)
            for decision, row, near in zip(decisions, chances, found, strict=True)
        ]
        if not options.fit or self.similarity is None or self._model.comparison is None:
            return predictions
        answers = [decision.answer for decision in decisions]
        return [
            replace(prediction, fit=self._fit(query, answer))
            for prediction, query, answer in zip(predictions, queries, answers, strict=True)
        ]

    def _fit(self, query: Features, answer: int) -> float:
        """See `Prediction.fit`."""
        assert isinstance(self._searcher, SequenceSearcher)
        return float(self._searcher.whole_similarities(query)[self._classes == answer].max())

    def predict_proba(
        self, queries: Sequence[Features], options: ClassifyOptions
    ) -> NDArray[np.float64]:
        """Chance of every action, (N, C), in the order of `ExemplarStore.names`."""
        if not queries:
            return np.zeros((0, len(self.store.names)))
        open_set = self.open_set(options)
        scored = open_set.score(self._candidates(queries, options))
        share = self._share(scored, open_set.calibration, options)
        return probabilities(scored, open_set.calibration, share)

    def _share(self, scored: Scored, calibration: Calibration, options: ClassifyOptions) -> float:
        """The share of unknown clips: as expected, or learned from those that are asked."""
        if not options.together:
            return self._unknown_share.expected
        return calibration.learn_share(calibration.log_odds(scored.known_by), self._unknown_share)

    def mirroring(self, choice: str = AUTO) -> Mirroring:
        """Whether mirror images count, and why.

        Args:
            choice: One of `stars_infer.classification.mirroring.MIRROR_CHOICES`.
        """
        how = self._model.comparison
        if how is None:
            return NO_MIRRORING
        if self.similarity is None:
            return LARGE_MIRRORING
        if choice not in self._mirrorings:
            self._mirrorings[choice] = choose_mirroring(
                self.similarity.matrix(),
                self.similarity.mirrored(),
                self._classes,
                ridge=Ridge(width=how.kernel_width),
                choice=choice,
            )
        return self._mirrorings[choice]

    def _candidates(
        self, queries: Sequence[Features], options: ClassifyOptions
    ) -> list[Candidates]:
        """The exemplars by which each clip is named; of its views, the most similar counts."""
        size = self._searcher.size
        if self.similarity is None:
            return [
                self._near(
                    one, _best_of_views([self.store.candidates(v) for v in (one, *one.views)], size)
                )
                for one in queries
            ]
        mirrored = bool(self.mirroring(options.mirror).weight)
        return [self._all_exemplars(one, mirrored=mirrored) for one in queries]

    def _near(self, query: Features, found: Matches) -> Candidates:
        """The candidates of a large index, and how similar the nearest are to each other."""
        positions, similarities = found
        among = np.zeros((0, 0), np.float32)
        if len(positions):
            near, asked = self.store.queries(positions[:NEAR]), (query, *query.views)
            among = rough_among(asked, near, similarities[:NEAR], self._model.comparison)
        return Candidates(positions=positions, similarities=similarities, among=among)

    def _all_exemplars(self, query: Features, *, mirrored: bool) -> Candidates:
        """All exemplars of a small index."""
        views = (query, *query.views)
        found = self._searcher.nearest(views, EXHAUSTIVE_LIMIT)
        positions, similarities = _best_of_views(found, self._searcher.size)
        copies = None
        if mirrored:
            assert isinstance(self._searcher, SequenceSearcher)
            rows = [self._searcher.mirrored_similarities(view) for view in views]
            copies = np.max(rows, axis=0)[positions]
        return Candidates(positions=positions, similarities=similarities, mirrored=copies)

    def _make_classifier(self, options: ClassifyOptions, n: int) -> OpenSetClassifier:
        how, classifier = self._model.comparison, options.classifier
        temperature = None if how is None else how.temperature
        if self.similarity is None:
            if classifier == "prototypes":
                raise UsageError(
                    f"prototypes are made of at most {EXHAUSTIVE_LIMIT:,} examples, the index "
                    f"holds {self.sizes[0]:,}: leave --classifier out"
                )
            return self._make_local_classifier(
                None
                if classifier == DEFAULT_CLASSIFIER
                else Vote(n=n, temperature=None if classifier == "majority" else temperature)
            )
        ridge = Ridge(width=None if how is None else how.kernel_width)
        own = None
        if classifier != DEFAULT_CLASSIFIER:
            own = make_classifier(classifier, n=n, temperature=temperature)
        return RidgeOpenSetClassifier(
            self.similarity.matrix(),
            self._classes,
            len(self._counts),
            ridge=ridge,
            classifier=own,
            prior=self._model.calibration.ridge,
            mirroring=self.mirroring(options.mirror),
            mirrored=self.similarity.mirrored(),
        )

    def _make_local_classifier(self, vote: Vote | None) -> LocalOpenSetClassifier:
        """That of a large index."""
        how, sample = self._model.comparison, self._sample()
        if how is None:
            cosines = rough_pairwise(self.store.queries(sample), None)
            width = median_gap(cosines.astype(np.float64))
        else:
            width = how.kernel_width
        made = LocalOpenSetClassifier(self._classes, ridge=Ridge(width=width), vote=vote)
        if self.calibration is None:
            self.calibration = self._calibrate_by(sample, made)
        made.calibration = self.calibration
        return made

    def _sample(self) -> NDArray[np.intp]:
        """Some exemplars of a large index."""
        there = np.flatnonzero(self._classes >= 0)
        return np.random.default_rng(0).permutation(there)[:_SAMPLE]

    def _calibrate_by(
        self, sample: NDArray[np.intp], classifier: LocalOpenSetClassifier
    ) -> Calibration:
        """Leave some exemplars of a large index out, one by one."""
        without_itself, without_its_class = [], []
        for at, query in zip(sample.tolist(), self.store.queries(sample), strict=True):
            positions, similarities = self.store.candidates(query)
            others = positions != at
            without_itself.append(self._near(query, (positions[others], similarities[others])))
            own = int(self._classes[at])
            without_its_class.append(self._near(query, self.store.candidates(query, own)))
        leave_out = classifier.leave_out(sample, without_itself, without_its_class)
        return Calibration.of(leave_out, self._model.calibration.ridge)

    def _neighbors(self, found: Matches, k: int) -> list[Neighbor]:
        positions, similarities = found[0][:k], found[1][:k]
        sources, ids = self.store.sources(positions), self.store.ids[positions]
        return [
            Neighbor(
                label=self._name(self._classes[position]),
                similarity=float(near),
                source=source,
                id=int(number),
            )
            for position, near, source, number in zip(
                positions, similarities, sources, ids, strict=True
            )
        ]

    def _name(self, number: int) -> str:
        return self.store.names[number]

    def _prediction(
        self,
        decision: Decision,
        chances: NDArray[np.float64],
        found: Candidates,
        threshold: float,
    ) -> Prediction:
        positions, similarities = found.positions, found.similarities
        classes = self._classes[positions]
        own = classes == decision.answer
        best = float(similarities[own].max())
        other = float(similarities[~own].max()) if not own.all() else None
        likeliest = np.argsort(-chances, kind="stable")[:SHOWN_ACTIONS]
        return Prediction(
            label=self._name(decision.answer),
            known=decision.chance_known > threshold,
            chance_known=decision.chance_known,
            confidence=decision.confidence,
            second=None if decision.second is None else self._name(decision.second),
            similarity=best,
            margin=None if other is None else best - other,
            neighbors=tuple(self._neighbors((positions, similarities), SHOWN_NEIGHBORS)),
            likeliest=tuple((self._name(number), float(chances[number])) for number in likeliest),
        )


def _best_of_views(found: Sequence[Matches], size: int) -> Matches:
    """The largest similarity of each exemplar over several views, the most similar first."""
    if len(found) == 1:
        return found[0]
    best = np.full(size, -np.inf, np.float32)
    for positions, similarities in found:
        np.maximum.at(best, positions, similarities)
    positions = np.flatnonzero(np.isfinite(best))
    positions = positions[np.argsort(-best[positions], kind="stable")]
    return positions, best[positions]


class ExemplarStore(Protocol):
    """Exemplars by their positions."""

    @property
    def names(self) -> Sequence[str]:
        """Actions with at least one exemplar, sorted."""

    @property
    def classes(self) -> NDArray[np.intp]:
        """Position in `names` of each exemplar's action, (P,); -1 where no exemplar is."""

    @property
    def ids(self) -> Ids:
        """Number of each exemplar, (P,)."""

    @property
    def searcher(self) -> Searcher:
        """Finds exemplars."""

    def candidates(self, query: Features, class_out: int | None = None) -> Matches:
        """The exemplars by which a clip is named, the most similar first.

        Args:
            query: The clip.
            class_out: An action that is left out, as if the index did not hold it.
        """

    def sources(self, positions: NDArray[np.intp]) -> list[str]:
        """Where exemplars come from."""

    def queries(self, positions: NDArray[np.intp]) -> list[Features]:
        """Exemplars as queries."""
