"""Choosing the best epoch of a tuning: 10-NN on the test part of its split (STARS 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lightning_fabric import Fabric

from stars_infer.errors import UsageError
from stars_infer.train.methods.method import Method
from stars_infer.train.protocols.features import clip_features
from stars_infer.train.protocols.knn import nearest_votes
from stars_infer.train.protocols.results import accuracy
from stars_infer.train.protocols.task import open_task
from stars_infer.train.run import RunConfig

NEIGHBORS = 10


def validation(method: Method, config: RunConfig, fabric: Fabric) -> Callable[[], float]:
    """What measures the encoder of a method while it learns, per cent of the test clips.

    The papers choose their best epoch on the clips they report, which flatters a little; to avoid
    that, give the pack a split of its training part and tune on that.

    Raises:
        UsageError: If the run has no split, or no gallery of ten clips.
    """
    if config.split is None:
        raise UsageError("--validate-every needs --split: its test part is what is measured")
    task = open_task(Path(config.data), config.split)
    if len(task.train.clips) < NEIGHBORS:
        raise UsageError(f"--validate-every needs {NEIGHBORS} clips to train on")

    def measure() -> float:
        gallery, queries = (
            clip_features(
                part,
                method.encoder.pooled,
                views=config.views,
                fabric=fabric,
            )
            for part in (task.train, task.test)
        )
        named = nearest_votes(gallery, task.train_labels, queries, ks=[NEIGHBORS])
        return accuracy(named[NEIGHBORS], task.test_labels)

    return measure
