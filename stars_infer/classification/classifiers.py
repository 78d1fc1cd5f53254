"""Classifiers that see clips only by their similarity to labeled exemplars.

Axes: `E` exemplars, `Q` clips, `C` classes. A classifier is fitted to the similarities between
exemplars. It then scores clips by their similarities to the exemplars, and the class with the
highest score is the answer.
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
    """A classifier that was fitted to exemplars."""

    def scores(self, similarity: FloatArray) -> Scores:
        """Scores of clips, (Q, C), from their similarities to the exemplars, (Q, E)."""


class Classifier(Protocol):
    """A classifier before it is fitted."""

    def fit(self, similarity: FloatArray, classes: Classes, count: int) -> Fitted:
        """Fit the classifier to exemplars.

        Args:
            similarity: Similarity of every exemplar to every other, (E, E).
            classes: Class number of each exemplar, (E,).
            count: Number of classes, C; each has at least one exemplar.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """The n nearest exemplars vote (STARS, section 4.3).

    The paper does not say how ties are broken; here the larger sum of similarities wins.

    Attributes:
        n: Number of exemplars that vote.
        temperature: If given, a vote weighs exp(-gap / temperature), where gap is the difference
            between its similarity and that of the nearest exemplar; otherwise all votes weigh the
            same.
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
    """The majority vote, for many clips at once.

    Args:
        labels: Class numbers of the n nearest exemplars of each clip, nearest first, (Q, n).
        similarities: Similarities of these exemplars, (Q, n).

    Returns:
        The class number of each clip, (Q,).
    """
    return np.asarray(vote_scores(labels, similarities, int(labels.max()) + 1).argmax(axis=1))


def vote_scores(
    labels: Classes, similarities: FloatArray, count: int, *, temperature: float | None = None
) -> Scores:
    """The share of the votes that each class gets, (Q, C).

    Among classes that tie, the one with the largest sum of similarities gets a trace more.

    Args:
        labels: Class numbers of the n nearest exemplars of each clip, nearest first, (Q, n).
        similarities: Similarities of these exemplars, (Q, n).
        count: Number of classes, C.
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
    """The nearest class mean, in the space in which the similarity is an inner product.

    Attributes:
        shrinkage: How far each class mean is moved toward the mean of all exemplars, 0 to 1.
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
    """Kernel ridge regression on the similarities, one class against the rest.

    The score of a class regresses 1 for clips that show it and 0 for others, like the mean of a
    Gaussian process: exemplars that resemble each other share their weight, and a clip that
    resembles no exemplar scores near 0 for every class (Rifkin, Yeo and Poggio, "Regularized
    least-squares classification", 2003).

    Attributes:
        width: Width of the kernel exp((similarity - 1) / width); if None, the median of
            1 - similarity over all pairs of exemplars.
        noise: Variance of the labels.
        balance: The noise of a class is multiplied by its size, relative to the smallest class, to
            this power, so that large classes do not win by their number of exemplars.
    """

    width: float | None = None
    noise: float = 0.15
    balance: float = 1.5

    def fit(
        self,
        similarity: FloatArray,
        classes: Classes,
        count: int,
        *,
        sizes: Classes | None = None,
    ) -> FittedRidge:
        """See `Classifier`.

        Args:
            similarity: Similarity of every exemplar to every other, (E, E).
            classes: Class number of each exemplar, (E,).
            count: Number of classes, C.
            sizes: How many exemplars each class counts as, (C,), where these are only some of them
                and a class may have none; if not given, as many as there are.
        """
        return FittedRidge.of(self, similarity.astype(np.float64), classes, count, sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRidge:
    """A ridge that was fitted to exemplars.

    Attributes:
        width: Width of the kernel.
        classes: Class number of each exemplar, (E,).
        weights: Weight of each exemplar in the score of each class, (E, C).
        inverse: Inverse of the kernel matrix plus noise, (E, E).
    """

    width: float
    classes: Classes
    weights: Scores
    inverse: Scores = field(repr=False)

    @classmethod
    def of(
        cls,
        rule: Ridge,
        similarity: Scores,
        classes: Classes,
        count: int,
        sizes: Classes | None = None,
    ) -> FittedRidge:
        """Solve for the weights; the arguments are those of `Ridge.fit`."""
        width = rule.width or median_gap(similarity)
        kernel = np.exp((similarity - 1) / width)
        sizes = np.bincount(classes, minlength=count) if sizes is None else sizes
        noise = rule.noise * (sizes[classes] / sizes.min()) ** rule.balance
        # Similarity by time warping is no inner product, so an eigenvalue may be negative.
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
        """Scores that each exemplar would get without itself in the index, (E, C)."""
        targets = _one_hot(self.classes, self.weights.shape[1])
        return np.asarray(targets - self.weights / np.diag(self.inverse)[:, None])

    def without_its_class(self) -> Scores:
        """Scores that each exemplar would get without its class, like an unknown clip, (E, C)."""
        targets = _one_hot(self.classes, self.weights.shape[1])
        result = np.empty_like(targets)
        for number in range(targets.shape[1]):
            own = np.flatnonzero(self.classes == number)
            block = self.inverse[np.ix_(own, own)]
            result[own] = targets[own] - np.linalg.solve(block, self.weights[own])
        return result


DEFAULT_CLASSIFIER = "ridge"
CLASSIFIERS = (DEFAULT_CLASSIFIER, "vote", "majority", "prototypes")
"""The names that `make_classifier` knows; `majority` is the rule of STARS, section 4.3."""


def make_classifier(
    name: str, *, n: int, temperature: float | None = None, width: float | None = None
) -> Classifier:
    """Make a classifier by its name.

    Args:
        name: One of `CLASSIFIERS`.
        n: Number of exemplars that vote, for `vote` and `majority`.
        temperature: Temperature of the votes, for `vote`; see `Vote`.
        width: Width of the kernel, for `ridge`; see `Ridge`.

    Raises:
        UsageError: If there is no such classifier; the message lists all.
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


def median_gap(similarity: Scores) -> float:
    """Median of 1 - similarity over pairs of exemplars; 1 if there is no pair."""
    pairs = similarity[np.triu_indices(len(similarity), 1)]
    return max(float(np.median(1 - pairs)), 1e-6) if len(pairs) else 1.0


def class_numbers(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.intp]:
    """The position of each label in a list of classes."""
    position = {name: number for number, name in enumerate(classes)}
    return np.array([position[label] for label in labels], np.intp)
