"""A task: clips to learn from, clips to classify, and their actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import class_numbers
from stars_infer.errors import UsageError
from stars_infer.train.datasets.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The two parts of a split, with class numbers.

    Attributes:
        folder: Folder of the pack.
        data: Name of the data set if the pack says it, else of the folder.
        split: Name of the split.
        train: Clips to learn from.
        test: Clips to classify.
        classes: Actions of both parts, sorted; a class number is a position in it.
        notes: Remarks for readers of the figures.
    """

    folder: Path
    data: str
    split: str
    train: Pack
    test: Pack
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def dataset(self) -> str | None:
        """The official data set, such as `ntu60`, if it is one."""
        name = self.test.facts.get("dataset")
        return None if name is None else str(name)

    @property
    def train_labels(self) -> NDArray[np.intp]:
        """Class numbers of the clips to learn from."""
        return numbers_of(self.train, self.classes)

    @property
    def test_labels(self) -> NDArray[np.intp]:
        """Class numbers of the clips to classify."""
        return numbers_of(self.test, self.classes)


def numbers_of(pack: Pack, classes: Sequence[str]) -> NDArray[np.intp]:
    """Class numbers of a pack's clips."""
    return class_numbers([clip.label for clip in pack.clips], classes)


def open_task(folder: Path, split: str | None) -> Task:
    """Open both parts of a split of a pack; the split of a pack with only one needs no name.

    An action without training clips stays in the task, and its test clips count as wrong, since
    leaving them out would flatter the figures. A note says so.

    Raises:
        UsageError: If the split is unknown, or clips have no label.
    """
    pack = Pack.open(folder)
    if split is None:
        if len(pack.splits) != 1:
            names = ", ".join(pack.splits)
            raise UsageError(
                f"{folder}: which split? --split is one of {names}"
                if names
                else f"{folder}: has no split; `stars data split` adds one"
            )
        (split,) = pack.splits
    train, test = pack.part(split, "train"), pack.part(split, "test")
    for part in (train, test):
        _check_labels(part, folder)
    shown, tested = ({clip.label for clip in part.clips} for part in (train, test))
    if len(shown) < 2:
        raise UsageError(f"{folder}: {split} trains on one action only; naming needs two")
    unseen = sorted(tested - shown)
    notes = (
        (
            f"{len(unseen)} tested action(s) have no training clips, their clips count as "
            f"wrong: {', '.join(unseen[:5])}{' …' if len(unseen) > 5 else ''}",
        )
        if unseen
        else ()
    )
    return Task(
        folder=folder,
        data=str(pack.facts.get("dataset", folder.resolve().name)),
        split=split,
        train=train,
        test=test,
        classes=tuple(sorted(shown | tested)),
        notes=notes,
    )


def _check_labels(part: Pack, folder: Path) -> None:
    facts: dict[str, Any] = part.facts
    if not part.clips:
        raise UsageError(f"{folder}: the {facts['part']} part of {facts['split']} is empty")
    bare = [clip for clip in part.clips if not clip.label]
    if bare:
        raise UsageError(
            f"{folder}: {len(bare)} of {len(part.clips)} clips of {facts['split']}/{facts['part']} "
            f"have no label, the first {bare[0].source!r}: pack clips from folders named after "
            "their action"
        )
