import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.methods.classifier import Classifier, ClassifierConfig
from stars_infer.train.networks.blocks import Block
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.optimizer import make_optimizer, set_learning_rate
from stars_infer.train.run import LoopConfig
from stars_infer.train.views.batch import Batch

SHAPE = EncoderConfig(width=8, depth=4, heads=2, frames=8)


def classifier(**config):
    torch.manual_seed(0)
    return Classifier(SHAPE, ClassifierConfig(**{"classes": 5, "hidden": 12, **config}))


def batch_of(bodies, clip, labels):
    clip = torch.tensor(clip)
    return Batch(
        bodies=bodies,
        clip=clip,
        clips=int(clip.max()) + 1,
        noise=torch.zeros(0),
        labels=torch.tensor(labels),
    )


def test_head_and_loss_by_hand():
    method = classifier(dropout=0.0, drop_path=0.0).train()
    bodies = torch.randn(4, 8, 25, 3)
    batch = batch_of(bodies, [0, 0, 1, 2], [4, 0, 2])
    assert [tuple(p.shape) for p in method.head.parameters()] == [
        (12, 200), (12,), (12,), (12,), (5, 12), (5,),
    ]  # fmt: skip
    with torch.no_grad():
        tokens = method.encoder(bodies).view(4, 2, 25, 8)
        joints = tokens.mean(dim=1).reshape(4, 200)
        clips = torch.stack([joints[:2].mean(0), joints[2], joints[3]])
        x = clips @ method.head[0].weight.T
        x = ((x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()).clamp(min=0)
        logits = torch.log_softmax(x @ method.head[3].weight.T, dim=1)
        # 0.9 on the label, and 0.1 spread over all five classes.
        right = logits[range(3), [4, 0, 2]]
        expected = -(0.9 * right + 0.1 * logits.mean(dim=1)).mean()
    assert method(batch).loss.item() == pytest.approx(float(expected), rel=1e-4)


def test_a_linear_head_by_hand():
    method = classifier(head="linear", dropout=0.0, drop_path=0.0, label_smoothing=0.0).train()
    assert [tuple(p.shape) for p in method.head.parameters()] == [(5, 8), (5,)]
    bodies = torch.randn(3, 8, 25, 3)
    with torch.no_grad():
        means = method.encoder(bodies).mean(dim=1)
        clips = torch.stack([means[:2].mean(0), means[2]])
        logits = torch.log_softmax(clips @ method.head.weight.T + method.head.bias, dim=1)
        expected = -(logits[0, 4] + logits[1, 0]) / 2
    batch = batch_of(bodies, [0, 0, 1], [4, 0])
    assert method(batch).loss.item() == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(UsageError, match="head is mlp or linear, not 'conv'"):
        classifier(head="conv")


def test_dropout_only_while_training():
    method = classifier(drop_path=0.0)
    bodies = torch.randn(2, 8, 25, 3)
    method.eval()
    torch.testing.assert_close(method.joint_features(bodies), method.joint_features(bodies))
    method.train()
    assert not torch.equal(method.joint_features(bodies), method.joint_features(bodies))


def test_drop_path_rises_over_the_blocks():
    assert [block.drop_path for block in classifier().encoder.blocks] == pytest.approx(
        [0.0, 0.1, 0.2, 0.3]
    )


def test_drop_path_keeps_the_expectation_and_is_off_at_use():
    torch.manual_seed(0)
    block = Block(8, 2)
    names = set(block.state_dict())
    x = torch.randn(1, 5, 8)
    plain = block.eval()(x)
    block.drop_path = 0.4
    torch.testing.assert_close(block(x), plain)
    assert set(block.state_dict()) == names
    block.train()
    kept = block._drop_path(torch.ones(20000, 1, 1))
    assert kept.mean().item() == pytest.approx(1.0, abs=0.03)
    assert sorted(set(kept.flatten().tolist())) == pytest.approx([0.0, 1 / 0.6])
    # A sequence skips a branch as a whole.
    several = block(x.expand(200, -1, -1))
    unchanged = (several == x).flatten(1).all(dim=1).float().mean().item()
    assert unchanged == pytest.approx(0.4 * 0.4, abs=0.08)
    block.drop_path = 0.0
    torch.testing.assert_close(block(x), plain)


def test_rates_fall_from_the_head_to_the_embedding():
    method = classifier()
    config = LoopConfig(lr=1.0, final_lr=1.0, layer_decay=0.5)
    optimizer = make_optimizer(method, config, depth=method.layers, betas=method.betas)
    set_learning_rate(optimizer, config, 0, steps=1, warmup=0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    rate = {name: rates[id(p)] for name, p in method.named_parameters()}
    for name, power in {
        "head.0.weight": 0, "encoder.norm.weight": 0, "encoder.blocks.3.mlp.0.weight": 1,
        "encoder.blocks.0.mlp.0.weight": 4, "encoder.embed.weight": 5, "encoder.position.time": 5,
    }.items():  # fmt: skip
        assert rate[name] == pytest.approx(0.5**power), name
    assert optimizer.defaults["betas"] == (0.9, 0.999)


def test_impossible_settings_and_clips_without_labels():
    for wrong in ({"classes": 1}, {"hidden": 0}, {"dropout": 1.0}, {"drop_path": -0.1}):
        with pytest.raises(UsageError):
            ClassifierConfig(**wrong)
    batch = batch_of(torch.randn(2, 8, 25, 3), [0, 1], [0, 1])
    bare = Batch(bodies=batch.bodies, clip=batch.clip, clips=2, noise=batch.noise)
    with pytest.raises(UsageError, match="needs labels"):
        classifier()(bare)
