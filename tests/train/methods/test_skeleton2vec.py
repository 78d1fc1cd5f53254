"""Skeleton2vec: its masks, targets, loss and teacher on cases that can be worked out by hand."""

import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import Checkpoint
from stars_infer.train.methods.masking import tube_intensity, tube_order
from stars_infer.train.methods.skeleton2vec import Skeleton2vec, Skeleton2vecConfig, over_tokens
from stars_infer.train.networks.encoder import EncoderConfig, segment_tokens
from stars_infer.train.optimizer import make_optimizer
from stars_infer.train.run import LoopConfig
from stars_infer.train.views.batch import Batch

SHAPE = EncoderConfig(width=16, depth=2, heads=2, frames=90, segment=3)
JOINTS, SEGMENTS = 25, 30


def batch_of(clips=2, seed=0, bodies=None):
    random = torch.Generator().manual_seed(seed)
    noise = torch.rand(clips, SEGMENTS * JOINTS, generator=random)
    if bodies is None:
        bodies = torch.randn(clips, 90, JOINTS, 3, generator=random)
    return Batch(bodies=bodies, clip=torch.arange(clips), clips=clips, noise=noise)


def made(shape=SHAPE, **config):
    torch.manual_seed(0)
    return Skeleton2vec(shape, Skeleton2vecConfig(**({"decoder_depth": 1} | config))).train()


def masks(batch, *, tube=5, beta=0.1, seen=2):
    """Which tokens are hidden, (N, Te, V)."""
    order = tube_order(batch.bodies, batch.noise, seen=seen, tube=tube, beta=beta, segment=3)
    for row in order:
        assert sorted(row.tolist()) == list(range(SEGMENTS * JOINTS))
    hidden = torch.ones(order.shape, dtype=torch.bool).scatter(1, order[:, : seen * SEGMENTS], 0)
    return hidden.view(-1, SEGMENTS, JOINTS)


def test_intensity_by_hand():
    bodies = torch.zeros(1, 8, 3, 3)
    bodies[0, :, 0, 0] = torch.tensor([0.0, 1, 0, 1, 1, 1, 1, 3])
    bodies[0, :, 1, 2] = torch.tensor([0.0, 0, -6, -6, -6, -6, -6, -6])
    # Tubes of 2 segments of 2 frames: changes of frames 0 to 3, and of 4 to 6 with a still 7.
    got = tube_intensity(bodies, tube=2, segment=2)
    torch.testing.assert_close(got, torch.tensor([[[3 / 6, 1, 0], [1, 0, 0]]]))


def test_the_last_tube_may_be_shorter():
    bodies = torch.zeros(1, 6, 2, 3)
    bodies[0, :, 0, 1] = torch.tensor([0.0, 1, 2, 3, 3, 3])
    bodies[0, :, 1, 1] = torch.tensor([0.0, 0, 0, 0, 0, 4])
    got = tube_intensity(bodies, tube=2, segment=2)
    torch.testing.assert_close(got, torch.tensor([[[1.0, 0], [0, 1]]]))


def test_where_nothing_moves_there_is_no_intensity():
    assert tube_intensity(torch.ones(2, 90, 25, 3), tube=5, segment=3).eq(0).all()


def test_a_tube_shares_one_mask_and_tubes_differ():
    hidden = masks(batch_of(4)).view(4, 6, 5, JOINTS)
    assert hidden.eq(hidden[:, :, :1]).all()
    assert all(not hidden[n, 0, 0].equal(hidden[n, t, 0]) for n in range(4) for t in range(1, 6))
    assert not hidden[0].equal(hidden[1])


@pytest.mark.parametrize(
    ("ratio", "code", "nearest"), [(0.8, 4, 5), (0.85, 3, 4), (0.9, 2, 2), (0.95, 1, 1)]
)
def test_visible_joints_as_in_the_public_code_and_nearest_to_the_ratio(ratio, code, nearest):
    assert made(mask_ratio=ratio).seen == code
    method = made(mask_ratio=ratio, rounding="nearest")
    assert method.seen == nearest
    hidden = torch.ones(2, 750).scatter(1, method.order(batch_of())[:, : nearest * SEGMENTS], 0)
    assert hidden.mean().item() == pytest.approx((JOINTS - nearest) / JOINTS)


@pytest.mark.parametrize(("ratio", "seen"), [(0.8, 4), (0.85, 3), (0.9, 2), (0.95, 1)])
@pytest.mark.parametrize("tube", [1, 4, 5, 30, 40])
def test_every_segment_hides_the_same_number_of_joints(ratio, seen, tube):
    method = made(mask_ratio=ratio, tube_length=tube)
    assert method.seen == seen
    hidden = masks(batch_of(3), tube=tube, seen=seen)
    assert hidden.sum(dim=2).eq(JOINTS - seen).all()


