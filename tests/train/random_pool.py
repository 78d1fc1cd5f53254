"""A pool of random numbers, for methods that learn from one."""

from __future__ import annotations

import numpy as np

from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.pools.pool import SENSOR, Pool


def random_pool(shape: EncoderConfig, *, clips: int = 100) -> Pool:
    """Bodies and vectors that fit an encoder."""
    random = np.random.default_rng(0)
    body = (shape.frames, shape.joints, 3)
    records = np.empty(clips, [("body", "<f2", body), ("vector", "<f2", (shape.vector_width,))])
    records["body"] = random.normal(size=(clips, *body))
    records["vector"] = random.normal(size=(clips, shape.vector_width))
    return Pool(blocks=(records,), views=SENSOR, facts={})
