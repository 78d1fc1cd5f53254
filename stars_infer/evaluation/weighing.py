"""How much vectors should count beside sequences, measured on labeled clips.

Every weight names the same clips by the same few examples, with the same rule as `stars classify`.
A weight costs time, since vectors have to be made, so it has to earn it: the smallest weight within
one standard error of the best is taken (Breiman, Friedman, Olshen and Stone, "Classification and
regression trees", 1984, section 3.4.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import Ridge, Scores, class_numbers
from stars_infer.errors import UsageError
from stars_infer.evaluation.fewshot import SHOTS, LabeledClips, exemplar_pools, name_by_draws
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features, sequences_of, unit, vectors_of
from stars_infer.similarity.pairwise import DTWSimilarity, JointSimilarity, cosine_of

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""The weights that are tried."""
DRAWS = 10
_WIDTH_SHARE = 0.25
"""Width of the kernel of vectors, as a share of the usual 1 - cosine of different actions; as that
of the kernels of sequences."""
_LEAST_WIDTH = 1e-6
_SAMPLE = 1000
"""Clips of a set by which that is measured."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabeledFeatures:
    """N labeled clips of a set.

    Attributes:
        name: Of the set.
        clip_features: With a vector and a sequence each.
        labels: The action of each.
        exemplar: Which may be drawn as exemplars, (N,); all if None.
        query: Which are to be named, (N,); all if None.
    """

    name: str
    clip_features: Sequence[Features]
    labels: Sequence[str]
    exemplar: NDArray[np.bool_] | None = None
    query: NDArray[np.bool_] | None = None

    @property
    def may_teach(self) -> NDArray[np.bool_]:
        """Which may be drawn as exemplars, (N,)."""
        return np.ones(len(self.labels), np.bool_) if self.exemplar is None else self.exemplar

    @property
    def is_asked(self) -> NDArray[np.bool_]:
        """Which are to be named, (N,)."""
        return np.ones(len(self.labels), np.bool_) if self.query is None else self.query

    def shots(self) -> list[int]:
        """Of `SHOTS`, those of which every action has as many exemplars, and a clip to name.

        Raises:
            UsageError: If there are fewer than two actions, or one has too few clips.
        """
        labels = np.array(self.labels)
        names = sorted(set(self.labels))
        if len(names) < 2:
            raise UsageError(f"{self.name}: weighing needs two actions, found {names}")
        spare = int((self.may_teach & self.is_asked).any())
        sizes = {name: int((self.may_teach & (labels == name)).sum()) for name in names}
        smallest = min(names, key=lambda name: sizes[name])
        fitting = [n for n in SHOTS if n + spare <= sizes[smallest]]
        if not fitting:
            raise UsageError(
                f"{self.name}: the action {smallest!r} has {sizes[smallest]} clips: weighing draws "
                "some as examples and names the others, so give at least two of each action"
            )
        return fitting


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """What weighing found.

    Attributes:
        weight: The weight that vectors should have.
        width: Width of their kernel.
        weights: The weights that were tried, ascending.
        accuracies: Share of clips named right with each, per cent.
        errors: Standard error of how much each is behind the best, percentage points.
        clips: How many clips were named.
        sets: Names of the sets.
    """

    weight: float
    width: float
    weights: tuple[float, ...]
    accuracies: tuple[float, ...]
    errors: tuple[float, ...]
    clips: int
    sets: tuple[str, ...]

    def comparison(self, how: SequenceConfig) -> SequenceConfig:
        """A comparison in which vectors have the weight that was found."""
        if not self.weight:
            plain = SequenceConfig()
            return replace(how, vector_weight=0.0, vector_width=plain.vector_width)
        return replace(how, vector_weight=self.weight, vector_width=self.width)

    def facts(self) -> dict[str, object]:
        """Facts for `model.json` and the card."""
        figures = zip(self.weights, self.accuracies, strict=True)
        return {
            "vector_weight": f"{self.weight:g}, the smallest within one standard error of the best",
            "vector_weight_measured_on": f"{', '.join(self.sets)} ({self.clips} clips)",
            "accuracy_by_vector_weight": ", ".join(f"{w:g}: {right:.2f} %" for w, right in figures),
        }


def weigh(
    sets: Sequence[LabeledFeatures],
    how: SequenceConfig,
    *,
    weights: Sequence[float] = WEIGHTS,
    width: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Weighing:
    """Measure how much vectors should count beside sequences.

    Every set is named by 1, 2 and 5 examples of each action, as far as it has so many, drawn anew
    `draws` times; all weights see the same draws. The error of a difference counts each action as
    one observation, since a model that helps a clip helps others of its action, too.

    Args:
        sets: Labeled clips.
        how: How sequences are compared.
        weights: The weights that are tried.
        width: Width of the kernel of vectors; that of `usual_width` if None.
        draws: Random draws of exemplars for each number of them.
        seed: Seed of the draws.
        progress: Called after each weight of each set.

    Raises:
        UsageError: If a set has too few clips.
    """
    ascending = tuple(sorted(set(weights)))
    shots = [data.shots() for data in sets]
    width = width or usual_width(sets)
    rights = [
        _shares_right(data, some, how, ascending, width, draws, seed, progress)
        for data, some in zip(sets, shots, strict=True)
    ]
    right = np.concatenate([found for found, _ in rights], axis=1)
    names = [(data.name, label) for data, (_, asked) in zip(sets, rights, strict=True)
             for label in np.array(data.labels)[asked].tolist()]  # fmt: skip
    means = right.mean(axis=1)
    best = int(means.argmax())
    errors = [_clustered_error(right[best] - row, names) for row in right]
    behind = means[best] - means
    chosen = next(n for n in range(len(ascending)) if behind[n] <= errors[n])
    return Weighing(
        weight=ascending[chosen],
        width=width,
        weights=ascending,
        accuracies=tuple(round(100 * float(mean), 3) for mean in means),
        errors=tuple(round(100 * error, 3) for error in errors),
        clips=right.shape[1],
        sets=tuple(data.name for data in sets),
    )


def usual_width(sets: Sequence[LabeledFeatures]) -> float:
    """A quarter of the median of 1 - cosine over pairs of clips of different actions."""
    gaps = []
    for data in sets:
        drawn = np.random.default_rng(0).permutation(len(data.labels))[:_SAMPLE]
        vectors = unit(vectors_of([data.clip_features[int(at)] for at in drawn]))
        labels = np.array(data.labels)[drawn]
        different = np.triu(labels[:, None] != labels)
        gaps.append((1 - vectors @ vectors.T)[different])
    return max(_WIDTH_SHARE * float(np.median(np.concatenate(gaps))), _LEAST_WIDTH)


def _shares_right(
    data: LabeledFeatures,
    shots: Sequence[int],
    how: SequenceConfig,
    weights: Sequence[float],
    width: float,
    draws: int,
    seed: int,
    progress: Callable[[], None],
) -> tuple[Scores, NDArray[np.intp]]:
    """How often each clip is named right with each weight, (K, N), and which clips these are."""
    warped = DTWSimilarity(sequences_of(data.clip_features), data.may_teach, how)
    cosine = cosine_of(vectors_of(data.clip_features))
    numbers = class_numbers(data.labels, sorted(set(data.labels)))
    right, asked = np.zeros((2, len(weights), len(numbers)))
    for row, weight in enumerate(weights):
        joint = replace(how, vector_weight=weight, vector_width=width)
        clips = LabeledClips(
            similarity=JointSimilarity(warped, cosine, joint),
            mirrored=warped.mirrored,
            width=how.kernel_width,
            labels=data.labels,
            exemplar=data.may_teach,
            query=data.is_asked,
            classifier=lambda n: Ridge(width=how.kernel_width),
        )
        pools = exemplar_pools(clips, shots)
        for n in shots:
            for draw in name_by_draws(clips, pools, n, draws=draws, seed=seed):
                right[row, draw.queries] += draw.predicted == numbers[draw.queries]
                asked[row, draw.queries] += 1
        progress()
    which = np.flatnonzero(asked[0])
    return right[:, which] / asked[:, which], which


def _clustered_error(differences: Scores, names: Sequence[object]) -> float:
    """Standard error of the mean of differences (N,), each name being one observation."""
    _, cluster = np.unique([str(name) for name in names], return_inverse=True)
    sums = np.bincount(cluster, differences - differences.mean())
    return float(np.sqrt(np.square(sums).sum()) / len(differences))
