"""Decide which class a clip shows, if any, by its similarities to exemplars, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import Calibration
from stars_infer.classification.classifiers import (
    Classifier,
    Fitted,
    FittedRidge,
    Ridge,
    Scores,
    Vote,
)
from stars_infer.classification.leave_out import FEWEST_CLASSES, LeaveOut, ScoreFeatures
from stars_infer.classification.mirroring import NO_MIRRORING, Mirroring
from stars_infer.classification.model_calibration import Prior
from stars_infer.classification.unknown_share import EXPECTED_UNKNOWN

_LEAST_SPREAD = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Which class a clip shows, if any.

    Attributes:
        answer: Number of the class that fits best.
        second: Number of the class that fits second best; None if there is no other class.
        chance_known: Chance that the action of the clip is in the index at all, 0 to 1.
        confidence: Chance that the answer is right, 0 to 1.
    """

    answer: int
    second: int | None
    chance_known: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The exemplars by which a clip is named, the most similar first.

    Attributes:
        positions: Which they are, (P,).
        similarities: How similar they are to the clip, (P,).
        mirrored: How similar they are to its mirror image, (P,); None if that does not count.
        among: How similar the first N of them are to each other, (N, N); None where all exemplars
            are candidates.
    """

    positions: NDArray[np.intp]
    similarities: FloatArray
    mirrored: FloatArray | None = None
    among: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """Scores of N clips.

    Attributes:
        plain: Scores of the classes without mirror images, (N, C).
        named: Scores of the classes by which clips are named, (N, C).
        answers: Class numbers of the answers, (N,).
        fitting: Class numbers of the classes that tell how well clips fit, (N,).
    """

    plain: Scores
    named: Scores
    answers: NDArray[np.intp]
    fitting: NDArray[np.intp]

    @property
    def known_by(self) -> ScoreFeatures:
        """What tells whether the classes of clips are known."""
        return ScoreFeatures.of(self.plain, self.fitting)

    @property
    def right_by(self) -> ScoreFeatures:
        """What tells whether the answers are right."""
        return ScoreFeatures.of(self.named, self.answers)


class OpenSetClassifier(Protocol):
    """Scores clips by the exemplars that were found for them; see `decide` and `probabilities`."""

    calibration: Calibration

    def score(self, found: Sequence[Candidates]) -> Scored:
        """Score clips.

        Args:
            found: Exemplars of each clip, from `Gallery`.
        """


class RidgeOpenSetClassifier:
    """Decides by all exemplars of an index.

    Args:
        similarity: Similarity of every exemplar to every other, (E, E).
        classes: Class number of each exemplar, (E,).
        count: Number of classes, C.
        ridge: The classifier whose scores tell how sure an answer is.
        classifier: The classifier that gives the answers; the ridge if None.
        prior: The model's own calibration.
        mirroring: How much mirror images count for the answers.
        mirrored: Similarity of every exemplar's mirror image to every exemplar, (E, E); not needed
            if mirror images do not count.
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
        mirroring: Mirroring = NO_MIRRORING,
        mirrored: FloatArray | None = None,
    ) -> None:
        self._ridge: FittedRidge = ridge.fit(similarity, classes, count)
        self._mirroring, self._width = mirroring, ridge.width or 1.0
        self._classifier: Fitted = self._ridge
        if classifier is not None or mirroring.weight:
            named_by = self._mixed(similarity, mirrored)
            self._classifier = (classifier or ridge).fit(named_by, classes, count)
        self.calibration = Calibration.of(LeaveOut.of(self._ridge), prior)

    def score(self, found: Sequence[Candidates]) -> Scored:
        """See `OpenSetClassifier`; all exemplars must have been found for every clip."""
        orders = [np.argsort(one.positions) for one in found]
        similarity = np.stack(
            [one.similarities[order] for one, order in zip(found, orders, strict=True)]
        )
        mirrored = None
        if self._mirroring.weight:
            mirrored = np.stack(
                [np.asarray(one.mirrored)[order] for one, order in zip(found, orders, strict=True)]
            )
        plain = self._ridge.scores(similarity)
        named = self._classifier.scores(self._mixed(similarity, mirrored))
        answers = named.argmax(axis=1)
        if isinstance(self._classifier, FittedRidge):
            fitting = plain.argmax(axis=1)
            return Scored(plain=plain, named=named, answers=answers, fitting=fitting)
        # The curves are those of a ridge, also where something else gives the answers.
        return Scored(plain=plain, named=plain, answers=answers, fitting=answers)

    def _mixed(self, similarity: FloatArray, mirrored: FloatArray | None) -> FloatArray:
        if mirrored is None:
            return similarity
        return self._mirroring.mix(similarity, mirrored, self._width)


