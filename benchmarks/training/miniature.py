"""Every recipe with a network so small that a step takes milliseconds, and clips for it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.train.datasets.pack import Pack, SourceClip
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.encoder_config import BIGRU, EncoderConfig
from stars_infer.train.pools.pool import SENSOR, Pool
from stars_infer.train.recipe import Recipe
from stars_infer.train.run import RunConfig

CLIPS, BATCH = 16, 8
_SMALL = {
    "decoder_depth": 1, "queue": 20, "hidden": 32, "projection": 8, "prototypes": 24,
    "bottleneck": 8, "classes": 4, "tuned_blocks": 1,
}  # fmt: skip
_STREAMS = {"stgcn": 3, "bigru": 2, "dsta": 4}
"""Fewest blocks of each network that is not the transformer."""


def miniature(recipe: Recipe, **flags: Any) -> RunConfig:
    """The configuration of a recipe for two steps of a miniature network.

    Args:
        recipe: The recipe; what makes it what it is stays.
        flags: Settings by name.
    """
    known = {field.name for field in fields(METHODS[recipe.method].config_class)}
    small = {name: value for name, value in _SMALL.items() if name in known}
    steps = 4 if METHODS[recipe.method].name == "dtw-distillation" else 2
    loop = {"steps": steps, "batch": BATCH, "log_every": 1, "warmup": 0, "accumulate": 1}
    network = recipe.encoder.get("network", "transformer")
    shape = {**recipe.encoder, "width": 16, "depth": _STREAMS.get(network, 2)}
    if network != BIGRU:
        shape["heads"] = 2
    shape.setdefault("frames", recipe.views.get("frames", EncoderConfig().frames))
    if "mask_heads" in known:
        small["mask_heads"] = 2
    made = recipe.with_flags({**small, **loop, **flags})
    encoder = EncoderConfig(**shape)
    kept = {name: value for name, value in made.loop.items() if name != "epochs"}
    return Recipe(
        name=made.name, about=made.about, method=made.method, loop=kept, encoder={},
        views=made.views, settings=made.settings,
    ).configure(data="miniature", clips=CLIPS, encoder=encoder)  # fmt: skip


def clips() -> Pack:
    """Clips of one and of two people, each of whom has a posture and moves at random."""
    random = np.random.default_rng(0)

    def actors(people: int) -> FloatArray:
        posture = random.normal(size=(people, 1, 25, 3))
        motion = random.normal(size=(people, 85, 25, 3)).cumsum(axis=1)
        return np.asarray(posture + 0.03 * motion, np.float32)

    return Pack.from_clips(
        SourceClip(
            actors=actors(1 + number % 2),
            label=f"action {number % 4}",
            subject="",
            source=f"clip {number}",
        )
        for number in range(CLIPS)
    )


def pool(shape: EncoderConfig) -> Pool:
    """A pool of random numbers that fits an encoder."""
    random = np.random.default_rng(0)
    body = (shape.frames, shape.joints, 3)
    records = np.empty(CLIPS, [("body", "<f2", body), ("vector", "<f2", (shape.vector_width,))])
    records["body"] = random.normal(size=(CLIPS, *body))
    records["vector"] = random.normal(size=(CLIPS, shape.vector_width))
    return Pool(blocks=(records,), views=SENSOR, facts={})
