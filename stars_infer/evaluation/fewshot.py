"""Few-shot accuracy: the queries are named by n exemplars of each class (STARS, section 4.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import (
    DEFAULT_CLASSIFIER,
    Classifier,
    Ridge,
    Vote,
    class_numbers,
    make_classifier,
)
from stars_infer.classification.mirroring import AUTO, check_mirror, choose_mirroring
from stars_infer.errors import UsageError
from stars_infer.evaluation.intervals import bootstrap_mean
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import (
    DTWSimilarity,
    JointSimilarity,
    Similarity,
    similarity_of,
)

SHOTS = (1, 2, 5)
_MIRRORED = (DTWSimilarity, JointSimilarity)
"""Similarities that compare mirror images, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledClips:
    """N clips of known action, and how similar they are.

    Attributes:
        similarity: Gives the similarities of clips, by their positions.
        labels: The action of each clip, (N,).
        exemplar: Whether the clip may be drawn as an exemplar, (N,).
        query: Whether the clip is to be named, (N,).
        classifier: Makes the classifier for n exemplars per class; by default the majority vote
            of the n nearest exemplars, as in the papers.
        mirrored: Gives the similarities of the mirror images of clips; None if they do not count.
        mirror: Whether mirror images count, one of
            `stars_infer.classification.mirroring.MIRROR_CHOICES`.
        width: Width of the kernel by which they are mixed in.
    """

    similarity: Similarity
    labels: Sequence[str]
    exemplar: NDArray[np.bool_]
    query: NDArray[np.bool_]
    classifier: Callable[[int], Classifier] = lambda n: Vote(n=n)
    mirrored: Similarity | None = None
    mirror: str = AUTO
    width: float = 1.0

    @classmethod
    def of_features(
        cls,
        clip_features: Sequence[Features],
        labels: Sequence[str],
        *,
        exemplar: Sequence[bool],
        query: Sequence[bool],
        classifier: str = DEFAULT_CLASSIFIER,
        comparison: SequenceConfig | None = None,
        mirror: str = AUTO,
    ) -> LabeledClips:
        """Clips from their features, compared as their model compares clips.

        Args:
            clip_features: What the encoder made of each clip, from `Encoder.encode`.
            labels: The action of each clip.
            exemplar: Whether the clip may be drawn as an exemplar.
            query: Whether the clip is to be named.
            classifier: One of `stars_infer.classification.classifiers.CLASSIFIERS`.
            comparison: How the model compares sequences, `ModelInfo.comparison`.
            mirror: Whether mirror images count.

        Raises:
            UsageError: If there is no such classifier or choice.
        """
        temperature = None if comparison is None else comparison.temperature
        width = None if comparison is None else comparison.kernel_width
        make_classifier(classifier, n=1)
        possible = np.array(exemplar, np.bool_)
        similarity = similarity_of(clip_features, possible, comparison)
        return cls(
            similarity=similarity,
            mirrored=similarity.mirrored if isinstance(similarity, _MIRRORED) else None,
            mirror=check_mirror(mirror),
            width=width or 1.0,
            labels=labels,
            exemplar=possible,
            query=np.array(query, np.bool_),
            classifier=lambda n: make_classifier(
                classifier, n=n, temperature=temperature, width=width
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Share of queries named right, per cent.

    Attributes:
        mean: Over draws of exemplars.
        std: Deviation between draws.
        interval: Of 95 %, for the choice of queries (bootstrap over clips); None where not told.
        confusion: How many queries of each class (rows) were named as each (columns), over all
            draws, in the order of the sorted labels; None where not told.
    """

    mean: float
    std: float
    interval: tuple[float, float] | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawResult:
    """How the queries were named with one random draw of exemplars.

    Attributes:
        queries: Positions of the clips that were named, (Q,).
        predicted: The class that each was given, as its position in the sorted labels, (Q,).
        accuracy: Share of them named right, per cent.
    """

    queries: NDArray[np.intp]
    predicted: NDArray[np.intp]
    accuracy: float


def evaluate(
    clips: LabeledClips, *, shots: Sequence[int] = SHOTS, draws: int = 10, seed: int = 0
) -> dict[int, Accuracy]:
    """Measure the accuracy with n exemplars per class, for several n.

    A clip that was drawn as an exemplar is not a query of that draw.

    Args:
        clips: Labeled clips and their similarities.
        shots: Numbers of exemplars per class.
        draws: Random draws of exemplars for each of them.
        seed: Seed of the draws.

    Raises:
        UsageError: If a class has too few exemplars, or there is nothing to name.
    """
    pools = exemplar_pools(clips, shots)
    numbers = class_numbers(clips.labels, sorted(set(clips.labels)))
    found = {}
    for n in shots:
        named = list(name_by_draws(clips, pools, n, draws=draws, seed=seed))
        found[n] = replace(
            accuracy_over([draw.accuracy for draw in named]),
            interval=_interval(named, numbers),
            confusion=_confusion(named, numbers, len(pools)),
        )
    return found


def _interval(named: Sequence[DrawResult], numbers: NDArray[np.intp]) -> tuple[float, float]:
    hits, counts = np.zeros((2, len(numbers)))
    for draw in named:
        counts[draw.queries] += 1
        hits[draw.queries] += draw.predicted == numbers[draw.queries]
    low, high = bootstrap_mean(hits, counts)
    return 100 * low, 100 * high


def _confusion(
    named: Sequence[DrawResult], numbers: NDArray[np.intp], count: int
) -> tuple[tuple[int, ...], ...]:
    table = np.zeros((count, count), np.intp)
    for draw in named:
        np.add.at(table, (numbers[draw.queries], draw.predicted), 1)
    return tuple(tuple(row) for row in table.tolist())


def accuracy_over(accuracies: Sequence[float]) -> Accuracy:
    """Mean and standard deviation of the accuracies of several draws."""
    return Accuracy(mean=float(np.mean(accuracies)), std=float(np.std(accuracies)))


def usual_shots(clips: LabeledClips) -> tuple[int, ...]:
    """1, and those of `SHOTS` for which there are enough exemplars and a query is left."""
    sizes = Counter(
        label for label, possible in zip(clips.labels, clips.exemplar, strict=True) if possible
    )
    fewest = min((sizes[label] for label in set(clips.labels)), default=0)
    queries = int(clips.query.sum())
    only_queries = bool((clips.query & ~clips.exemplar).any())
    return SHOTS[:1] + tuple(
        n
        for n in SHOTS[1:]
        if n <= fewest and (only_queries or n * len(set(clips.labels)) < queries)
    )


def exemplar_pools(clips: LabeledClips, shots: Sequence[int]) -> list[NDArray[np.intp]]:
    """Positions of the possible exemplars of each class, in the order of the sorted labels.

    Raises:
        UsageError: If a class has too few exemplars for these shots, or there is nothing to name.
    """
    classes = sorted(set(clips.labels))
    numbers = class_numbers(clips.labels, classes)
    pools = [np.flatnonzero((numbers == c) & clips.exemplar) for c in range(len(classes))]
    _check(classes, [len(pool) for pool in pools], clips, shots)
    return pools


def name_by_draws(
    clips: LabeledClips,
    pools: Sequence[NDArray[np.intp]],
    n: int,
    *,
    draws: int,
    seed: int = 0,
) -> Iterator[DrawResult]:
    """Name the queries with n exemplars of each class, draw after draw.

    In each draw only the queries are compared, and only with the exemplars that were drawn, so
    that a set of 50,000 clips needs no table of all pairs.

    Args:
        clips: Labeled clips and their similarities.
        pools: Possible exemplars of each class, from `exemplar_pools`.
        n: Exemplars per class.
        draws: Number of draws.
        seed: Seed of the draws; the draws for different n are independent of each other.

    Raises:
        UsageError: If all queries were drawn as exemplars.
    """
    numbers = class_numbers(clips.labels, sorted(set(clips.labels)))
    candidates = np.flatnonzero(clips.query)
    random = np.random.default_rng([seed, n])
    for _ in range(draws):
        drawn = np.concatenate([random.choice(pool, n, replace=False) for pool in pools])
        queries = np.setdiff1d(candidates, drawn)
        if not len(queries):
            raise UsageError(f"all clips were drawn as examples at {n} shots: none is left")
        among, asked = named_by(clips, drawn, queries, numbers[drawn])
        fitted = clips.classifier(n).fit(among, numbers[drawn], len(pools))
        predicted = fitted.scores(asked).argmax(axis=1)
        right = predicted == numbers[queries]
        yield DrawResult(queries=queries, predicted=predicted, accuracy=100 * float(np.mean(right)))


def named_by(
    clips: LabeledClips,
    drawn: NDArray[np.intp],
    queries: NDArray[np.intp],
    numbers: NDArray[np.intp],
) -> tuple[FloatArray, FloatArray]:
    """Similarities by which clips are named, mirror images mixed in where they count.

    Args:
        clips: Labeled clips and their similarities.
        drawn: Positions of the exemplars, (E,).
        queries: Positions of the clips, (Q,).
        numbers: Class number of each exemplar, (E,).

    Returns:
        Those of the exemplars among each other, (E, E), and of the clips to them, (Q, E).
    """
    among, asked = clips.similarity(drawn, drawn), clips.similarity(queries, drawn)
    if clips.mirrored is None:
        return among, asked
    copies = clips.mirrored(drawn, drawn)
    ridge = Ridge(width=clips.width)
    mirroring = choose_mirroring(among, copies, numbers, ridge=ridge, choice=clips.mirror)
    if not mirroring.weight:
        return among, asked
    mixed = mirroring.mix(among, np.asarray((copies + copies.T) / 2), clips.width)
    return mixed, mirroring.mix(asked, clips.mirrored(queries, drawn), clips.width)


def _check(
    classes: Sequence[str], sizes: Sequence[int], clips: LabeledClips, shots: Sequence[int]
) -> None:
    if len(classes) < 2:
        raise UsageError(f"few-shot accuracy needs two classes, found {list(classes)}")
    if not clips.query.any():
        raise UsageError("no clip is left to name; check --queries")
    smallest = int(np.argmin(sizes))
    if sizes[smallest] < max(shots):
        raise UsageError(
            f"class {classes[smallest]!r} has {sizes[smallest]} possible examples, "
            f"too few for {max(shots)} shots: add clips, or lower --shots"
        )
