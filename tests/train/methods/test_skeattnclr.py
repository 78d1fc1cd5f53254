"""SkeAttnCLR: losses, mask, momentum and ablations on small cases."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.momentum import follow, rising_momentum
from stars_infer.train.methods.skeattnclr import (
    AttentionMask,
    SkeAttnClr,
    SkeAttnClrConfig,
    contrast,
    salient_means,
)
from stars_infer.train.networks.encoder_config import NETWORKS, EncoderConfig
from stars_infer.train.optimizer import make_optimizer, set_learning_rate
from stars_infer.train.run import LoopConfig
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.mixing import Mixing

SHAPES = {
    "transformer": EncoderConfig(width=16, depth=1, heads=2, frames=16),
    "stgcn": EncoderConfig(network="stgcn", width=16, depth=3, frames=16),
    "bigru": EncoderConfig(network="bigru", width=16, depth=2, frames=16),
    "dsta": EncoderConfig(network="dsta", width=16, depth=3, heads=2, frames=16),
}
CONFIG = SkeAttnClrConfig(queue=12, hidden=24, projection=8, shortest_mix=2, longest_mix=3)


def batch_of(bodies_of=(1, 2, 1, 1), seed=0):
    """Clips of one or two bodies."""
    random = torch.Generator().manual_seed(seed)
    clip = torch.repeat_interleave(torch.arange(len(bodies_of)), torch.tensor(bodies_of))
    return Batch(
        bodies=torch.randn(len(clip), 16, 25, 3, generator=random),
        clip=clip,
        clips=len(bodies_of),
        noise=torch.empty(len(clip), 0),
    )


def made(config=CONFIG, shape=SHAPES["stgcn"]):
    torch.manual_seed(0)
    method = SkeAttnClr(shape, config)
    method.before_first_step()
    return method.train()


def three_views():
    return batch_of(seed=0), batch_of(seed=1), batch_of(seed=2)


def test_info_nce_by_hand():
    query, key, past = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]]), torch.eye(2)
    positive, negatives = math.exp(0.6 / 0.2), math.exp(1 / 0.2) + math.exp(0)
    expected = -math.log(positive / (positive + negatives))
    assert float(contrast(query, key, past, 0.2)) == pytest.approx(expected, rel=1e-5)
    against = torch.tensor([[-0.8, 0.6]])
    more = -math.log(positive / (positive + negatives + math.exp(-0.8 / 0.2)))
    got = float(contrast(query, key, past, 0.2, against=against))
    assert got == pytest.approx(more, rel=1e-6)


def test_the_mask_lies_between_0_and_1_and_gets_sharper():
    torch.manual_seed(0)
    tokens = torch.randn(3, 10, 16) * 5
    mild = AttentionMask(16, heads=8, sharpness=2.0)
    mask = mild(tokens)
    assert mask.shape == tokens.shape
    assert 0 < mask.min().item() < mask.max().item() < 1
    sharp = AttentionMask(16, heads=8, sharpness=20.0)
    sharp.load_state_dict(mild.state_dict())
    assert (sharp(tokens) - 0.5).abs().mean().item() > (mask - 0.5).abs().mean().item()
    torch.testing.assert_close(torch.logit(sharp(tokens)), 10 * torch.logit(mask), rtol=1e-2,
                               atol=1e-2)  # fmt: skip


def test_what_the_mask_takes_and_leaves_is_the_whole_mean():
    tokens = torch.tensor([[[1.0, 4.0], [3.0, 8.0]]])
    mask = torch.tensor([[[1.0, 0.5], [0.0, 0.25]]])
    salient, rest = salient_means(tokens, mask)
    torch.testing.assert_close(salient, torch.tensor([[0.5, 2.0]]))
    torch.testing.assert_close(rest, torch.tensor([[1.5, 4.0]]))
    torch.testing.assert_close(salient + rest, tokens.mean(dim=1))


def compared(head, batch, features):
    means = torch.stack([features[batch.clip == c].mean(0) for c in range(batch.clips)])
    return F.normalize(head(means), dim=1)


def info_nce(queries, keys, queue, others=None):
    total = 0.0
    for i, (q, k) in enumerate(zip(queries, keys, strict=True)):
        negatives = [float(q @ m) for m in queue] + ([] if others is None else [q @ others[i]])
        logits = torch.tensor([float(q @ k), *map(float, negatives)]) / 0.2
        total -= float(torch.log_softmax(logits, 0)[0]) / len(queries)
    return total


def test_the_mask_with_and_without_its_norm_by_hand():
    """Equations 2 to 4 attend to the features as they are; the public code normalizes them."""
    torch.manual_seed(0)
    tokens = torch.randn(1, 3, 4) * 3 + 1
    plain, normed = (AttentionMask(4, heads=1, sharpness=2.0, norm=norm) for norm in (False, True))
    plain.attention.load_state_dict(normed.attention.state_dict())
    assert "norm.weight" not in plain.state_dict()

    def mask_of(x):
        q, k, v = (x @ plain.attention.qkv.weight.T + plain.attention.qkv.bias).chunk(3, dim=1)
        attended = torch.softmax(q @ k.T / math.sqrt(4), dim=1) @ v
        return torch.sigmoid(2 * (attended @ plain.attention.proj.weight.T
                                  + plain.attention.proj.bias))  # fmt: skip

    torch.testing.assert_close(plain(tokens)[0], mask_of(tokens[0]))
    scaled = (tokens - tokens.mean(2, keepdim=True)) / tokens.std(2, keepdim=True, correction=0)
    torch.testing.assert_close(normed(tokens)[0], mask_of(scaled[0]), atol=1e-4, rtol=1e-4)


def test_the_predictor_of_the_paper_of_its_code_and_the_shared_one():
    views = three_views()
    query, key, mixed = views

    def weights_of(method):
        return {n.split(".")[0] for n in method.state_dict() if "predictor" in n}

    paper = made(replace(CONFIG, predictor="none", mask_norm=False))
    code = made(replace(CONFIG, predictor="all", mutual_gradient=False))
    assert weights_of(paper) == set()
    assert weights_of(made()) == {"predictor"}
    assert weights_of(code) == {"predictor", "rest_predictor", "clip_predictor"}
    for method in (paper, code):
        tokens, k_tokens = method.encoder(mixed.bodies), method.key_encoder(key.bodies)
        mask, past = method.mask(tokens), method.queue.vectors
        behind = {
            name: getattr(method, name, torch.nn.Identity())
            for name in ("clip_predictor", "predictor", "rest_predictor")
        }
        q, q_s, q_ns = (
            compared(lambda x, to=(method.projector, last): to[1](to[0](x)), view, means)
            for last, view, means in zip(
                behind.values(),
                (query, mixed, mixed),
                (method.encoder(query.bodies).mean(1), *salient_means(tokens, mask)),
                strict=True,
            )
        )
        k, k_s, k_ns = (
            compared(method.key_projector, view, means)
            for view, means in zip(
                (key, mixed, mixed), (k_tokens.mean(1), *salient_means(k_tokens, mask)), strict=True
            )
        )
        expected = (
            info_nce(q, k, past)
            + 0.5 * info_nce(q_s, k_s, past, q_ns)
            + 0.5 * info_nce(q_ns, k_ns, past, q_s)
        )
        assert float(method(*views).loss) == pytest.approx(expected, rel=1e-4)


def test_the_public_code_lets_the_mutual_negative_move_one_side():
    """Detached, the loss is the same and the gradient of the other side's part is left out."""
    both = made(replace(CONFIG, non_salient_loss=False, predictor="all"))
    one = made(replace(CONFIG, non_salient_loss=False, predictor="all", mutual_gradient=False))
    one.load_state_dict(both.state_dict())
    views = three_views()
    losses = [method(*views).loss for method in (both, one)]
    assert losses[0].item() == losses[1].item()
    for loss in losses:
        loss.backward()
    assert both.rest_predictor[3].weight.grad.abs().max() > 0
    assert one.rest_predictor[3].weight.grad is None


