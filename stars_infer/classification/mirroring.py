"""Clips compared mirrored, too: an action of the left hand is named by examples of the right.

Whether the mirror image of an action is the same action or another one depends on the actions: a
wave is a wave with either hand, but a step to the left is not one to the right. The exemplars tell
which is the case. Where mirror images count, the kernel of two clips is the mean of their own and,
with a smaller weight, that of a clip and the mirror image of the other (Haasdonk, Vossen and
Burkhardt, "Invariance in kernel methods by Haar-integration kernels", 2005). Clips are named that
way; whether a clip is known at all is told by the plain comparison, because the mirror image of a
known action may be an unknown one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import Ridge
from stars_infer.errors import UsageError

AUTO, ON, OFF = "auto", "on", "off"
MIRROR_CHOICES = (AUTO, ON, OFF)
"""Mirror images count if the exemplars say so; in any case; never."""

WEIGHT = 0.4
"""Weight of mirror images beside 1 for the clips themselves."""
DOUBTED = 0.15
"""The same where some mirror images resemble other actions, and there is one example of each
action, which cannot tell whether that matters."""
_TRIED = (0.0, WEIGHT, 2 * WEIGHT)
"""Weights among which several examples of each action choose."""
_TWIN_RATIO = 2.0
"""An exemplar is a mirror twin of another action if the kernel of its mirror image and that action
is so much larger than its own with any other action."""
_MOST_TWINS = 0.1
"""Share of mirror twins among the exemplars up to which sides do not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirroring:
    """How much mirror images count, and why.

    Attributes:
        weight: Weight of mirror images beside 1 for the clips themselves; 0 if they do not count.
        reason: Why, in words.
    """

    weight: float
    reason: str

    def in_words(self) -> str:
        """Describe the choice for people."""
        used = f"with weight {self.weight:g}" if self.weight else "not"
        return f"mirror images count {used}: {self.reason}"

    def mix(self, similarity: FloatArray, mirrored: FloatArray, width: float) -> FloatArray:
        """Mix similarities with those of mirror images.

        Args:
            similarity: Of clips to exemplars, any shape.
            mirrored: Of their mirror images, the same shape.
            width: Width of the kernel that the mean is taken of, as of
                `stars_infer.classification.classifiers.Ridge`.
        """
        if not self.weight:
            return similarity
        own = np.exp((similarity.astype(np.float64) - 1) / width)
        other = np.exp((mirrored.astype(np.float64) - 1) / width)
        mean = (own + self.weight * other) / (1 + self.weight)
        return np.asarray(1 + width * np.log(mean), np.float32)


NO_MIRRORING = Mirroring(weight=0.0, reason="vectors are compared, not sequences")

LARGE_MIRRORING = Mirroring(
    weight=0.0, reason="so many examples show actions of either side as often as they are performed"
)
"""For large indexes, whose clips are named by the nearest exemplars."""


def choose_mirroring(
    similarity: FloatArray,
    mirrored: FloatArray,
    classes: NDArray[np.intp],
    *,
    ridge: Ridge,
    choice: str = AUTO,
) -> Mirroring:
    """Decide whether mirror images count.

    Args:
        similarity: Similarity of every exemplar to every other, (E, E).
        mirrored: Similarity of every exemplar's mirror image to every exemplar, (E, E).
        classes: Class number of each exemplar, (E,).
        ridge: The classifier that names clips, with its width.
        choice: One of `MIRROR_CHOICES`.

    Raises:
        UsageError: If there is no such choice.
    """
    check_mirror(choice)
    if choice == OFF:
        return Mirroring(weight=0.0, reason="asked for")
    if choice == ON:
        return Mirroring(weight=WEIGHT, reason="asked for")
    assert ridge.width is not None
    twins = _twins(similarity, mirrored, classes, ridge.width)
    if twins <= _MOST_TWINS:
        few = "hardly any" if twins else "no"
        return Mirroring(weight=WEIGHT, reason=f"{few} mirrored example looks like another action")
    percent = f"{twins:.0%} of the mirrored examples look like another action"
    sizes = np.bincount(classes)
    if sizes[sizes > 0].min() < 2:
        return Mirroring(
            weight=DOUBTED,
            reason=f"{percent}; two examples of each action would tell whether that matters",
        )
    best = _best_weight(similarity, mirrored, classes, ridge)
    told = ", but the examples name each other better with them"
    if not best:
        told = ", and the examples name each other no better with them"
    return Mirroring(weight=best, reason=percent + told)


def check_mirror(choice: str) -> str:
    """Check a choice, and return it.

    Raises:
        UsageError: If there is no such choice; the message lists all.
    """
    if choice not in MIRROR_CHOICES:
        raise UsageError(f"mirror {choice!r}: choose one of {', '.join(MIRROR_CHOICES)}")
    return choice


def _twins(
    similarity: FloatArray, mirrored: FloatArray, classes: NDArray[np.intp], width: float
) -> float:
    """Share of the exemplars whose mirror images are twins of another action."""
    others = classes[:, None] != classes
    if not others.any():
        return 0.0
    own = np.where(others, similarity, -np.inf).max(axis=1)
    copy = np.where(others, mirrored, -np.inf).max(axis=1)
    return float(np.mean((copy - own) / width >= np.log(_TWIN_RATIO)))


def _best_weight(
    similarity: FloatArray, mirrored: FloatArray, classes: NDArray[np.intp], ridge: Ridge
) -> float:
    """The weight with which the others name most exemplars right; the smallest of equal ones."""
    assert ridge.width is not None
    count = int(classes.max()) + 1
    right = []
    for weight in _TRIED:
        mixed = Mirroring(weight=weight, reason="").mix(similarity, mirrored, ridge.width)
        scores = ridge.fit(mixed, classes, count).without_itself()
        right.append(int((scores.argmax(axis=1) == classes).sum()))
    return _TRIED[int(np.argmax(right))]
