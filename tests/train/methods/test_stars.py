import pytest
import torch
from torch.nn import functional as F

from stars_infer.train.methods.nnclr import NeighborContrast, NnclrConfig
from stars_infer.train.methods.stars import HeadInit, Stars, StarsConfig
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.optimizer import make_optimizer, set_learning_rate
from stars_infer.train.run import LoopConfig
from stars_infer.train.views.batch import Batch


@pytest.fixture
def method():
    torch.manual_seed(0)
    shape = EncoderConfig(width=16, depth=4, heads=2)
    return Stars(shape, StarsConfig(queue=32, hidden=24))


def batch_of(bodies, clip=None):
    clip = torch.arange(len(bodies)) if clip is None else torch.tensor(clip)
    return Batch(bodies=bodies, clip=clip, clips=int(clip.max()) + 1, noise=torch.zeros(0))


def test_loss_by_the_formula(method):
    bodies = torch.randn(4, 120, 25, 3)
    loss, z = method.train()(batch_of(bodies))
    with torch.no_grad():
        y = method.encoder(bodies).mean(dim=1)
        g = (y - y.mean(0)) / (y.var(0, unbiased=False) + 1e-5).sqrt()
        p = F.normalize(method.contrast.predictor(g), dim=1)
        expected = 0.0
        for i in range(4):
            nearest = max(
                method.contrast.queue.vectors,
                key=lambda q, i=i: float(q @ F.normalize(g[i], dim=0)),
            )
            logits = torch.stack([nearest @ p[j] for j in range(4)]) / 0.07
            expected -= float(torch.log_softmax(logits, 0)[i]) / 4
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(z, F.normalize(g, dim=1), atol=1e-4, rtol=1e-4)
    assert not z.requires_grad


@pytest.mark.parametrize("norm", [True, False])
def test_the_predictor_as_in_nnclr_and_as_section_3_3_names_it(norm):
    """Two layers, with the batch norm of NNCLR between them or without it, by hand."""
    contrast = NeighborContrast(2, NnclrConfig(queue=4, hidden=3, predictor_norm=norm)).train()
    first, last = contrast.predictor[0], contrast.predictor[3]
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]]))
        last.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]))
        for layer in (first, last):
            layer.bias.zero_()
    x = torch.tensor([[1.0, 3.0], [-2.0, 1.0]])
    hidden = torch.tensor([[1.0, 6.0, 2.0], [-2.0, 2.0, 3.0]])
    if norm:  # two rows are normalized to 1 and -1
        hidden = torch.tensor([[1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    rectified = hidden.clamp(min=0)
    expected = torch.stack(
        [rectified[:, 0] + 2 * rectified[:, 2], rectified[:, 1] - rectified[:, 2]], dim=1
    )
    torch.testing.assert_close(contrast.predictor(x), expected, atol=1e-4, rtol=1e-4)


def test_three_stages_keep_the_form_of_the_predictor():
    shape = EncoderConfig(width=16, depth=4, heads=2)
    heads = HeadInit(shape, NnclrConfig(queue=8, hidden=4, predictor_norm=False))
    tuned = Stars(shape, StarsConfig(queue=8, hidden=4, predictor_norm=False))
    tuned.start_from(heads.state_dict(), source="heads")
    assert tuned.contrast.predictor[0].weight.equal(heads.contrast.predictor[0].weight)


def test_only_the_second_half_of_the_encoder_and_the_heads_learn(method):
    loss, _ = method(batch_of(torch.randn(4, 120, 25, 3)))
    loss.backward()
    learned = {name for name, p in method.named_parameters() if p.grad is not None}
    frozen = {name for name, _ in method.named_parameters()} - learned
    assert all(
        name.startswith(
            ("encoder.embed", "encoder.position", "encoder.blocks.0", "encoder.blocks.1")
        )
        for name in frozen
    )
    for prefix in (
        "encoder.blocks.2",
        "encoder.blocks.3",
        "encoder.norm",
        "contrast.projector",
        "contrast.predictor",
    ):
        assert any(name.startswith(prefix) for name in learned)


def test_queue_takes_projections_over_the_oldest(method):
    rows = F.normalize(torch.randn(40, 16), dim=1)
    method.after_step(rows[:20])
    torch.testing.assert_close(method.contrast.queue.vectors[:20], rows[:20])
    method.after_step(rows[20:])
    torch.testing.assert_close(method.contrast.queue.vectors[20:32], rows[20:32])
    torch.testing.assert_close(method.contrast.queue.vectors[:8], rows[32:])
    torch.testing.assert_close(method.contrast.queue.vectors[8:20], rows[8:20])
    assert int(method.contrast.queue.place) == 8


def test_batch_larger_than_the_queue_leaves_its_last_rows(method):
    rows = torch.randn(70, 16)
    method.after_step(rows)
    stored = {tuple(row.tolist()) for row in method.contrast.queue.vectors}
    assert stored == {tuple(row.tolist()) for row in rows[-32:]}


def test_clip_feature_is_the_mean_over_its_bodies(method):
    bodies = torch.randn(3, 120, 25, 3)
    features = method.features(batch_of(bodies, [0, 0, 1]))
    pooled = method.encoder.pool(bodies)
    torch.testing.assert_close(features[0], pooled[:2].mean(0))
    torch.testing.assert_close(features[1], pooled[2])


def test_layer_wise_rates(method):
    config = LoopConfig(lr=1.0, final_lr=1.0, layer_decay=0.2, weight_decay=0.01)
    optimizer = make_optimizer(method, config, depth=4)
    set_learning_rate(optimizer, config, 0, steps=10, warmup=0)
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    parameters = dict(method.named_parameters())
    rate = {name: of[id(p)]["lr"] for name, p in parameters.items() if p.requires_grad}
    assert rate["encoder.blocks.3.mlp.0.weight"] == pytest.approx(1.0)
    assert rate["encoder.blocks.2.mlp.0.weight"] == pytest.approx(0.2)
    assert rate["contrast.predictor.0.weight"] == pytest.approx(1.0)
    for name, parameter in parameters.items():
        if parameter.requires_grad:
            decay = of[id(parameter)]["weight_decay"]
            assert decay == (0.0 if parameter.ndim < 2 else 0.01), name


def test_schedule_warms_up_and_falls_as_a_cosine(method):
    config = LoopConfig(lr=1.0, final_lr=0.5)
    optimizer = make_optimizer(method, config, depth=4)
    rates = [
        set_learning_rate(optimizer, config, step, steps=110, warmup=10) for step in range(110)
    ]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.75)
    assert rates[-1] == pytest.approx(0.5, abs=1e-3)