@pytest.mark.parametrize("predictor", ["none", "parts", "all"])
def test_in_every_ablation_what_learns_has_a_gradient(predictor):
    """Several processes would wait for one that never comes."""
    views = three_views()
    for salient, rest, negative, gradient in product((True, False), repeat=4):
        config = replace(
            CONFIG,
            predictor=predictor,
            salient_loss=salient,
            non_salient_loss=rest,
            mutual_negative=negative,
            mutual_gradient=gradient,
        )
        method = made(config)
        method(*views if method.mixing else views[:2]).loss.backward()
        for name, parameter in method.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, (config, name)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_loss_by_its_formula(network):
    config = replace(CONFIG, mu=0.3)
    method = made(config, SHAPES[network])
    query, key, mixed = views = three_views()
    loss, keys = method(*views)
    q_tokens, k_tokens, tokens = (method.encoder(view.bodies) for view in views)
    mask = method.mask(tokens)
    q, k, k_s, k_ns = (
        compared(method.projector, view, features)
        for view, features in (
            (query, q_tokens.mean(1)),
            (key, k_tokens.mean(1)),
            (key, (k_tokens * mask).mean(1)),
            (key, (k_tokens * (1 - mask)).mean(1)),
        )
    )
    q_s, q_ns = (
        compared(lambda x: method.predictor(method.projector(x)), mixed, (tokens * part).mean(1))
        for part in (mask, 1 - mask)
    )
    torch.testing.assert_close(keys, k, atol=1e-5, rtol=1e-4)
    assert not keys.requires_grad
    past = method.queue.vectors
    expected = (
        info_nce(q, k, past)
        + 0.3 * info_nce(q_s, k_s, past, q_ns)
        + 0.7 * info_nce(q_ns, k_ns, past, q_s)
    )
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def loss_with(**changes):
    """Loss of a method whose weights are those of the full one."""
    full = made().state_dict()
    method = made(replace(CONFIG, **changes))
    method.load_state_dict({name: full[name] for name in method.state_dict()})
    views = three_views()
    return float(method(*views if method.mixing else views[:2]).loss)


