"""Training in bf16: every method and network runs, and what goes in stays float32."""

import json
import math

import pytest
import torch
from torch import nn

from stars_infer.train.datasets.pack import Pack
from stars_infer.train.loop import fit
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.run import LoopConfig, RunConfig, build_method
from stars_infer.train.session import best_precision, open_fabric, open_views
from stars_infer.train.views.config import ViewConfig
from tests.train.random_pool import random_pool

TRANSFORMER = EncoderConfig(width=16, depth=2, heads=2)
OTHERS = {
    "stgcn": EncoderConfig(network="stgcn", width=16, depth=3),
    "bigru": EncoderConfig(network="bigru", width=16, depth=2),
    "dsta": EncoderConfig(network="dsta", width=16, depth=4, heads=2),
}
SMALL = {
    "mamp": {"decoder_depth": 1},
    "mae": {"decoder_depth": 1},
    "skeleton2vec": {"decoder_depth": 1},
    "nnclr": {"queue": 20, "hidden": 32},
    "stars": {"queue": 20, "hidden": 32},
    "head-init": {"queue": 20, "hidden": 32},
    "mamp-nnclr": {"queue": 20, "hidden": 32, "decoder_depth": 1},
    "moco": {"queue": 20, "hidden": 32, "projection": 8},
    "dino": {"prototypes": 24, "hidden": 32, "bottleneck": 8, "local_views": 1},
    "skeattnclr": {"queue": 20, "hidden": 32, "projection": 8},
    "dtw-distillation": {},
    "kernel-distillation": {},
    "classifier": {"hidden": 32},
}
CASES = [(method, TRANSFORMER) for method in METHODS] + [
    (method, shape)
    for method, kind in METHODS.items()
    for network, shape in OTHERS.items()
    if network in kind.networks
]


@pytest.mark.parametrize(
    ("name", "shape"), CASES, ids=[f"{method}-{shape.network}" for method, shape in CASES]
)
def test_every_method_and_network_trains_in_bf16(trained, tmp_path, name, shape):
    pack = Pack.open(trained / "pack")
    # Similarity learns from the third step on, when it has seen as many clips as it has numbers.
    config = RunConfig(
        method=name,
        data="pack",
        clips=len(pack.clips),
        loop=LoopConfig(
            steps=4 if name == "dtw-distillation" else 2, batch=8, log_every=1, lr=1e-3
        ),
        encoder=shape,
        views=ViewConfig(rotation=0.3),
        settings=METHODS[name].config_class(**SMALL[name]),
    )
    fabric = open_fabric("cpu", 1, "bf16-mixed")
    fabric.seed_everything(0, verbose=False)
    method = build_method(config)
    method.before_first_step()
    data = random_pool(shape) if method.pooled else pack
    views = open_views(method, data, config, device="cpu")
    seen, made = [], set()
    method.register_forward_pre_hook(lambda _, batches: seen.extend(batches))
    for layer in method.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            layer.register_forward_hook(lambda _, inputs, output: made.add(output.dtype))
    fit(method, views, config, tmp_path, fabric=fabric)
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert len(losses) == config.steps
    assert all(map(math.isfinite, losses)), losses
    assert torch.bfloat16 in made
    assert {dtype for b in seen for dtype in (b.bodies.dtype, b.noise.dtype)} == {torch.float32}
    # Step 0 sees what the views make, to the last bit.
    assert seen
    for batch, view in zip(seen, views.draw(0), strict=False):
        torch.testing.assert_close(batch.bodies, view.bodies, rtol=0, atol=0)
        torch.testing.assert_close(batch.noise, view.noise, rtol=0, atol=0)
    assert {p.dtype for p in method.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_run_says_its_precision(precision):
    assert open_fabric("cpu", 1, precision).strategy.precision.precision == precision


def test_commands_train_in_bf16(stars, trained, tmp_path):
    tiny = ["--steps", 2, "--batch", 8, "--accelerator", "cpu", "--precision", "bf16-mixed"]
    small = ["--warmup", 0, "--width", 16, "--depth", 2, "--heads", 2, "--decoder-depth", 1]
    code, _, err = stars("train", "pretrain", trained / "pack", "--out", "one", *tiny, *small)
    assert code == 0, err
    assert "bf16-mixed on 1 x cpu" in " ".join(err.split())
    code, _, err = stars(
        "train", "tune", trained / "pack", "--from", "one", "--out", "two", "--queue", 20, *tiny
    )
    assert code == 0, err


def test_precision_pays_or_is_left():
    assert best_precision("mps") == "32-true"
    assert best_precision("cpu") in ("32-true", "bf16-mixed")


@pytest.mark.parametrize(("has_it", "best"), [(True, "bf16-mixed"), (False, "32-true")])
def test_emulated_bf16_does_not_count(monkeypatch, has_it, best):
    """As torch answers on an older GPU: it can, by emulation."""
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or has_it,
    )
    assert best_precision("cuda") == best
