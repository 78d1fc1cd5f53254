"""How clips score, and how exemplars would score if they were not in the index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import FittedRidge, Scores

FEWEST_CLASSES = 3
"""Fewest classes from which unknown clips can be simulated: of two classes, leaving one out leaves
one, and its score has no margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFeatures:
    """What the probabilities of Q clips are computed from.

    Attributes:
        score: Score of the class that was answered, (Q,).
        margin: Its lead over the best other class, (Q,); negative if another class scores higher.
    """

    score: Scores
    margin: Scores

    @classmethod
    def of(cls, scores: Scores, answers: NDArray[np.intp] | None = None) -> ScoreFeatures:
        """The features of answers.

        Args:
            scores: Score of each class, (Q, C).
            answers: Class numbers of the answers, (Q,); if not given, the classes that score
                highest.
        """
        rows = np.arange(len(scores))
        answers = scores.argmax(axis=1) if answers is None else answers
        own = scores[rows, answers]
        others = scores.copy()
        others[rows, answers] = -np.inf
        best_other = others.max(axis=1) if scores.shape[1] > 1 else np.zeros(len(scores))
        return cls(score=own, margin=own - best_other)

    @property
    def strength(self) -> Scores:
        """Sum of score and margin, (Q,), which tells unknown clips from known ones best."""
        return self.score + self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOut:
    """Scores of exemplars that were left out of the index.

    Attributes:
        class_out: Scores of S exemplars without their whole class, as unknown clips would have
            them, (S, C).
        left_out: Class number of each of these, (S,).
        one_out: Scores of N exemplars without themselves only, (N, C); an exemplar that is alone in
            its class is not among them.
        others: Number of other exemplars of the class of each of these, (N,).
        right: Whether the highest of these scores is that of the exemplar's own class, (N,).
        shots: Exemplars of the smallest class.
    """

    class_out: Scores
    left_out: NDArray[np.intp]
    one_out: Scores
    others: NDArray[np.intp]
    right: NDArray[np.bool_]
    shots: int

    @classmethod
    def of(cls, ridge: FittedRidge) -> LeaveOut:
        """Leave out every exemplar of a fitted ridge, in closed form."""
        classes, count = ridge.classes, ridge.weights.shape[1]
        sizes = np.bincount(classes, minlength=count)
        paired = sizes[classes] > 1
        one_out = ridge.without_itself()[paired]
        enough = count >= FEWEST_CLASSES
        return cls(
            class_out=ridge.without_its_class() if enough else np.zeros((0, count)),
            left_out=classes if enough else classes[:0],
            one_out=one_out,
            others=sizes[classes[paired]] - 1,
            right=one_out.argmax(axis=1) == classes[paired],
            shots=int(sizes.min()),
        )
