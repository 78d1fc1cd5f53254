"""From the similarity of a clip to an index's exemplars to a name, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import (
    FEWEST_CLASSES,
    Calibration,
    LeaveOut,
    Prior,
    ScoreFeatures,
)
from stars_infer.classification.classifiers import (
    Classifier,
    Fitted,
    FittedRidge,
    Ridge,
    Scores,
    Vote,
)
from stars_infer.similarity.nearest import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a judge says of a clip.

    Attributes:
        answer: The class that fits best.
        second: The class that fits next; None if there is no other.
        chance_known: Chance that its class is in the index at all.
        confidence: Chance that the answer is right.
    """

    answer: int
    second: int | None
    chance_known: float
    confidence: float


class OpenSetClassifier(Protocol):
    """Names clips from the exemplars found for them."""

    calibration: Calibration

    def decisions(self, found: Sequence[Found]) -> list[Decision]:
        """Verdicts on clips.

        Args:
            found: Places and similarities of exemplars, of each clip; all the judge asks for.
        """


class RidgeOpenSetClassifier:
    """Judges by all exemplars of an index.

    Args:
        similarity: Of exemplars to exemplars, (E, E).
        classes: Of the exemplars, (E,).
        count: C.
        ridge: Whose scores are the evidence.
        classifier: Gives the names; the ridge if None.
        prior: The model's own calibration.
    """

    def __init__(
        self,
        similarity: FloatArray,
        classes: NDArray[np.intp],
        count: int,
        *,
        ridge: Ridge,
        classifier: Classifier | None,
        prior: Prior,
    ) -> None:
        self._ridge: FittedRidge = ridge.fit(similarity, classes, count)
        self._namer: Fitted = (
            self._ridge if classifier is None else classifier.fit(similarity, classes, count)
        )
        self.calibration = Calibration.of(LeaveOut.of(self._ridge), prior)

    def decisions(self, found: Sequence[Found]) -> list[Decision]:
        """See `OpenSetClassifier`; all exemplars must be among those found."""
        similarity = np.stack([np.asarray(similar)[np.argsort(at)] for at, similar in found])
        answers = self._namer.scores(similarity).argmax(axis=1)
        return _decisions(self._ridge.scores(similarity), answers, self.calibration)


class NearestOpenSetClassifier:
    """Judges by the nearest exemplars of a large index.

    Args:
        classes: Of the exemplars by their places, (P,); -1 where there is none.
        vote: Gives the names.
        calibration: Of `leave_out_by_nearest`.
    """

    def __init__(self, classes: NDArray[np.intp], *, vote: Vote, calibration: Calibration) -> None:
        self._classes = classes
        self._vote = vote
        self._count = int(classes.max()) + 1
        self.calibration = calibration

    def decisions(self, found: Sequence[Found]) -> list[Decision]:
        """See `OpenSetClassifier`."""
        scores = [
            _nearness(self._classes[positions], near, self._count) for positions, near in found
        ]
        answers = [self._named(positions, similar) for positions, similar in found]
        return _decisions(np.stack(scores), np.array(answers, np.intp), self.calibration)

    def _named(self, positions: NDArray[np.intp], similar: FloatArray) -> int:
        fitted = self._vote.fit(similar[None], self._classes[positions], self._count)
        return int(fitted.scores(similar[None])[0].argmax())


def leave_out_by_nearest(
    classes: NDArray[np.intp],
    sample: NDArray[np.intp],
    found: Sequence[Found],
    found_without_class: Sequence[Found],
) -> LeaveOut:
    """How some exemplars of a large index fare as questions.

    Args:
        classes: Of the exemplars by their places, (P,); -1 where there is none.
        sample: Places of some exemplars.
        found: Exemplars found for each of the sample, itself among them.
        found_without_class: The same as if its action were not there.
    """
    count = int(classes.max()) + 1
    class_out, one_out, own = [], [], []
    for positions, similar in found_without_class:
        if count >= FEWEST_CLASSES and len(positions):
            class_out.append(_nearness(classes[positions], similar, count))
    for position, (positions, similar) in zip(sample.tolist(), found, strict=True):
        others = positions != position
        if ((classes[positions] == classes[position]) & others).any():
            one_out.append(_nearness(classes[positions[others]], similar[others], count))
            own.append(int(classes[position]))
    one_out_scores = _stack(one_out, count)
    return LeaveOut(
        class_out=_stack(class_out, count),
        one_out=one_out_scores,
        right=one_out_scores.argmax(axis=1) == np.array(own, np.intp),
    )


def _nearness(classes: NDArray[np.intp], similar: FloatArray, count: int) -> Scores:
    """Of each class the similarity of its best, less the mean of the others' best, (C,).

    A class of which nothing was found is taken to be as like as the last that was.
    """
    best = np.full(count, float(similar.min()))
    np.maximum.at(best, classes, similar.astype(np.float64))
    rest = (best.sum() - best) / max(1, count - 1)
    return np.asarray(best - rest)


def _stack(rows: list[Scores], count: int) -> Scores:
    return np.stack(rows) if rows else np.zeros((0, count))


def _decisions(
    scores: Scores, answers: NDArray[np.intp], calibration: Calibration
) -> list[Decision]:
    score_features = ScoreFeatures.of(scores, answers)
    known = calibration.chance_known(score_features)
    confidence = known * calibration.chance_right(score_features)
    others = scores.copy()
    others[np.arange(len(scores)), answers] = -np.inf
    seconds = others.argmax(axis=1)
    return [
        Decision(
            answer=int(answer),
            second=int(second) if scores.shape[1] > 1 else None,
            chance_known=float(chance),
            confidence=float(sure),
        )
        for answer, second, chance, sure in zip(answers, seconds, known, confidence, strict=True)
    ]
