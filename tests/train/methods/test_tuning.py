"""MoCo, DINO, MAMP + NNCLR, NNCLR from scratch: their formulas on small cases."""

import pytest
import torch
from torch.nn import functional as F

from stars_infer.errors import ModelError, UsageError
from stars_infer.train.methods.dino import Dino, DinoConfig, koleo, sinkhorn
from stars_infer.train.methods.mae import Mae, MaeConfig
from stars_infer.train.methods.mamp import Mamp, MampConfig
from stars_infer.train.methods.mamp_nnclr import MampNnclr, MampNnclrConfig
from stars_infer.train.methods.moco import Moco, MocoConfig
from stars_infer.train.methods.nnclr import Nnclr, NnclrConfig
from stars_infer.train.methods.stars import Stars, StarsConfig
from stars_infer.train.networks.encoder import EncoderConfig, segment_tokens
from stars_infer.train.run import LoopConfig, RunConfig, build_method
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.config import ViewConfig

SHAPE = EncoderConfig(width=16, depth=2, heads=2)


def batch_of(clips=4, seed=0):
    random = torch.Generator().manual_seed(seed)
    return Batch(
        bodies=torch.randn(clips, 120, 25, 3, generator=random),
        clip=torch.arange(clips),
        clips=clips,
        noise=torch.rand(clips, 750, generator=random),
    )


def made(kind, config):
    torch.manual_seed(0)
    method = kind(SHAPE, config)
    method.before_first_step()
    return method.train()


def learning(method):
    return {name for name, p in method.named_parameters() if p.grad is not None}


def test_moco_loss_by_the_formula():
    method = made(Moco, MocoConfig(queue=12, hidden=24, projection=8))
    query, key = batch_of(), batch_of(seed=1)
    loss, keys = method(query, key)
    q = F.normalize(method.head(method.encoder.pool(query.bodies)), dim=1)
    k = F.normalize(method.head(method.encoder.pool(key.bodies)), dim=1)
    torch.testing.assert_close(keys, k, atol=1e-5, rtol=1e-4)
    expected = 0.0
    for i in range(4):
        logits = torch.cat(((q[i] @ k[i])[None], method.queue.vectors @ q[i])) / 0.07
        expected -= torch.log_softmax(logits, 0)[0].item() / 4
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert not keys.requires_grad


def test_the_key_encoder_follows_slowly_and_has_no_gradient():
    method = made(Moco, MocoConfig(queue=12, hidden=24, projection=8, momentum=0.9))
    loss, keys = method(batch_of(), batch_of(seed=1))
    loss.backward()
    assert not any(name.startswith("teacher") for name in learning(method))
    student, teacher = (
        method.encoder.blocks[1].mlp[0].weight,
        method.teacher.blocks[0].mlp[0].weight,
    )
    torch.testing.assert_close(student, teacher, rtol=0, atol=0)
    with torch.no_grad():
        student.add_(1.0)
    method.after_step(keys)
    torch.testing.assert_close(teacher, student - 0.9)
    torch.testing.assert_close(method.queue.vectors[:4], keys)


def test_the_teacher_starts_as_the_encoder_that_is_tuned():
    pretrained = made(Mamp, MampConfig(decoder_depth=1))
    with torch.no_grad():
        pretrained.encoder.blocks[1].mlp[0].weight.add_(1.0)
    method = Moco(SHAPE, MocoConfig(queue=12, hidden=24))
    method.start_from(pretrained.state_dict(), source="x")
    method.before_first_step()
    torch.testing.assert_close(
        method.teacher.blocks[0].mlp[0].weight, pretrained.encoder.blocks[1].mlp[0].weight
    )


def test_sinkhorn_uses_all_clusters_alike():
    torch.manual_seed(0)
    logits = torch.randn(64, 8) * 0.1 + torch.arange(8.0) * 0.05
    shares = sinkhorn(logits, 0.2)
    torch.testing.assert_close(shares.sum(1), torch.ones(64))
    torch.testing.assert_close(shares.sum(0), torch.full((8,), 8.0), atol=0.1, rtol=0)
    assert torch.softmax(logits / 0.2, 1).sum(0).max() > 14
    extreme = sinkhorn(torch.tensor([[1.0, -1.0], [1.0, -1.0]]), 0.001)
    assert torch.isfinite(extreme).all()


def test_koleo_by_hand():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert float(koleo(features)) == pytest.approx(-torch.log(torch.tensor(2.0)).item() / 2, 1e-4)
    close = torch.tensor([[1.0, 0.0], [1.0, 0.01]])
    assert float(koleo(close)) > 4