def test_ablations_leave_their_terms_out():
    whole, half = loss_with(mu=0.5), loss_with(mu=0.25)
    no_rest, no_salient = loss_with(non_salient_loss=False), loss_with(salient_loss=False)
    only_global = loss_with(salient_loss=False, non_salient_loss=False)
    assert whole == pytest.approx(no_rest + no_salient - only_global, rel=1e-5)
    salient, rest = 2 * (no_rest - only_global), 2 * (no_salient - only_global)
    assert half == pytest.approx(only_global + 0.25 * salient + 0.75 * rest, rel=1e-5)
    # The configurations of the public code have mu = 1: the salient loss alone, fully counted.
    assert loss_with(mu=1.0) == pytest.approx(only_global + salient, rel=1e-5)
    # One more negative in each of both losses.
    assert loss_with(mutual_negative=False) < whole
    for which in ("salient_loss", "non_salient_loss"):
        with_it = loss_with(**{which: False})
        assert loss_with(**{which: False}, mutual_negative=False) < with_it
    assert loss_with(sharpness=20.0) != pytest.approx(whole, rel=1e-4)
    assert loss_with(mix=False) != pytest.approx(whole, rel=1e-4)


def test_without_local_losses_there_is_no_mask_and_no_third_view():
    method = made(replace(CONFIG, salient_loss=False, non_salient_loss=False))
    assert method.mixing is None
    assert not any(name.startswith(("mask", "predictor")) for name in method.state_dict())
    assert made().mixing == Mixing(shortest=2, longest=3)
    assert made(replace(CONFIG, mix=False)).mixing is None


def test_the_mutual_negative_moves_both_sides():
    torch.manual_seed(0)
    q_s, q_ns = (F.normalize(torch.randn(4, 8), dim=1).requires_grad_() for _ in range(2))
    keys, past = F.normalize(torch.randn(4, 8), dim=1), F.normalize(torch.randn(6, 8), dim=1)
    contrast(q_s, keys, past, 0.2, against=q_ns).backward()
    assert float(q_s.grad.abs().min()) > 0
    # The loss falls when the non-salient part moves away from the salient one.
    torch.testing.assert_close(F.normalize(q_ns.grad, dim=1), q_s.detach())


