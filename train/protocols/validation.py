"""Validation during training: the 10-NN accuracy of the encoder on the test part of a split."""

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


def make_validation(method: Method, config: RunConfig, fabric: Fabric) -> Callable[[], float]:
    """Make the function that measures the encoder of a method during training.

    SkeAttnCLR keeps the checkpoint with the best KNN accuracy on the test clips (section 4.2), and
    so does STARS. Choosing on the clips that are then reported flatters the figure a little; to
    avoid it, give the pack a split of its training part and train on that.

    Returns:
        A function that gives the share of test clips that are classified correctly, in per cent.

    Raises:
        UsageError: If the run has no split, or fewer than ten clips to train on.
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
                method.encoder.pool,
                views=config.views,
                fabric=fabric,
            )
            for part in (task.train, task.test)
        )
        named = nearest_votes(gallery, task.train_labels, queries, ks=[NEIGHBORS])
        return accuracy(named[NEIGHBORS], task.test_labels)

    return measure
