"""Which actions an index takes for which others: each example is asked as if it were not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import Ridge, class_numbers
from stars_infer.curation.neighbors import Neighborhood
from stars_infer.index.exemplar import Exemplar


@dataclass(frozen=True, slots=True, kw_only=True)
class Confused:
    """Examples of one action that are named as another when they are left out.

    Attributes:
        label: Their action.
        named: The other.
        size: How many examples the action has that could be asked.
        pairs: Number of each example, that of the nearest example of the other action, and how
            similar the two are; the most similar first.
    """

    label: str
    named: str
    size: int
    pairs: tuple[tuple[int, int, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "label": self.label,
            "named": self.named,
            "count": len(self.pairs),
            "size": self.size,
            "pairs": [[one, other, round(similar, 4)] for one, other, similar in self.pairs],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How examples are named without themselves.

    Attributes:
        labels: The actions.
        table: How many examples of each action (rows) are named as each (columns), (C, C).
        confused: Those that are named wrongly, the largest share first.
    """

    labels: tuple[str, ...]
    table: NDArray[np.intp]
    confused: tuple[Confused, ...]

    @property
    def asked(self) -> int:
        """How many examples could be asked: those that are not alone in their action."""
        return int(self.table.sum())

    @property
    def right(self) -> int:
        """How many of them are named rightly."""
        return int(np.trace(self.table))


def confusion_of(
    exemplars: Sequence[Exemplar],
    near: Neighborhood,
    similarity: FloatArray | None,
    *,
    width: float | None,
) -> Confusion:
    """Leave out each example in turn.

    Args:
        exemplars: The examples.
        near: Their neighbors.
        similarity: Of all of them to each other, (E, E), for the ridge that names clips of a small
            index; None for a large one, which is named by the nearest example.
        width: Width of the ridge's kernel.
    """
    labels = tuple(sorted({one.label for one in exemplars}))
    classes = class_numbers([one.label for one in exemplars], labels)
    sizes = np.bincount(classes, minlength=len(labels))
    asked = np.flatnonzero(sizes[classes] > 1) if len(labels) > 1 else np.zeros(0, np.intp)
    if similarity is not None and len(asked):
        fitted = Ridge(width=width).fit(similarity, classes, len(labels))
        named = fitted.without_itself().argmax(axis=1)
    elif len(asked):
        named = classes[near.positions[:, 0]]
    else:
        named = classes
    table = np.zeros((len(labels), len(labels)), np.intp)
    np.add.at(table, (classes[asked], named[asked]), 1)
    groups: dict[tuple[int, int], list[tuple[int, int, float]]] = defaultdict(list)
    for position in asked[named[asked] != classes[asked]]:
        others = np.flatnonzero(classes[near.positions[position]] == named[position])
        if not len(others):
            continue
        rival = int(near.positions[position, others[0]])
        groups[int(classes[position]), int(named[position])].append(
            (
                exemplars[int(position)].id,
                exemplars[rival].id,
                float(near.similarities[position, others[0]]),
            )
        )
    confused = [
        Confused(
            label=labels[one],
            named=labels[other],
            size=int(sizes[one]),
            pairs=tuple(sorted(pairs, key=lambda pair: -pair[2])),
        )
        for (one, other), pairs in groups.items()
    ]
    confused.sort(key=lambda one: (-len(one.pairs) / one.size, -len(one.pairs), one.label))
    return Confusion(labels=labels, table=table, confused=tuple(confused))
