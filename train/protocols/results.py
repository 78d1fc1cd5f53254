"""The result of a protocol: scores, confusion and embedding; a JSON file with its arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.atomic import write_text, written_beside
from stars_infer.train.checkpoint import git_revision
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.methods import METHODS
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.paper import Figure, figures
from stars_infer.train.protocols.task import Task

SCHEMA = 1
SCORES = "scores "
"""Prefix of the names of class scores among the arrays of a result."""
SEED = " seed "
"""Separates setting and seed in the names of the predictions of one of several runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Share of clips that are classified correctly, per cent.

    Attributes:
        setting: Setting of the protocol, such as `k=1`.
        accuracy: The share, or its mean over runs or draws.
        deviation: Standard deviation over runs or draws, if there are several.
        of: Number of runs or draws.
    """

    setting: str
    accuracy: float
    deviation: float | None = None
    of: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a protocol for an encoder on a task.

    Attributes:
        protocol: Name of the protocol.
        measured: Facts about the encoder: run, method, step.
        data: Name of the data.
        split: Name of the split.
        dataset: The official data set, if it is one.
        source: The official data set of the encoder's training, where it matters (transfer).
        scores: One per setting; the confusion is that of the first.
        settings: Constants of the protocol.
        classes: Actions, in the order of class numbers.
        confusion: Numbers of clips (C, C) by action (row) and predicted action (column).
        embedding: Features (N, D) of the test clips.
        labels: Their class numbers (N,).
        predictions: Predicted class numbers (N,) by setting; empty where there are many draws.
        class_scores: Class scores (N, C) under the same names, which `fusion` can add up over
            encoders; empty where neighbors vote.
        notes: Remarks for readers of the figures.
    """

    protocol: str
    measured: Mapping[str, Any]
    data: str
    split: str
    dataset: str | None
    scores: tuple[Score, ...]
    settings: Mapping[str, Any]
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    embedding: FloatArray
    labels: NDArray[np.intp]
    predictions: Mapping[str, NDArray[np.intp]] = field(default_factory=dict)
    class_scores: Mapping[str, FloatArray] = field(default_factory=dict)
    source: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of its files: protocol, data and split."""
        return f"{self.protocol}-{self.data}-{self.split}".replace("/", "_")

    @property
    def title(self) -> str:
        """Protocol, encoder, data and split, for people."""
        run = self.measured["run"]
        whose = f"{run} (trained on {self.source})" if self.source else run
        return f"{self.protocol}: {whose} on {self.data}, {self.split}"

    @property
    def paper(self) -> tuple[Figure, ...]:
        """The papers' figures for the same protocol, data and split."""
        return figures(self.protocol, self.dataset, self.split, source=self.source)

    def rows(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Columns and rows of a table: one row for this run, one for each method of the papers."""
        settings = [score.setting for score in self.scores]
        rows = [(f"{self.measured['run']} ({self.measured['method']})", *map(_format, self.scores))]
        for method in dict.fromkeys(figure.method for figure in self.paper):
            known = {f.setting: f.accuracy for f in self.paper if f.method == method}
            cells = [f"{known[name]:.1f}" if name in known else "–" for name in settings]
            if any(cell != "–" for cell in cells):
                rows.append((f"{method} (paper)", *cells))
        return (f"{self.protocol}, %", *settings), rows

    def to_json(self) -> dict[str, Any]:
        """JSON values: all but the arrays."""
        return {
            "schema": SCHEMA,
            "protocol": self.protocol,
            **self.measured,
            "data": self.data,
            "dataset": self.dataset,
            "split": self.split,
            "source": self.source,
            "scores": [asdict(score) for score in self.scores],
            "paper": [asdict(figure) for figure in self.paper],
            "settings": dict(self.settings),
            "test_clips": len(self.labels),
            "classes": len(self.classes),
            "notes": list(self.notes),
            "evaluated_by": git_revision(),
        }


def make_result(
    protocol: str,
    measured: MeasuredEncoder,
    task: Task,
    *,
    scores: tuple[Score, ...],
    settings: Mapping[str, Any],
    embedding: FloatArray,
    confusion: NDArray[np.int64],
    predictions: Mapping[str, NDArray[np.intp]] | None = None,
    class_scores: Mapping[str, FloatArray] | None = None,
    source: str | None = None,
) -> Result:
    """Make a result, with the facts about encoder and task."""
    return Result(
        protocol=protocol,
        measured=measured.facts(),
        data=task.data,
        split=task.split,
        dataset=task.dataset,
        source=source,
        scores=scores,
        settings=settings,
        classes=task.classes,
        confusion=confusion,
        embedding=embedding,
        labels=task.test_labels,
        predictions=predictions or {},
        class_scores=class_scores or {},
        notes=(*task.notes, *_find_leak(measured, task)),
    )


def _find_leak(measured: MeasuredEncoder, task: Task) -> Iterator[str]:
    """A remark if the encoder was trained on test clips of the same pack."""
    config = measured.config
    if config is None or Path(config.data).resolve() != task.folder.resolve():
        return
    pack = Pack.open(task.folder)
    own = config.split in pack.splits
    part = pack.part(str(config.split), "train") if own else pack
    seen = {clip.start for clip in part.clips} & {clip.start for clip in task.test.clips}
    if seen:
        yield (
            f"{len(seen):,} of the {len(task.test.clips):,} tested clips were among those that "
            f"the encoder was trained on by {METHODS[config.method].title}"
        )


def accuracy(predictions: NDArray[np.intp], labels: NDArray[np.intp]) -> float:
    """Share of clips that are classified correctly, per cent."""
    return 100 * float(np.mean(predictions == labels))


def confusion_matrix(
    labels: NDArray[np.intp], predictions: NDArray[np.intp], classes: int
) -> NDArray[np.int64]:
    """Numbers of clips (C, C) by action (row) and predicted action (column)."""
    counts = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def save_result(result: Result, folder: Path) -> Path:
    """Write a result's arrays, then its JSON; each takes its place in one rename.

    Returns:
        Path of the JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        "classes": np.array(result.classes),
        "confusion": result.confusion,
        "embedding": result.embedding,
        "labels": result.labels,
        **{f"predictions {name}": values for name, values in result.predictions.items()},
        **{SCORES + name: values for name, values in result.class_scores.items()},
    }
    beside, path = folder / f"{result.name}.npz", folder / f"{result.name}.json"
    with written_beside(beside) as made:
        np.savez(made, **arrays)
    text = json.dumps({**result.to_json(), "arrays": beside.name}, indent=2, ensure_ascii=False)
    write_text(path, text)
    return path


def _format(score: Score) -> str:
    if score.deviation is None:
        return f"{score.accuracy:.1f}"
    return f"{score.accuracy:.1f} ± {score.deviation:.1f}"
