"""`torch.compile` takes every network and method as one graph and ends with the eager weights."""

import copy
import shutil

import pytest
import torch

from benchmarks.training.miniature import clips, miniature, pool
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.compiled_gru import know_gru
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.recipe import load_recipe, recipe_names
from stars_infer.train.run import build_method
from stars_infer.train.session import open_views

NETWORKS = {
    "transformer": EncoderConfig(width=16, depth=1, heads=2, frames=16),
    "stgcn": EncoderConfig(network="stgcn", width=16, depth=3, frames=16),
    "bigru": EncoderConfig(network="bigru", width=16, depth=1, frames=16),
    "dsta": EncoderConfig(network="dsta", width=16, depth=3, heads=2, frames=16),
}
COMPILER = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "cl"))), reason="no C++ compiler for inductor"
)


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    know_gru()


@pytest.mark.parametrize(
    ("network", "backend"),
    [
        ("transformer", "aot_eager"),
        ("bigru", "aot_eager"),
        *(
            pytest.param(network, "inductor", marks=[pytest.mark.slow, COMPILER])
            for network in NETWORKS
        ),
    ],
)
def test_every_network_trains_compiled_as_eager(network, backend):
    torch.manual_seed(0)
    eager = build_encoder(NETWORKS[network]).train()
    other = copy.deepcopy(eager)
    compiled = torch.compile(other, dynamic=True, fullgraph=True, backend=backend)
    for bodies in (torch.randn(6, 16, 25, 3), torch.randn(5, 16, 25, 3)):
        losses = []
        for module, own in ((eager, eager), (compiled, other)):
            optimizer = torch.optim.SGD(own.parameters(), lr=0.1)
            loss = (module(bodies) - 1).square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.detach())
        torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
    for name, weight in eager.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], weight, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
@COMPILER
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_is_one_graph_in_bf16(method):
    name = next(name for name in recipe_names() if load_recipe(name).method == method)
    config = miniature(load_recipe(name))
    made = build_method(config)
    made.before_first_step()
    data = pool(config.encoder) if made.pooled else clips()
    views = open_views(made, data, config, device="cpu")
    compiled = torch.compile(made, dynamic=True, fullgraph=True)
    optimizer = torch.optim.SGD([p for p in made.parameters() if p.requires_grad], lr=1e-3)
    for step in range(2):
        drawn = views.draw(step)
        with torch.autocast("cpu", torch.bfloat16):
            output = compiled(*drawn)
        torch.autograd.backward(output.loss)
        optimizer.step()
        made.after_step(output.keys)
        assert output.loss.isfinite()
