"""Few-shot evaluation: n exemplars of each new action, and n-NN (STARS, section 4.3, Table 5).

The exemplars come from the training part of the split, the queries are the test part. The papers do
not say how exemplars are chosen, nor how often; here they are drawn at random, any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from lightning_fabric import Fabric

from stars_infer.errors import UsageError
from stars_infer.evaluation.fewshot import (
    LabeledClips,
    accuracy_over,
    exemplar_pools,
    name_by_draws,
)
from stars_infer.similarity.pairwise import cosine_of
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.features import CROP, Track, pooled_features, untracked
from stars_infer.train.protocols.results import Result, Score, confusion_matrix, make_result
from stars_infer.train.protocols.task import Task

SHOTS = (1, 2, 5)
DRAWS = 10


def fewshot(
    measured: MeasuredEncoder,
    task: Task,
    *,
    fabric: Fabric,
    shots: Sequence[int] = SHOTS,
    draws: int = DRAWS,
    seed: int = 0,
    crop: float = CROP,
    track: Track = untracked,
) -> Result:
    """Measure an encoder with few exemplars of each action, over random draws of them.

    Args:
        measured: The encoder; for the papers' figures, one that was not trained on these actions.
        task: Exemplars come from the training part, queries are the test part.
        fabric: From `open_fabric`.
        shots: Numbers of exemplars per action.
        draws: Random draws for each number.
        seed: Seed of the draws.
        crop: Share of each clip that the center crop keeps.
        track: Shows progress.

    Raises:
        UsageError: If an action has too few exemplars.
    """
    if draws < 1 or not shots or min(shots) < 1:
        raise UsageError("--draws and --shots must be at least 1")
    shots = list(dict.fromkeys(shots))
    exemplars, queries = (
        pooled_features(measured, part, fabric=fabric, crop=crop, track=track, what=what)
        .cpu()
        .numpy()
        for part, what in ((task.train, "encoding examples"), (task.test, "encoding queries"))
    )
    clips = LabeledClips(
        similarity=cosine_of(np.concatenate((exemplars, queries))),
        labels=[clip.label for part in (task.train, task.test) for clip in part.clips],
        exemplar=np.repeat([True, False], [len(exemplars), len(queries)]),
        query=np.repeat([False, True], [len(exemplars), len(queries)]),
    )
    pools = exemplar_pools(clips, shots)
    labels, classes = task.test_labels, len(task.classes)
    confusion = np.zeros((classes, classes), np.int64)
    scores = []
    for n in shots:
        accuracies = []
        for draw in name_by_draws(clips, pools, n, draws=draws, seed=seed):
            accuracies.append(draw.accuracy)
            if n == shots[0]:
                asked = labels[draw.queries - len(exemplars)]
                confusion += confusion_matrix(asked, draw.predicted, classes)
        found = accuracy_over(accuracies)
        scores.append(
            Score(setting=f"{n}-shot", accuracy=found.mean, deviation=found.std, of=draws)
        )
    return make_result(
        "fewshot",
        measured,
        task,
        scores=tuple(scores),
        settings={"draws": draws, "seed": seed, "crop": crop},
        embedding=queries,
        confusion=confusion,
    )
