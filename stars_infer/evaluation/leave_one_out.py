"""How an index names its own examples without themselves, and rates them without their action.

This is what can be told of its accuracy where there is nothing else. The people who made the
examples are on both sides, so that new people are named less well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import Calibration
from stars_infer.classification.classifiers import Ridge, class_numbers
from stars_infer.classification.leave_out import LeaveOut, ScoreFeatures
from stars_infer.classification.mirroring import choose_mirroring
from stars_infer.classification.model_calibration import Prior
from stars_infer.classification.unknown_share import EXPECTED_UNKNOWN
from stars_infer.errors import UsageError
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import between_mirrored, pairwise

Chances = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeaveOneOut:
    """N examples of C actions, each asked as if it were not there.

    Attributes:
        labels: The actions, sorted.
        classes: Action of each example, (N,).
        asked: Whether it can be asked: it is not alone in its action, (N,).
        named: The action that it is named as, without itself, (N,).
        confidence: How sure that is, (N,).
        unknown_confidence: How sure an answer would be without its whole action, when every answer
            is wrong, (N,); NaN where fewer than three actions do not let that be asked.
        known_rating: Log-odds that its action is known, without itself, (N,).
        unknown_rating: The same without its whole action, (N,); NaN likewise.
        similarity: Of all examples to each other, as the model compares them, (N, N).
    """

    labels: tuple[str, ...]
    classes: NDArray[np.intp]
    asked: NDArray[np.bool_]
    named: NDArray[np.intp]
    confidence: Chances
    unknown_confidence: Chances
    known_rating: Chances
    unknown_rating: Chances
    similarity: FloatArray

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether an example is named rightly; false for those that cannot be asked, (N,)."""
        return np.asarray(self.asked & (self.named == self.classes))

    def confusion(self) -> NDArray[np.intp]:
        """How many examples of each action (rows) are named as each (columns), (C, C)."""
        table = np.zeros((len(self.labels),) * 2, np.intp)
        np.add.at(table, (self.classes[self.asked], self.named[self.asked]), 1)
        return table


def leave_one_out(
    clip_features: Sequence[Features],
    labels: Sequence[str],
    *,
    how: SequenceConfig | None,
    prior: Prior,
    progress: Callable[[], None] | None = None,
) -> LeaveOneOut:
    """Leave out each example in turn, in closed form.

    Args:
        clip_features: Of the examples, from `ExemplarIndex.features`.
        labels: Their actions.
        how: How the model compares sequences; None if it compares vectors.
        prior: The model's own calibration, `ModelInfo.calibration.ridge`.
        progress: Called after each example whose sequence was compared.

    Raises:
        UsageError: If there are fewer than two actions, or no action has two examples.
    """
    names = tuple(sorted(set(labels)))
    classes = class_numbers(labels, names)
    asked = np.bincount(classes, minlength=len(names))[classes] > 1
    if len(names) < 2 or not asked.any():
        raise UsageError(
            "accuracy needs two actions, one of them with two examples: "
            f"there are {len(labels)} example(s) of {len(names)} action(s)"
        )
    ridge = Ridge(width=None if how is None else how.kernel_width)
    similarity = pairwise(clip_features, how, progress=progress)
    plain = ridge.fit(similarity, classes, len(names))
    leave_out = LeaveOut.of(plain)
    calibration = Calibration.of(leave_out, prior)
    fitted = plain
    if how is not None:
        copies = between_mirrored(clip_features, clip_features, how)
        mirroring = choose_mirroring(similarity, copies, classes, ridge=ridge)
        if mirroring.weight:
            mixed = mirroring.mix(similarity, np.asarray((copies + copies.T) / 2), how.kernel_width)
            fitted = ridge.fit(mixed, classes, len(names))
    known_by, right_by = plain.without_itself(), fitted.without_itself()
    unknown = np.full((2, len(labels)), np.nan)
    if len(leave_out.class_out):
        unknown[0] = _confidence(calibration, plain.without_its_class(), fitted.without_its_class())
        unknown[1] = calibration.log_odds(ScoreFeatures.of(plain.without_its_class()))
    return LeaveOneOut(
        labels=names,
        classes=classes,
        asked=np.asarray(asked),
        named=right_by.argmax(axis=1),
        confidence=_confidence(calibration, known_by, right_by),
        unknown_confidence=unknown[0],
        known_rating=calibration.log_odds(ScoreFeatures.of(known_by)),
        unknown_rating=unknown[1],
        similarity=similarity,
    )


def _confidence(calibration: Calibration, plain: Chances, named: Chances) -> Chances:
    """As `stars_infer.classification.open_set.decide` has it, (N,)."""
    known = calibration.chance_known(ScoreFeatures.of(plain), EXPECTED_UNKNOWN)
    return np.asarray(known * calibration.chance_right(ScoreFeatures.of(named)), np.float64)