def test_keys_have_no_gradient_and_everything_else_learns():
    method = made()
    method(*three_views()).loss.backward()
    learning = {name for name, p in method.named_parameters() if p.grad is not None}
    still = {name for name, _ in method.named_parameters()} - learning
    assert {name.split(".")[0] for name in still} == {"key_encoder", "key_projector"}
    assert {name.split(".")[0] for name in learning} == {
        "encoder", "projector", "predictor", "mask",
    }  # fmt: skip


def test_momentum_rises_to_1():
    assert rising_momentum(0.996, 0) == pytest.approx(0.996)
    assert rising_momentum(0.996, 0.5) == pytest.approx(0.998)
    assert rising_momentum(0.996, 1) == pytest.approx(1)


def test_the_key_encoder_follows_by_the_schedule():
    method = made(replace(CONFIG, momentum=0.9))
    mine, its = method.encoder.blocks[0].space.weight, method.key_encoder.blocks[0].space.weight
    torch.testing.assert_close(mine, its, rtol=0, atol=0)
    keys = method(*three_views()).keys
    with torch.no_grad():
        mine.add_(1.0)
    method.progress = 0.5
    method.after_step(keys)
    torch.testing.assert_close(its, mine - 0.95)
    torch.testing.assert_close(method.queue.vectors[:4], keys)
    assert int(method.queue.place) == 4


def test_following_by_hand():
    leader, follower = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    with torch.no_grad():
        leader.weight.fill_(1.0)
        follower.weight.fill_(0.0)
    follow(follower, leader, 0.75)
    torch.testing.assert_close(follower.weight, torch.full((1, 2), 0.25))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"queue": 0}, "queue must be at least 1"),
        ({"temperature": 0}, "temperature must be above 0"),
        ({"sharpness": 0}, "sharpness must be above 0"),
        ({"momentum": 1.5}, "momentum is a share"),
        ({"predictor": "some"}, "predictor is none, parts, all, not 'some'"),
        ({"mu": 0.0}, "mu is a share above 0 and up to 1"),
        ({"fewest_parts": 5}, r"fewest_parts \(5\) and most_parts \(4\)"),
        ({"shortest_mix": 9}, r"shortest_mix \(9\) and longest_mix \(3\)"),
    ],
)
def test_impossible_constants_are_refused(changes, says):
    with pytest.raises(UsageError, match=says):
        replace(CONFIG, **changes)


def test_masks_need_heads_that_divide_the_width():
    with pytest.raises(UsageError, match=r"width \(16\) must be a multiple of mask_heads \(5\)"):
        SkeAttnClr(SHAPES["stgcn"], replace(CONFIG, mask_heads=5))


def test_mixed_windows_must_fit_the_views():
    with pytest.raises(UsageError, match="4 x 4 frames does not fit 12 frames: lower longest_mix"):
        SkeAttnClr(replace(SHAPES["stgcn"], frames=12), replace(CONFIG, longest_mix=4))


def test_sgd_and_its_drop():
    loop = LoopConfig(steps=60, optimizer="sgd", lr=0.1, weight_decay=1e-4, milestone=5 / 6)
    optimizer = make_optimizer(made(), loop, depth=3)
    assert isinstance(optimizer, torch.optim.SGD)
    assert [(g["momentum"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.9, 1e-4)]
    rates = [set_learning_rate(optimizer, loop, n, steps=60, warmup=0) for n in range(60)]
    assert rates[:50] == [0.1] * 50
    assert rates[50:] == pytest.approx([0.01] * 10)
    twice = LoopConfig(steps=60, optimizer="sgd", lr=0.1, milestone=0.5, second_milestone=0.75)
    rates = [set_learning_rate(optimizer, twice, n, steps=60, warmup=0) for n in (29, 30, 44, 45)]
    assert rates == pytest.approx([0.1, 0.01, 0.01, 0.001])
    for wrong, says in (
        ({"optimizer": "adam"}, "optimizer is one of adamw, sgd"),
        ({"sgd_momentum": 1.0}, "sgd_momentum is a share"),
        ({"milestone": 0.0}, "milestone is a share"),
        ({"milestone": 0.5, "second_milestone": 0.5}, "second_milestone is a share after"),
    ):
        with pytest.raises(UsageError, match=says):
            LoopConfig(**wrong)
