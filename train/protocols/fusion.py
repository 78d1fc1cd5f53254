"""Fusion: the sum of the class scores of several encoders, as the papers fuse streams.

SkeAttnCLR fuses the streams joint, motion and bone (Table 1, "3S"). The scores are those that the
protocols `linear`, `finetune`, `semi` and `transfer` write beside their results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.embedding.collection_file import read_arrays
from stars_infer.errors import StarsError, UsageError, brief
from stars_infer.similarity.features import unit
from stars_infer.train.protocols.results import (
    SCHEMA,
    SCORES,
    SEED,
    Result,
    Score,
    accuracy,
    confusion_matrix,
)
from stars_infer.train.protocols.titles import fused_title

_FACTS = {"protocol", "data", "split", "dataset", "source", "run", "method", "notes"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A result that `save_result` wrote.

    Attributes:
        path: Path of its JSON.
        facts: Content of the JSON.
        arrays: Its arrays.
    """

    path: Path
    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, path: Path) -> Part:
        """Read what `save_result` wrote.

        Raises:
            UsageError: If it is no result, or one without class scores.
        """
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["schema"] != SCHEMA:
                raise UsageError(f"{path}: unknown schema, expected {SCHEMA}: measure it again")
            arrays = read_arrays(path.with_name(facts["arrays"]))
            if missing := _FACTS - facts.keys():
                raise KeyError(", ".join(sorted(missing)))
            part = cls(path=path, facts=facts, arrays=arrays)
            shape = len(part.labels), len(arrays["classes"])
            if len(part.features) != shape[0] or any(
                scores.shape != shape for scores in part.scores.values()
            ):
                raise ValueError("arrays of different lengths")
            if part.features.ndim != 2 or not np.isfinite(part.features).all():
                raise ValueError("features that are not finite")
            # An action that was not there to be learned has a score of minus infinity.
            if not all((scores < np.inf).all() for scores in part.scores.values()):
                raise ValueError("scores that are no numbers")
        except UsageError:
            raise
        except (
            OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, StarsError
        ) as error:  # fmt: skip
            raise UsageError(
                f"{path}: not a result of `stars train eval`, or its arrays are not beside it "
                f"({brief(error)}); name the .json that it wrote"
            ) from error
        if not part.scores:
            raise UsageError(
                f"{path}: has no class scores to add; linear, finetune, semi and transfer leave "
                "them: measure it again. For neighbors fuse the models, `stars model fuse`"
            )
        return part

    @property
    def task(self) -> tuple[Any, ...]:
        """Protocol, data, split and classes, which fused results must share."""
        facts = self.facts
        return facts["protocol"], facts["data"], facts["split"], tuple(self.arrays["classes"])

    @property
    def labels(self) -> NDArray[np.intp]:
        """Class numbers (N,) of the tested clips."""
        return self.arrays["labels"].astype(np.intp)

    @property
    def features(self) -> FloatArray:
        """Features (N, D) of the tested clips."""
        return np.asarray(self.arrays["embedding"], np.float32)

    @property
    def scores(self) -> dict[str, FloatArray]:
        """Class scores (N, C) by setting and seed."""
        return {
            name.removeprefix(SCORES): values
            for name, values in self.arrays.items()
            if name.startswith(SCORES)
        }


def fuse_results(paths: Sequence[Path], *, weights: Sequence[float] = ()) -> Result:
    """Classify the tested clips by the weighted sum of the class scores of several results.

    Args:
        paths: JSON files of two or more results of one protocol on the same clips.
        weights: Weight of each result; 1 each if empty.

    Raises:
        UsageError: If a file is no such result, the results do not belong together, or the weights
            do not fit.
    """
    if len(paths) < 2:
        raise UsageError("name two results or more")
    weights = tuple(weights) or (1.0,) * len(paths)
    if len(weights) != len(paths):
        raise UsageError(f"{len(paths)} results need as many --weight, not {len(weights)}")
    if not all(0 < weight < np.inf for weight in weights):
        raise UsageError(f"weights must be above 0, not {', '.join(f'{w:g}' for w in weights)}")
    parts = [Part.read(path) for path in paths]
    first, *others = parts
    for other in others:
        _check_together(first, other)
    added = {
        name: sum(w * part.scores[name] for w, part in zip(weights, parts, strict=True))
        for name in first.scores
    }
    return _result(parts, weights, {name: np.asarray(total) for name, total in added.items()})


def _check_together(first: Part, other: Part) -> None:
    if first.task != other.task:
        raise UsageError(
            f"{other.path}: {_describe(other)}, but {first.path} is {_describe(first)}; the scores "
            "of one protocol on the same data are added"
        )
    if not np.array_equal(first.labels, other.labels):
        raise UsageError(f"{other.path}: was measured on other clips than {first.path}")
    if first.scores.keys() != other.scores.keys():
        raise UsageError(
            f"{other.path}: has scores of {', '.join(other.scores)}, {first.path} of "
            f"{', '.join(first.scores)}: measure both with the same shares, runs and seed"
        )


def _describe(part: Part) -> str:
    protocol, data, split, classes = part.task
    return f"{protocol} on {data}, {split}, {len(classes)} actions"


def _result(
    parts: Sequence[Part], weights: Sequence[float], added: Mapping[str, FloatArray]
) -> Result:
    facts, labels = parts[0].facts, parts[0].labels
    predictions = {name: scores.argmax(axis=1) for name, scores in added.items()}
    scores = tuple(
        _score(setting, [accuracy(predictions[name], labels) for name in names])
        for setting, names in _group_by_setting(predictions).items()
    )
    classes = parts[0].task[-1]
    # The confusion counts all runs of the first setting, as `semi` does.
    of_first = next(iter(_group_by_setting(predictions).values()))
    confusion = sum(confusion_matrix(labels, predictions[name], len(classes)) for name in of_first)
    weighted = [w * unit(part.features) for w, part in zip(weights, parts, strict=True)]
    return Result(
        protocol=facts["protocol"],
        measured={
            "run": " + ".join(part.facts["run"] for part in parts),
            "method": fused_title([part.facts["method"] for part in parts]),
        },
        data=facts["data"],
        split=facts["split"],
        dataset=facts["dataset"],
        source=facts["source"],
        scores=scores,
        settings={"of": [str(part.path) for part in parts], "weights": list(weights)},
        classes=classes,
        confusion=np.asarray(confusion),
        embedding=np.concatenate(weighted, axis=1),
        labels=labels,
        predictions=predictions,
        class_scores=added,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.facts["notes"])),
    )


def _group_by_setting(names: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.partition(SEED)[0], []).append(name)
    return found


def _score(setting: str, accuracies: Sequence[float]) -> Score:
    several = len(accuracies) > 1
    return Score(
        setting=setting,
        accuracy=float(np.mean(accuracies)),
        deviation=float(np.std(accuracies)) if several else None,
        of=len(accuracies),
    )
