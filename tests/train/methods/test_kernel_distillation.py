"""Kernel distillation: the head of an encoder that starts from another run is fitted first."""

import pytest
import torch
from torch.nn import functional as F

from stars_infer.train.methods.kernel_distillation import (
    KernelDistillation,
    KernelDistillationConfig,
    fit_linear,
)
from stars_infer.train.networks.encoder_config import STGCN, EncoderConfig
from stars_infer.train.pools.batches import PoolBatches

TRANSFORMER = EncoderConfig(width=16, depth=1, heads=2, frames=8, posture_tokens=True, vector=6)
GRAPH = EncoderConfig(network=STGCN, width=16, depth=3, frames=8, vector=6)


def setup(shape, *, noise=0.0):
    """A method, the pool whose vectors are a linear map of its features, and its batches."""
    method = KernelDistillation(shape, KernelDistillationConfig())
    bodies = torch.randn(96, 8, 25, 3)
    method.encoder.eval()
    with torch.no_grad():
        features = method.encoder(bodies).mean(dim=1)
        features = (features - features.mean(dim=0)) / features.std(dim=0).clamp(min=1e-6)
        vectors = features @ torch.randn(16, 6) + noise * torch.randn(96, 6)
    method.train()
    batches = PoolBatches(
        lambda numbers: (bodies[numbers], vectors[numbers]), 96, batch=32, seed=0, device="cpu"
    )
    return method, batches, bodies, vectors


def cosine(method, bodies, vectors):
    method.encoder.eval()
    with torch.no_grad():
        return float(F.cosine_similarity(method.encoder.pool(bodies), vectors).mean())


@pytest.mark.parametrize("shape", [TRANSFORMER, GRAPH], ids=lambda shape: shape.network)
def test_the_head_learns_the_vectors_of_a_pool_and_nothing_else_changes(shape):
    method, batches, bodies, vectors = setup(shape)
    before = {name: value.clone() for name, value in method.encoder.state_dict().items()}
    assert cosine(method, bodies, vectors) < 0.5
    method.train()
    method.meet(batches.draw)
    assert method.encoder.training
    changed = {n for n, value in method.encoder.state_dict().items() if (value != before[n]).any()}
    assert changed == {"head.weight", "head.bias"}
    assert cosine(method, bodies, vectors) > 0.85


def test_a_head_that_knows_the_vectors_stays():
    method, batches, bodies, vectors = setup(TRANSFORMER, noise=4.0)
    with torch.no_grad():
        features = method.encoder.eval()(bodies).mean(dim=1)
        weight = torch.linalg.lstsq(features - features.mean(dim=0), vectors).solution.T
        method.encoder.head.weight.copy_(weight)
        method.encoder.head.bias.copy_(vectors.mean(dim=0) - weight @ features.mean(dim=0))
    before = method.encoder.head.weight.clone()
    method.meet(batches.draw)
    assert torch.equal(method.encoder.head.weight, before)


def test_an_encoder_without_a_head_stays():
    shape = EncoderConfig(width=16, depth=1, heads=2, frames=8)
    KernelDistillation(shape, KernelDistillationConfig()).meet(lambda step: ())


def test_a_linear_map_is_found_whatever_the_size_of_the_features():
    features = torch.randn(500, 3) * torch.tensor([1.0, 100.0, 0.01]) + 7
    targets = features @ torch.tensor([[1.0, 0.5], [0.01, -0.01], [100.0, 0.0]]) - 3
    weight, bias = fit_linear(features, targets)
    made = features @ weight.T + bias
    assert F.cosine_similarity(made - made.mean(0), targets - targets.mean(0)).mean() > 0.99
    torch.testing.assert_close(made.mean(dim=0), targets.mean(dim=0), rtol=1e-3, atol=1e-3)
