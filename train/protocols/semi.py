"""Semi-supervised evaluation: fine-tuning on a small share of the labels (STARS, appendix B).

Each run draws its labeled clips anew. They are drawn action by action, so that each action keeps
its share and at least one clip. MAMP's public code draws from all clips together, which
`per_action=False` does, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.finetune import (
    FinetuneSettings,
    describe_settings,
    finetune_and_classify,
    finetune_config,
)
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
    how: FinetuneSettings,
    shares: Sequence[float] = SHARES,
    runs: int = RUNS,
    seed: int = 0,
    per_action: bool = True,
) -> Result:
    """Fine-tune on shares of the training labels, and average over runs.

    Args:
        measured: The encoder to start from.
        task: Clips to learn from and clips to classify.
        how: Recipe and machine; each run has a folder of its own below `how.out`.
        shares: Shares of the training clips whose labels are known.
        runs: Number of runs per share; run r draws and trains with the seed `seed` + r.
        seed: Seed of the first run.
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
            positions = sample_labels(task.train_labels, share, seed=run, per_action=per_action)
            shown = replace(task.train, clips=tuple(task.train.clips[p] for p in positions))
            config = finetune_config(measured, task, shown, how=how, seed=run)
            out = how.out / f"{setting}-{run}"
            named = finetune_and_classify(measured, task, shown, config, out, how=how)
            accuracies.append(accuracy(named.predictions, labels))
            predictions[f"{setting}{SEED}{run}"] = named.predictions
            class_scores[f"{setting}{SEED}{run}"] = named.scores
            if not scores:
                confusion += confusion_matrix(labels, named.predictions, classes)
                embedding = named.embedding if embedding is None else embedding
                settings.update(describe_settings(config, how))
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


def sample_labels(
    labels: NDArray[np.intp], share: float, *, seed: int, per_action: bool = True
) -> NDArray[np.intp]:
    """Draw the clips whose labels are known; their positions, in order.

    Of N clips, int(share * N) are drawn. If they are drawn by action, each action has the integer
    part of its share, but at least one; the rest goes to the actions with the largest remainders.

    Args:
        labels: Class numbers (N,).
        share: Above 0, up to 1.
        seed: Seed of the draw.
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
    remainders = exact - counts
    for place in np.argsort(-remainders, kind="stable")[: max(0, total - int(counts.sum()))]:
        counts[place] += 1
    drawn = [random.choice(pool, n, replace=False) for pool, n in zip(pools, counts, strict=True)]
    return np.sort(np.concatenate(drawn))