def test_random_and_single_tube_masking_are_tubes_of_one_segment_and_of_all():
    single = masks(batch_of(), tube=30)
    assert single.eq(single[:, :1]).all()
    random = masks(batch_of(), tube=1)
    repeated = (random[:, 1:] == random[:, :-1]).all(dim=2).float().mean()
    assert repeated < 0.1


def test_a_mask_by_hand():
    bodies = torch.zeros(1, 6, 3, 3)
    bodies[0, :, 2, 0] = torch.arange(6.0)
    noise = torch.tensor([[[0.5, 0.2, 0.0], [9, 9, 9], [0.1, 0.3, 0.25]]]).view(1, 9)
    # One tube of two segments, then one: scores 0.5 0.2 0.4 and 0.1 0.3 0.65 with beta 0.4.
    order = tube_order(bodies, noise, seen=1, tube=2, beta=0.4, segment=2)
    assert order.tolist() == [[1, 4, 6, 2, 0, 5, 3, 7, 8]]


@pytest.mark.parametrize(("beta", "least", "most"), [(0.0, 0.86, 0.96), (0.1, 0.965, 1.0)])
def test_more_motion_means_more_often_hidden(beta, least, most):
    bodies = torch.zeros(1, 90, JOINTS, 3)
    bodies[0, :, 7, 0] = torch.arange(90.0)
    shares = torch.stack([masks(batch_of(1, seed, bodies), beta=beta)[0].float().mean(dim=0)
                          for seed in range(60)]).mean(dim=0)  # fmt: skip
    assert least < shares[7] <= most
    still = torch.cat((shares[:7], shares[8:]))
    assert still.mean() == pytest.approx((23 - float(shares[7])) / 24, abs=1e-4)


