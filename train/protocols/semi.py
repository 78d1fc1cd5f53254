"""Semi-supervised: fine-tuning on a small share of the labels, several times (STARS appendix B).

The labeled clips are drawn anew for every run. They are drawn action by action, so that each
action keeps its share and at least one clip; MAMP's public code draws from all clips alike, which
`per_action=False` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.finetune import Tuning, settings_of, tune_and_name, tuning_config
from stars_infer.train.protocols.results import (
    SEED,
    Result,
    Score,
    accuracy,
    confusion_matrix,
    make_result,
)
from stars_infer.train.protocols.task import Task

SHARES = (0.01, 0.1)
RUNS = 5


def semi(
    measured: MeasuredEncoder,
    task: Task,
    *,
    how: Tuning,
    shares: Sequence[float] = SHARES,
    runs: int = RUNS,
    seed: int = 0,
    per_action: bool = True,
) -> Result:
    """Fine-tune on shares of the training labels, and average over runs.

    Args:
        measured: The encoder to start from.
        task: What to learn and to name.
        how: How; every run gets a folder below its `out`.
        shares: Of the training clips.
        runs: For each share; run r draws clips, and trains, by `seed` + r.
        seed: Of the first run.
        per_action: Draw action by action, at least one clip of each.

    Raises:
        UsageError: If a share or the number of runs is impossible.
        TrainingStoppedError: If a signal ended a training.
    """
    if runs < 1:
        raise UsageError(f"--runs must be at least 1, not {runs}")
    labels, classes = task.test_labels, len(task.classes)
    scores: list[Score] = []
    predictions: dict[str, NDArray[np.intp]] = {}
    class_scores: dict[str, FloatArray] = {}
    embedding: FloatArray | None = None
    confusion = np.zeros((classes, classes), np.int64)
    settings: dict[str, object] = {"runs": runs, "seed": seed, "per_action": per_action}
    for share in dict.fromkeys(shares):
        setting = f"{100 * share:g}%"
        accuracies = []
        for run in range(seed, seed + runs):
            places = draw_labeled(task.train_labels, share, seed=run, per_action=per_action)
            shown = replace(task.train, clips=tuple(task.train.clips[p] for p in places))
            config = tuning_config(measured, task, shown, how=how, seed=run)
            out = how.out / f"{setting}-{run}"
            named = tune_and_name(measured, task, shown, config, out, how=how)
            accuracies.append(accuracy(named.predictions, labels))
            predictions[f"{setting}{SEED}{run}"] = named.predictions
            class_scores[f"{setting}{SEED}{run}"] = named.scores
            if not scores:
                confusion += confusion_matrix(labels, named.predictions, classes)
                embedding = named.embedding if embedding is None else embedding
                settings.update(settings_of(config, how))
        scores.append(
            Score(
                setting=setting,
                accuracy=float(np.mean(accuracies)),
                deviation=float(np.std(accuracies)),
                of=runs,
            )
        )
    if embedding is None:
        raise UsageError("name a share of the labels with --share")
    return make_result(
        "semi",
        measured,
        task,
        scores=tuple(scores),
        settings=settings,
        embedding=embedding,
        confusion=confusion,
        predictions=predictions,
        class_scores=class_scores,
    )


def draw_labeled(
    labels: NDArray[np.intp], share: float, *, seed: int, per_action: bool = True
) -> NDArray[np.intp]:
    """Places of the clips whose labels are known, in order.

    Of N clips, int(share * N) are drawn. Action by action, each gets the whole part of its share,
    but at least one, and what is left goes to those with the largest rests.

    Args:
        labels: Class numbers (N,).
        share: Above 0, up to 1.
        seed: Of the draw.
        per_action: Draw action by action.

    Raises:
        UsageError: If the share is impossible, or leaves fewer than two actions.
    """
    if not 0 < share <= 1:
        raise UsageError(f"--share is above 0 and up to 1 (0.01 is 1 %), not {share:g}")
    random = np.random.default_rng([seed, round(share * 1e6)])
    total = int(share * len(labels) + 1e-9)
    if not per_action:
        places = np.sort(random.permutation(len(labels))[:total])
        if len(np.unique(labels[places])) < 2:
            raise UsageError(f"{share:.2%} of {len(labels)} clips shows fewer than two actions")
        return places
    pools = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    exact = np.array([share * len(pool) for pool in pools])
    counts = np.maximum(np.floor(exact + 1e-9).astype(int), 1)
    rests = exact - counts
    for place in np.argsort(-rests, kind="stable")[: max(0, total - int(counts.sum()))]:
        counts[place] += 1
    drawn = [random.choice(pool, n, replace=False) for pool, n in zip(pools, counts, strict=True)]
    return np.sort(np.concatenate(drawn))
