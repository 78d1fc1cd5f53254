"""From similarity to classes: what can name a clip by labeled exemplars.

Axes: `E` exemplars, `Q` clips, `C` classes. Each classifier is fitted to the similarity of
exemplars among themselves and then scores clips by theirs to the exemplars; the highest score names
a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError
from stars_infer.machine import single_threaded

Classes = NDArray[np.intp]
Scores = NDArray[np.float64]

_TRACE = 1e-9


class Fitted(Protocol):
    """A classifier that knows its exemplars."""

    def scores(self, similarity: FloatArray) -> Scores:
        """Scores (Q, C) of clips from their similarity to the exemplars (Q, E)."""


class Classifier(Protocol):
    """A way to name clips."""

    def fit(self, similarity: FloatArray, classes: Classes, count: int) -> Fitted:
        """Learn from exemplars.

        Args:
            similarity: Of exemplars to exemplars, (E, E).
            classes: Of the exemplars, (E,).
            count: C; every class has an exemplar.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """The n nearest exemplars vote; the papers' n-nearest-neighbor rule (STARS 4.3).

    The papers do not say how ties end: here by the larger sum of similarities.

    Attributes:
        n: How many vote.
        temperature: If given, a vote counts exp(-gap / temperature), for the gap between its
            similarity and that of the nearest; else all votes count alike.
    """

    n: int
    temperature: float | None = None

    def fit(self, similarity: FloatArray, classes: Classes, count: int) -> Fitted:
        """See `Classifier`."""
        return _FittedVote(self, classes, count)


@dataclass(frozen=True, slots=True)
class _FittedVote:
    rule: Vote
    classes: Classes
    count: int

    def scores(self, similarity: FloatArray) -> Scores:
        order = np.argsort(-similarity, axis=1, kind="stable")[:, : self.rule.n]
        near = np.take_along_axis(similarity, order, axis=1)
        return vote_scores(self.classes[order], near, self.count, temperature=self.rule.temperature)


def votes(labels: Classes, similarities: FloatArray) -> Classes:
    """The majority vote for many clips at once.

    Args:
        labels: Classes of each clip's n nearest exemplars, nearest first, (Q, n).
        similarities: Theirs, (Q, n).

    Returns:
        The class of each clip, (Q,).
    """
    return np.asarray(vote_scores(labels, similarities, int(labels.max()) + 1).argmax(axis=1))


