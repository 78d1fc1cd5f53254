"""Every recipe trains in bf16 on the CPU, with the losses of float32, and finds the same neighbors.

`tests/train/test_session.py` trains every method with every network, and
`tests/train/protocols/test_bf16.py` runs every protocol.
"""

import json
import math
from contextlib import nullcontext

import pytest
import torch
from torch.nn import functional as F

from benchmarks.training.miniature import clips, miniature, pool
from stars_infer.train.loop import fit
from stars_infer.train.methods.dino import cosines, koleo
from stars_infer.train.methods.moco import key_loss
from stars_infer.train.methods.nnclr import neighbor_loss
from stars_infer.train.methods.queue import VectorQueue
from stars_infer.train.methods.skeattnclr import contrast
from stars_infer.train.recipe import load_recipe, recipe_names
from stars_infer.train.run import build_method
from stars_infer.train.session import open_fabric, open_views

TOLERANCE = 0.01
"""Largest difference of a loss in bf16 from that in float32, as a share of it."""


@pytest.fixture(scope="module")
def pack():
    return clips()


@pytest.fixture(scope="module")
def bf16():
    return open_fabric("cpu", 1, "bf16-mixed")


def started(config, pack):
    torch.manual_seed(0)
    method = build_method(config)
    method.before_first_step()
    data = pool(config.encoder) if method.pooled else pack
    return method, open_views(method, data, config, device="cpu")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_in_bf16_with_the_losses_of_float32(pack, bf16, tmp_path, name):
    config = miniature(load_recipe(name), lr=1e-3)
    method, views = started(config, pack)
    found, drawn = [], views.draw(0)
    for context in (nullcontext(), torch.autocast("cpu", torch.bfloat16)):
        torch.manual_seed(1)  # what a network drops
        with torch.no_grad(), context:
            found.append(float(method(*drawn).loss))
    exact, rounded = found
    assert rounded == pytest.approx(exact, rel=TOLERANCE, abs=1e-6)
    fit(method, views, config, tmp_path, fabric=bf16)
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert len(losses) == config.steps
    assert all(map(math.isfinite, losses)), losses


def clustered(count, width=64, spread=0.02):
    """Unit vectors that differ from each other by less than bf16 can tell."""
    random = torch.Generator().manual_seed(count)
    center = torch.randn(1, width, generator=torch.Generator().manual_seed(0))
    return F.normalize(center + spread * torch.randn(count, width, generator=random), dim=1)


def test_the_nearest_neighbors_are_those_of_float32_under_autocast():
    queue, asked = VectorQueue(4096, 64), clustered(256)
    queue.vectors.copy_(clustered(4096))
    expected = queue.nearest(asked)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = queue.vectors[(asked @ queue.vectors.T).argmax(dim=1)]
        torch.testing.assert_close(queue.nearest(asked), expected, rtol=0, atol=0)
    # Without what `in_float32` does, a large share of them would be others.
    assert (rounded != expected).any(dim=1).float().mean() > 0.2


@pytest.mark.parametrize(
    "compare",
    [
        lambda a, b, past: neighbor_loss(a, b, 0.07),
        lambda a, b, past: key_loss(a, b, past, 0.07),
        lambda a, b, past: contrast(a, b, past, 0.2, against=a.flip(0)),
        lambda a, b, past: cosines(a, past),
        lambda a, b, past: koleo(a),
    ],
    ids=["nnclr", "moco", "skeattnclr", "dino", "koleo"],
)
def test_logits_and_losses_are_those_of_float32_under_autocast(compare):
    a, b, past = clustered(32), clustered(33)[:32], clustered(128)
    expected = compare(a, b, past)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(compare(a, b, past), expected, rtol=0, atol=0)
