"""KNN evaluation: each test clip has the action of its k nearest training clips, by cosine.

STARS, section 4.3. The papers do not say how ties are broken; here, as at inference, the action
with the larger sum of cosines wins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from stars_infer.classification.classifiers import votes
from stars_infer.errors import UsageError
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.features import CROP, Track, pooled_features, untracked
from stars_infer.train.protocols.results import (
    Result,
    Score,
    accuracy,
    confusion_matrix,
    make_result,
)
from stars_infer.train.protocols.task import Task

KS = (1, 2, 5, 10, 20, 40)
_CELLS = 1 << 26
"""Number of similarities in memory at once: 256 MiB."""


def knn(
    measured: MeasuredEncoder,
    task: Task,
    *,
    fabric: Fabric,
    ks: Sequence[int] | None = None,
    crop: float = CROP,
    track: Track = untracked,
) -> Result:
    """Measure an encoder by the nearest neighbors of its frozen features.

    Args:
        measured: The encoder.
        task: The training part is the gallery; the test part is classified.
        fabric: From `open_fabric`.
        ks: Numbers of neighbors that vote; by default, those of `KS` that the gallery allows.
        crop: Share of each clip kept.
        track: Shows progress.

    Raises:
        UsageError: If a k is larger than the gallery.
    """
    size = len(task.train.clips)
    wanted = list(dict.fromkeys(ks)) if ks else [k for k in KS if k <= size]
    wrong = [k for k in wanted if not 1 <= k <= size]
    if wrong:
        raise UsageError(f"--k {wrong[0]}: the gallery has {size} clips, k is 1 to {size}")
    gallery, queries = (
        pooled_features(measured, part, fabric=fabric, crop=crop, track=track, what=what)
        for part, what in ((task.train, "encoding the gallery"), (task.test, "encoding the test"))
    )
    named = nearest_votes(gallery, task.train_labels, queries, ks=wanted)
    labels = task.test_labels
    return make_result(
        "knn",
        measured,
        task,
        scores=tuple(Score(setting=f"k={k}", accuracy=accuracy(named[k], labels)) for k in wanted),
        settings={"crop": crop, "gallery": size},
        embedding=queries.cpu().numpy(),
        confusion=confusion_matrix(labels, named[wanted[0]], len(task.classes)),
        predictions={f"k={k}": named[k] for k in wanted},
    )


def nearest_votes(
    gallery: Tensor, labels: NDArray[np.intp], queries: Tensor, *, ks: Sequence[int]
) -> dict[int, NDArray[np.intp]]:
    """Classify queries by the vote of their k nearest clips in the gallery, for several k.

    Similarities are computed for some queries at a time, so that they fit into memory.

    Args:
        gallery: (G, D).
        labels: Class numbers of the gallery, (G,).
        queries: (Q, D), on the same device.
        ks: Numbers of neighbors, up to G.

    Returns:
        Predicted class numbers (Q,) by k.
    """
    gallery, queries = F.normalize(gallery, dim=1), F.normalize(queries, dim=1)
    chunk = max(1, _CELLS // len(gallery))
    named: dict[int, list[NDArray[np.intp]]] = {k: [] for k in ks}
    for some in torch.split(queries, chunk):
        found = torch.topk(some @ gallery.T, max(ks), dim=1)
        similarities, near = found.values.cpu().numpy(), labels[found.indices.cpu().numpy()]
        for k in ks:
            named[k].append(votes(near[:, :k], similarities[:, :k]))
    return {k: np.concatenate(parts) for k, parts in named.items()}
