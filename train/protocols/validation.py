"""Validation during training: the 10-NN accuracy of the encoder on the test part of a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lightning_fabric import Fabric
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.distributed import all_gather
from stars_infer.train.methods.method import Method
from stars_infer.train.protocols.features import CROP, Encode, clip_features
from stars_infer.train.protocols.knn import nearest_votes
from stars_infer.train.protocols.results import accuracy
from stars_infer.train.protocols.task import open_task
from stars_infer.train.run import RunConfig
from stars_infer.train.views.config import ViewConfig

NEIGHBORS = 10


def make_validation(method: Method, config: RunConfig, fabric: Fabric) -> Callable[[], float]:
    """Make the function that measures the encoder of a method during training.

    SkeAttnCLR keeps the checkpoint with the best KNN accuracy on the test clips (section 4.2), and
    so does STARS. Choosing on the clips that are then reported flatters the figure a little; to
    avoid it, give the pack a split of its training part and train on that.

    Returns:
        A function that gives the share of test clips that are classified correctly, in per cent.
        Every process calls it and encodes its share of the clips.

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
            shared_features(part, method.encoder.pool, views=config.views, fabric=fabric)
            for part in (task.train, task.test)
        )
        named = nearest_votes(gallery, task.train_labels, queries, ks=[NEIGHBORS])
        return accuracy(named[NEIGHBORS], task.test_labels)

    return measure


def crop_of(views: ViewConfig) -> float:
    """Crop of the clips that are measured: none if the encoder has learned whole clips only."""
    return 1.0 if views.shortest_crop == 1 else CROP


def shared_features(pack: Pack, encode: Encode, *, views: ViewConfig, fabric: Fabric) -> Tensor:
    """`clip_features`, to which every process contributes some of the clips."""
    processes, clips = fabric.world_size, len(pack.clips)
    share = -(-clips // processes)
    # Process r has the clips r, r + P, ...; some are encoded twice, so that shares are equal.
    mine = [(fabric.global_rank + processes * place) % clips for place in range(share)]
    part = replace(pack, clips=tuple(pack.clips[number] for number in mine))
    found = clip_features(part, encode, views=views, fabric=fabric, crop=crop_of(views))
    everyone = all_gather(found).view(processes, share, -1)
    return everyone.transpose(0, 1).flatten(0, 1)[:clips]