def vote_scores(
    labels: Classes, similarities: FloatArray, count: int, *, temperature: float | None = None
) -> Scores:
    """Shares of the votes (Q, C); of classes that tie, that with the larger sum has a trace more.

    Args:
        labels: As in `votes`.
        similarities: As in `votes`.
        count: C.
        temperature: As in `Vote`.
    """
    near = similarities.astype(np.float64)
    weights = np.ones_like(near)
    if temperature is not None:
        weights = np.exp((near - near[:, :1]) / temperature)
    rows = np.arange(len(labels))
    won, sums = np.zeros((2, len(labels), count))
    for voter in range(labels.shape[1]):
        won[rows, labels[:, voter]] += weights[:, voter]
        sums[rows, labels[:, voter]] += near[:, voter]
    tie = won == won.max(axis=1, keepdims=True)
    winner = np.where(tie, sums, -np.inf).argmax(axis=1)
    shares = won / won.sum(axis=1, keepdims=True)
    shares[rows, winner] += _TRACE
    return np.asarray(shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototypes:
    """The nearest class mean, in the space in which similarity is an inner product.

    Attributes:
        shrinkage: How far class means are drawn to the mean of all exemplars, 0 to 1.
    """

    shrinkage: float = 0.1

    def fit(self, similarity: FloatArray, classes: Classes, count: int) -> Fitted:
        """See `Classifier`."""
        belongs = _one_hot(classes, count)
        weights = (1 - self.shrinkage) * belongs / belongs.sum(axis=0) + (
            self.shrinkage / len(classes)
        )
        return _FittedPrototypes(weights, np.einsum("ec,ef,fc->c", weights, similarity, weights))


@dataclass(frozen=True, slots=True)
class _FittedPrototypes:
    weights: Scores
    """(E, C)."""
    squares: Scores
    """(C,)."""

    def scores(self, similarity: FloatArray) -> Scores:
        return np.asarray(2 * similarity @ self.weights - self.squares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """Regularized least squares on kernels of the similarity, one class against the rest.

    The score of a class regresses "shows it" (1) or not (0), as the mean of a Gaussian process
    would: exemplars that say the same share their weight, and a clip like no exemplar scores near
    0 in every class. (Rifkin, Yeo, Poggio, Regularized least-squares classification, 2003.)

    Attributes:
        width: Of the kernel exp((similarity - 1) / width); the median of 1 - similarity over the
            exemplars if None.
        noise: Variance of what an exemplar says.
        balance: The noise of a class grows with its size to this power, relative to the smallest
            class, lest large classes win by their number.
    """

    width: float | None = None
    noise: float = 0.15
    balance: float = 1.5

    def fit(self, similarity: FloatArray, classes: Classes, count: int) -> FittedRidge:
        """See `Classifier`."""
        return FittedRidge.of(self, similarity.astype(np.float64), classes, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRidge:
    """A ridge that knows its exemplars.

    Attributes:
        width: Of the kernel.
        classes: Of the exemplars, (E,).
        weights: Of the exemplars in each class's score, (E, C).
        inverse: Of the kernel matrix with noise, (E, E).
    """

    width: float
    classes: Classes
    weights: Scores
    inverse: Scores = field(repr=False)

    @classmethod
    def of(cls, rule: Ridge, similarity: Scores, classes: Classes, count: int) -> FittedRidge:
        """Solve for the weights."""
        width = rule.width or _median_gap(similarity)
        kernel = np.exp((similarity - 1) / width)
        sizes = np.bincount(classes, minlength=count)
        noise = rule.noise * (sizes[classes] / sizes.min()) ** rule.balance
        # Similarity by warping is no inner product: the kernel may have negative eigenvalues.
        with single_threaded():
            lowest = float(np.linalg.eigvalsh(kernel)[0])
            noise = noise + max(0.0, -lowest)
            inverse = np.linalg.inv(kernel + np.diag(noise))
        weights = inverse @ _one_hot(classes, count)
        return cls(width=width, classes=classes, weights=weights, inverse=inverse)

    def scores(self, similarity: FloatArray) -> Scores:
        """See `Fitted`."""
        return np.asarray(np.exp((similarity.astype(np.float64) - 1) / self.width) @ self.weights)

    def without_itself(self) -> Scores:
        """Scores (E, C) of every exemplar by all others, in closed form."""
        targets = _one_hot(self.classes, self.weights.shape[1])
        return np.asarray(targets - self.weights / np.diag(self.inverse)[:, None])

    def without_its_class(self) -> Scores:
        """Scores (E, C) of every exemplar by other classes, as an unknown clip would score."""
        targets = _one_hot(self.classes, self.weights.shape[1])
        result = np.empty_like(targets)
        for number in range(targets.shape[1]):
            own = np.flatnonzero(self.classes == number)
            block = self.inverse[np.ix_(own, own)]
            result[own] = targets[own] - np.linalg.solve(block, self.weights[own])
        return result


DEFAULT_CLASSIFIER = "ridge"
CLASSIFIERS = (DEFAULT_CLASSIFIER, "vote", "majority", "prototypes")
"""What `classifier_named` knows; `majority` is the papers' rule."""


def classifier_named(
    name: str, *, n: int, temperature: float | None = None, width: float | None = None
) -> Classifier:
    """Make a classifier by its name.

    Args:
        name: One of `CLASSIFIERS`.
        n: Exemplars that vote.
        temperature: Of `vote`, as in `Vote`.
        width: Of `ridge`, as in `Ridge`.

    Raises:
        UsageError: If there is no such classifier; the message lists them.
    """
    if name == "ridge":
        return Ridge(width=width)
    if name == "prototypes":
        return Prototypes()
    if name in ("vote", "majority"):
        return Vote(n=n, temperature=temperature if name == "vote" else None)
    raise UsageError(f"there is no classifier {name!r}; there are: {', '.join(CLASSIFIERS)}")


def _one_hot(classes: Classes, count: int) -> Scores:
    return np.asarray(classes[:, None] == np.arange(count), np.float64)


def _median_gap(similarity: Scores) -> float:
    """Median of 1 - similarity over pairs of exemplars; 1 if there is no pair."""
    pairs = similarity[np.triu_indices(len(similarity), 1)]
    return max(float(np.median(1 - pairs)), 1e-6) if len(pairs) else 1.0


def class_numbers(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.intp]:
    """Places of labels in a list of classes."""
    position = {name: number for number, name in enumerate(classes)}
    return np.array([position[label] for label in labels], np.intp)