class LocalOpenSetClassifier:
    """Decides by the nearest exemplars of each clip, of a large index.

    A ridge is fitted to them for each clip. Exemplars that are far from a clip have hardly any
    weight in its scores, so that these are much like those by all exemplars (Bottou and Vapnik,
    "Local learning algorithms", 1992). A class of which none is near scores 0.

    Args:
        classes: Class number of the exemplar at each position, (P,); -1 where there is none.
        ridge: The classifier whose scores tell how sure an answer is.
        vote: The classifier that gives the answers; the ridge if None.
    """

    calibration: Calibration
    """Set by whoever makes it: measured by `leave_out`, or kept."""

    def __init__(self, classes: NDArray[np.intp], *, ridge: Ridge, vote: Vote | None) -> None:
        self._classes, self._ridge, self._vote = classes, ridge, vote
        self._sizes = np.bincount(classes[classes >= 0])

    def score(self, found: Sequence[Candidates]) -> Scored:
        """See `OpenSetClassifier`."""
        plain = self._stack([self._scores(one) for one in found])
        answers = plain.argmax(axis=1)
        if self._vote is not None:
            answers = np.array([self._voted(one, self._vote) for one in found], np.intp)
        return Scored(plain=plain, named=plain, answers=answers, fitting=answers)

    def leave_out(
        self,
        sample: NDArray[np.intp],
        without_itself: Sequence[Candidates],
        without_its_class: Sequence[Candidates],
    ) -> LeaveOut:
        """Scores that some exemplars would get if they were left out of the index.

        Args:
            sample: Positions of the exemplars.
            without_itself: The exemplars that are found for each of them but itself.
            without_its_class: Those that are found for each of them among the other classes.
        """
        own, sizes = self._classes[sample], self._sizes
        paired = np.flatnonzero(sizes[own] > 1)
        one_out = self._stack([self._scores(without_itself[int(at)]) for at in paired])
        enough = len(sizes) >= FEWEST_CLASSES
        class_out = [self._scores(one) for one in without_its_class] if enough else []
        return LeaveOut(
            class_out=self._stack(class_out),
            left_out=own[: len(class_out)],
            one_out=one_out,
            others=sizes[own[paired]] - 1,
            right=one_out.argmax(axis=1) == own[paired],
            shots=int(sizes.min()),
        )

    def _scores(self, found: Candidates) -> Scores:
        """Scores of the classes, (C,)."""
        assert found.among is not None
        near, count = len(found.among), len(self._sizes)
        if not near:
            return np.zeros(count)
        fitted = self._ridge.fit(
            found.among,
            self._classes[found.positions[:near]],
            count,
            sizes=np.minimum(self._sizes, near),  # as many of a class as may be near
        )
        return np.asarray(fitted.scores(found.similarities[None, :near])[0])

    def _voted(self, found: Candidates, vote: Vote) -> int:
        similar, classes = found.similarities[None], self._classes[found.positions]
        return int(vote.fit(similar, classes, len(self._sizes)).scores(similar)[0].argmax())

    def _stack(self, rows: list[Scores]) -> Scores:
        return np.stack(rows) if rows else np.zeros((0, len(self._sizes)))


def decide(
    scored: Scored, calibration: Calibration, unknown_share: float = EXPECTED_UNKNOWN
) -> list[Decision]:
    """Decide which class each clip shows.

    Args:
        scored: The clips.
        calibration: Of the classifier that scored them.
        unknown_share: Share of unknown clips among all that are asked, 0 to 1.
    """
    scores, answers = scored.named, scored.answers
    known = calibration.chance_known(scored.known_by, unknown_share)
    confidence = known * calibration.chance_right(scored.right_by)
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


def probabilities(
    scored: Scored, calibration: Calibration, unknown_share: float = EXPECTED_UNKNOWN
) -> Scores:
    """Chance of every class, (N, C); what is missing to 1 is the chance of an unknown class.

    The answer's chance is its confidence. The rest of the chance that the class is known is divided
    among the other classes by a softmax of their scores, in which a difference counts by how much
    the strength of unknown clips varies (`Calibration.spread`). An index of a single class has no
    others: there the rest is missing, too. The arguments are those of `decide`.
    """
    scores, answers = scored.named, scored.answers
    rows = np.arange(len(scores))
    known = calibration.chance_known(scored.known_by, unknown_share)
    confidence = known * calibration.chance_right(scored.right_by)
    if scores.shape[1] == 1:
        return confidence[:, None]
    # Strength is score plus margin, so it differs by twice as much as the score.
    logits = 2 * scores / max(calibration.spread, _LEAST_SPREAD)
    logits[rows, answers] = -np.inf
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    result = np.asarray((known - confidence)[:, None] * odds / odds.sum(axis=1, keepdims=True))
    result[rows, answers] = confidence
    return result