def test_dino_compares_each_student_view_with_the_other_teacher_views():
    config = DinoConfig(prototypes=10, hidden=16, bottleneck=8, local_views=1, koleo=0.0)
    method = made(Dino, config)
    views = [batch_of(seed=n) for n in range(3)]
    assert (method.num_views, method.num_local_views) == (2, 1)
    loss = method(*views).loss
    outputs = [method.head(method.encoder.pool(view.bodies)) for view in views]
    targets = [sinkhorn(output, 0.04) for output in outputs[:2]]
    guesses = [F.log_softmax(output / 0.1, 1) for output in outputs]
    pairs = [(0, 1), (0, 2), (1, 0), (1, 2)]
    expected = sum(-(targets[t] * guesses[g]).sum(1).mean() for t, g in pairs) / 4
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)
    loss.backward()
    learned = learning(method)
    assert "head.prototypes" in learned
    assert "encoder.blocks.1.mlp.0.weight" in learned
    assert not any(name.startswith(("teacher", "encoder.blocks.0", "encoder.embed"))
                   for name in learned)  # fmt: skip


def test_mae_predicts_coordinates_of_tokens_hidden_at_random():
    method = made(Mae, MaeConfig(decoder_depth=1))
    batch = batch_of()
    order = method.order(batch)
    assert torch.equal(order[0], batch.noise[0].argsort())
    tokens = segment_tokens(batch.bodies, 4)
    expected = (tokens[2, 5] - tokens[2, 5].mean()) / (tokens[2, 5].var() + 1e-6).sqrt()
    torch.testing.assert_close(method.target(batch.bodies)[2, 5], expected)


def test_mamp_and_nnclr_add_up():
    config = MampNnclrConfig(queue=20, hidden=16, decoder_depth=1, mamp_weight=0.5)
    both = made(MampNnclr, config)
    stars = Stars(SHAPE, StarsConfig(queue=20, hidden=16)).train()
    mamp = Mamp(SHAPE, MampConfig(decoder_depth=1)).train()
    weights = both.state_dict()
    for part in (stars, mamp):
        part.load_state_dict({name: weights[name] for name in part.state_dict()})
    batch = batch_of()
    got = float(both(batch).loss)
    assert got == pytest.approx(float(stars(batch).loss) + 0.5 * float(mamp(batch).loss), rel=1e-4)


def test_the_decoder_of_stage_1_goes_on():
    start = made(Mamp, MampConfig(decoder_depth=1)).state_dict()
    method = MampNnclr(SHAPE, MampNnclrConfig(queue=20, hidden=16, decoder_depth=1))
    method.start_from(start, source="x")
    torch.testing.assert_close(method.decoder.embed.weight, start["decoder.embed.weight"])
    deeper = MampNnclr(SHAPE, MampNnclrConfig(queue=20, hidden=16, decoder_depth=1))
    with pytest.raises(ModelError, match="weights do not fit"):
        deeper.start_from({**start, "decoder.extra": torch.zeros(1)}, source="x")


def test_nnclr_from_scratch_trains_the_whole_encoder():
    method = made(Nnclr, NnclrConfig(queue=20, hidden=16))
    loss, keys = method(batch_of())
    loss.backward()
    assert "encoder.embed.weight" in learning(method)
    method.after_step(keys)
    torch.testing.assert_close(method.contrast.queue.vectors[:4], keys)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MocoConfig(queue=0), "queue must be at least 1"),
        (lambda: MocoConfig(temperature=0), "temperature must be above 0"),
        (lambda: MocoConfig(momentum=1.5), "momentum is a share"),
        (lambda: DinoConfig(prototypes=0), "prototypes must be at least 1"),
        (lambda: DinoConfig(teacher_temperature=0), "teacher_temperature must be above 0"),
        (lambda: DinoConfig(momentum=-1), "momentum is a share"),
        (lambda: DinoConfig(koleo=-1), "must not be below 0"),
        (lambda: NnclrConfig(hidden=0), r"hidden \(0\) must be at least 1"),
        (lambda: MampNnclrConfig(mamp_weight=0), "mamp_weight must be above 0"),
        (lambda: MampNnclrConfig(tau=0), "tau must be above 0"),
        (lambda: Stars(SHAPE, StarsConfig(tuned_blocks=3)), r"tuned_blocks \(3\) does not fit"),
    ],
)
def test_impossible_constants_are_refused(make, says):
    with pytest.raises(UsageError, match=says):
        make()


def test_impossible_combinations_are_refused():
    still = ViewConfig(shortest_crop=1.0)
    fixed = {"data": "x", "clips": 9, "loop": LoopConfig(), "encoder": SHAPE}
    with pytest.raises(
        UsageError, match="moco compares two views of a clip, but nothing makes them differ"
    ):
        build_method(RunConfig(method="moco", views=still, **fixed))
    with pytest.raises(UsageError, match="mamp needs a MampConfig, not MaeConfig"):
        RunConfig(method="mamp", settings=MaeConfig(), **fixed)
    with pytest.raises(UsageError, match="views have 60 frames, the encoder 120"):
        RunConfig(method="mamp", views=ViewConfig(frames=60), **fixed)
    with pytest.raises(UsageError, match="method is one of"):
        RunConfig(method="wizardry", **fixed)