def test_targets_by_the_formula():
    method = made()
    bodies = batch_of().bodies
    x, layers = method.encoder.tokens(bodies), []
    for block in method.encoder.blocks:
        x = x + block.attention(block.norm1(x))
        mixed = block.mlp(block.norm2(x))
        x = x + mixed
        mean, variance = mixed.mean(1, keepdim=True), mixed.var(1, keepdim=True, unbiased=False)
        layers.append((mixed - mean) / (variance + 1e-5).sqrt())
    mean = sum(layers) / 2
    centered = mean - mean.mean(2, keepdim=True)
    expected = centered / (centered.square().mean(2, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(method.target(bodies), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(x, method.encoder.blocks[1](method.encoder.blocks[0](
        method.encoder.tokens(bodies))))  # fmt: skip


def test_instance_norm_is_over_the_tokens_of_a_body():
    x = torch.tensor([[[1.0, 5], [3, 5], [5, 5]], [[0.0, 0], [0, 1], [0, 2]]])
    step = 1.5**0.5
    expected = [[[-step, 0], [0, 0], [step, 0]], [[0, -step], [0, 0], [0, step]]]
    torch.testing.assert_close(over_tokens(x), torch.tensor(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("layers", ["ffn", "block"])
@pytest.mark.parametrize("norm", ["instance", "layer"])
def test_targets_are_normalized_and_know_the_whole_clip(layers, norm):
    method = made(target_layers=layers, target_norm=norm)
    bodies = batch_of().bodies
    target = method.target(bodies)
    assert target.shape == (2, SEGMENTS * JOINTS, 16)
    torch.testing.assert_close(target.mean(2), torch.zeros(2, 750), atol=1e-5, rtol=0)
    torch.testing.assert_close(target.var(2, unbiased=False), torch.ones(2, 750), atol=1e-2, rtol=0)
    bodies[0, :3, 0] += 1.0
    changed = (method.target(bodies) - target).abs().sum(dim=2) > 1e-6
    assert changed[0].all()
    assert not changed[1].any()


def test_each_kind_of_target_is_another():
    bodies = batch_of().bodies
    kinds = [
        made(target_layers=layers, target_norm=norm).target(bodies)
        for layers in ("ffn", "block")
        for norm in ("instance", "layer")
    ]
    assert all((a - b).abs().max() > 0.1 for n, a in enumerate(kinds) for b in kinds[:n])


def test_the_loss_is_that_of_hidden_tokens_alone(monkeypatch):
    method = made()
    batch = batch_of()
    order = method.order(batch)
    kept, hidden = order[:, : 2 * SEGMENTS], order[:, 2 * SEGMENTS :]
    target = method.target(batch.bodies)
    tokens = method.student.tokens(batch.bodies)
    seen = tokens.gather(1, kept[:, :, None].expand(-1, -1, 16))
    guess = method.decoder(method.student.encode(seen), kept, hidden)
    wanted = target.gather(1, hidden[:, :, None].expand(-1, -1, 16))
    # Equation 5 adds up the features of a token, here they are averaged: 16 of them.
    expected = (guess - wanted).square().sum(2).mean() / 16
    torch.testing.assert_close(method(batch).loss, expected)

    def spoilt(value, places):
        other = target.scatter(1, places[:, :, None].expand(-1, -1, 16), value)
        monkeypatch.setattr(method, "target", lambda bodies: other)
        return method(batch).loss

    torch.testing.assert_close(spoilt(99.0, kept), expected)
    assert spoilt(99.0, hidden) > 100


def test_the_student_sees_no_hidden_joint_and_the_teacher_all():
    method = made()
    batch = batch_of()
    bodies = batch.bodies.clone().requires_grad_()
    order = method.order(batch)
    kept = order[:, : 2 * SEGMENTS, None].expand(-1, -1, 16)
    method.student.encode(method.student.tokens(bodies).gather(1, kept)).sum().backward()
    touched = segment_tokens(bodies.grad, 3).abs().sum(2) > 0
    assert touched.gather(1, order[:, : 2 * SEGMENTS]).all()
    assert not touched.gather(1, order[:, 2 * SEGMENTS :]).any()


def test_the_teacher_starts_as_the_student_and_has_no_gradient():
    method = made()
    for mine, its in zip(method.encoder.parameters(), method.student.parameters(), strict=True):
        assert mine.equal(its)
        assert mine is not its
    method(batch_of()).loss.backward()
    learning = {name for name, p in method.named_parameters() if p.grad is not None}
    assert not any(name.startswith("encoder.") for name in learning)
    assert {name.split(".")[0] for name in learning} == {"student", "decoder"}
    student = {name for name, _ in method.named_parameters() if name.startswith("student.")}
    assert student <= learning
    assert not method.target(batch_of().bodies).requires_grad


@pytest.mark.parametrize(("progress", "stays"), [(0.0, 0.8), (0.5, 0.9), (0.75, 0.95), (1.0, 1.0)])
def test_the_teacher_follows_more_and_more_slowly(progress, stays):
    method = made(momentum=0.8)
    before = {name: p.clone() for name, p in method.encoder.named_parameters()}
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1.0)
    method.progress = progress
    method.after_step(None)
    for name, parameter in method.encoder.named_parameters():
        torch.testing.assert_close(parameter, before[name] + (1 - stays), atol=1e-6, rtol=0)


def test_rates_that_decay_by_layer_are_those_of_the_student():
    method = made()
    optimizer = make_optimizer(method, LoopConfig(layer_decay=0.5), depth=2)
    scale = {id(p): g["lr_scale"] for g in optimizer.param_groups for p in g["params"]}
    student = method.student
    assert scale[id(student.embed.weight)] == 0.25
    assert [scale[id(block.mlp[0].weight)] for block in student.blocks] == [0.5, 1.0]
    assert scale[id(method.decoder.embed.weight)] == 1.0
    assert not any(id(p) in scale for p in method.encoder.parameters())


def test_decoding_a_share_of_the_hidden_tokens():
    batch = batch_of()
    every, third = made()(batch).loss, made(decode_every=3)(batch).loss
    assert every.item() != third.item()
    assert third.item() == pytest.approx(every.item(), rel=0.1)


def test_teacher_or_student_of_a_checkpoint():
    method = made()
    with torch.no_grad():
        method.student.norm.bias.add_(1.0)
    kept = Checkpoint(
        config={"method": "skeleton2vec"}, step=1, weights=method.state_dict(), optimizer={},
        history={},
    )  # fmt: skip
    teacher = kept.with_weights("teacher", source="run")
    student = kept.with_weights("student", source="run")
    assert teacher is kept
    assert kept.encoder_weights()["norm.bias"].eq(0).all()
    assert student.encoder_weights()["norm.bias"].eq(1).all()
    assert student.encoder_weights().keys() == kept.encoder_weights().keys()
    assert student.history == {"weights": "student"}
    with pytest.raises(UsageError, match="--weights is teacher or student, not 'pupil'"):
        kept.with_weights("pupil", source="run")
    alone = {name: t for name, t in kept.weights.items() if not name.startswith("student.")}
    other = Checkpoint(config={"method": "mamp"}, step=1, weights=alone, optimizer={}, history={})
    with pytest.raises(UsageError, match="runs/mamp: mamp keeps one encoder only; leave --weights"):
        other.with_weights("student", source="runs/mamp")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"tube_length": 0}, "tube_length must be at least 1, not 0"),
        ({"beta": -0.1}, "beta must not be below 0"),
        ({"beta": float("nan")}, "beta must not be below 0"),
        ({"momentum": 1.1}, "momentum is a share up to 1"),
        ({"mask_ratio": 1.0}, "mask_ratio is a share between 0 and 1"),
        ({"mask_ratio": 0.97}, "mask_ratio 0.97 hides all 25 joints of a tube; at most 0.96"),
        ({"decoder_depth": 0}, "decoder_depth must be at least 1"),
        ({"target_layers": "attention"}, "target_layers is ffn or block, not 'attention'"),
        ({"target_norm": "batch"}, "target_norm is instance or layer, not 'batch'"),
    ],
)
def test_impossible_constants_are_refused(config, says):
    with pytest.raises(UsageError, match=says):
        made(**config)
