"""Linear evaluation: a linear classifier on frozen features (STARS, section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.optimizer import DROP, drops_before
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.features import (
    CROP,
    Track,
    pooled_features,
    random_crop_features,
    untracked,
)
from stars_infer.train.protocols.results import (
    Result,
    Score,
    accuracy,
    confusion_matrix,
    make_result,
)
from stars_infer.train.protocols.task import Task
from stars_infer.train.run import check_milestones
from stars_infer.train.views.config import ViewConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConfig:
    """Constants of the linear classifier.

    Attributes:
        epochs: Passes over the training clips.
        batch: Clips per step.
        lr: Learning rate at the start of the cosine, which ends at 0.
        milestone: Share of the steps after which the rate drops to a tenth; replaces the cosine.
            0.6 in SkeAttnCLR, at a rate of 3.
        second_milestone: Share of the steps after which it drops once more.
        momentum: Momentum of SGD.
        crops: Number of random crops of each training clip, which the epochs use in turn. 0
            encodes the center crop once; as many as epochs give each epoch a fresh crop, as in
            STARS and Skeleton2vec.
        shortest_crop: Smallest share of a clip that a random crop keeps.
        uniform_sampling: Take the frames of random crops at random times (Skeleton2vec).
        rotation: Largest random angle about each axis of random crops, radians; 0.3 in MAMP's
            code and Skeleton2vec, not named in STARS.
        seed: Seed of initial weights, order and crops.
    """

    epochs: int = 100
    batch: int = 256
    lr: float = 0.1
    milestone: float | None = None
    second_milestone: float | None = None
    momentum: float = 0.9
    crops: int = 0
    shortest_crop: float = 0.5
    uniform_sampling: bool = False
    rotation: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch) < 1 or self.crops < 0:
            raise UsageError("epochs and batch must be at least 1, crops at least 0")
        if not (self.lr > 0 and 0 <= self.momentum < 1 and self.rotation >= 0):
            raise UsageError("lr must be above 0, momentum a share below 1, rotation not below 0")
        check_milestones(self.milestone, self.second_milestone)

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step, counted from 0, of a schedule of `steps`."""
        if self.milestone is not None:
            drops = drops_before(step, steps, self.milestone, self.second_milestone)
            return self.lr * float(DROP**drops)
        return self.lr * 0.5 * (1 + math.cos(math.pi * step / steps))


def linear(
    measured: MeasuredEncoder,
    task: Task,
    *,
    fabric: Fabric,
    config: LinearConfig | None = None,
    crop: float = CROP,
    track: Track = untracked,
) -> Result:
    """Measure an encoder by a linear classifier on its frozen features.

    Args:
        measured: The encoder.
        task: Clips to learn from and clips to classify.
        fabric: From `open_fabric`.
        config: Constants; by default, those of the papers.
        crop: Share of each clip kept by the center crop.
        track: Shows progress.
    """
    config = config or LinearConfig()
    features: Iterable[Tensor]
    if config.crops:
        views = ViewConfig(
            frames=measured.shape.frames,
            rotation=config.rotation,
            shortest_crop=config.shortest_crop,
            uniform_sampling=config.uniform_sampling,
            **measured.views.inherited,
        )
        features = random_crop_features(
            task.train,
            measured.encoder.to(fabric.device).pool,
            views,
            crops=min(config.crops, config.epochs),
            fabric=fabric,
            seed=config.seed,
            track=track,
        )
    else:
        once = pooled_features(
            measured, task.train, fabric=fabric, crop=crop, track=track, what="encoding to learn"
        )
        features = (once,)
    head = fit_linear(
        features, task.train_labels, classes=len(task.classes), config=config, device=fabric.device
    )
    # The mean of the scores of several samplings is the score of their mean.
    test = pooled_features(
        measured, task.test, fabric=fabric, crop=crop, track=track, what="encoding to name"
    )
    with torch.no_grad():
        scores = head(test).cpu().numpy()
    named = scores.argmax(axis=1)
    labels = task.test_labels
    return make_result(
        "linear",
        measured,
        task,
        scores=(Score(setting="accuracy", accuracy=accuracy(named, labels)),),
        settings={"crop": crop, **asdict(config)},
        embedding=test.cpu().numpy(),
        confusion=confusion_matrix(labels, named, len(task.classes)),
        predictions={"accuracy": named},
        class_scores={"accuracy": scores},
    )


def fit_linear(
    features: Iterable[Tensor],
    labels: NDArray[np.intp],
    *,
    classes: int,
    config: LinearConfig,
    device: torch.device,
) -> nn.Linear:
    """Fit a linear classifier by SGD without weight decay.

    Args:
        features: One or more encodings of every clip, (N, D) each. An epoch uses the next one;
            when there are no more, those of the first epochs are used again in turn.
        labels: Class numbers, (N,).
        classes: Number of classes.
        config: Constants.
        device: Device on which it is fitted.
    """
    crops = _in_turn(features, reused=config.crops < config.epochs)
    seen = next(crops)
    clips, width = seen.shape
    random = torch.Generator().manual_seed(config.seed)
    head = nn.Linear(width, classes)
    nn.init.xavier_uniform_(head.weight, generator=random)
    nn.init.zeros_(head.bias)
    head = head.to(device)
    targets = torch.from_numpy(labels).to(device)
    optimizer = torch.optim.SGD(head.parameters(), lr=config.lr, momentum=config.momentum)
    steps, step = config.epochs * math.ceil(clips / config.batch), 0
    for epoch in range(config.epochs):
        seen = (next(crops) if epoch else seen).to(device)
        for places in torch.split(torch.randperm(clips, generator=random), config.batch):
            optimizer.param_groups[0]["lr"] = config.rate(step, steps)
            some = places.to(device)
            loss = F.cross_entropy(head(seen[some]), targets[some])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            step += 1
    return head


def _in_turn(features: Iterable[Tensor], *, reused: bool) -> Iterator[Tensor]:
    """The encodings one after another, and again; only those that are reused are kept."""
    kept = []
    for one in features:
        if reused:
            kept.append(one.cpu())
        yield one
    yield from cycle(kept)
