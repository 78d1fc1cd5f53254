import numpy as np
import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import load_weights
from stars_infer.train.methods.mamp import Mamp, MampConfig, motion_target
from stars_infer.train.methods.masking import motion_aware_order, motion_intensity, visible_count
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder, segment_tokens
from stars_infer.train.public_mamp import read_public_mamp
from stars_infer.train.run import RunConfig, build_method
from stars_infer.train.views.batch import Batch
from tests import public_mamp


def batch_of(bodies, noise=None, seed=0):
    noise = (
        torch.rand(len(bodies), 750, generator=torch.Generator().manual_seed(seed))
        if (noise is None)
        else noise
    )
    return Batch(bodies=bodies, clip=torch.arange(len(bodies)), clips=len(bodies), noise=noise)


@pytest.fixture
def golden(shared, tmp_path):
    """Golden numbers, and the method that the importer made of the golden weights."""
    arrays = np.load(shared / "golden/mamp_small.npz")
    weights, config = public_mamp.golden_weights(arrays)
    path = public_mamp.save(weights, tmp_path / "mamp_small.pth")
    checkpoint = read_public_mamp(path, heads=config["heads"])
    run = RunConfig.from_json(checkpoint.config, source="golden")
    assert (run.encoder.width, run.encoder.depth) == (config["dim"], config["depth"])
    method = build_method(run)
    load_weights(method, checkpoint.weights, source="golden")
    bodies = torch.from_numpy(arrays["x"]).permute(0, 4, 2, 3, 1).flatten(0, 1)
    return arrays, method.eval(), bodies.contiguous()


def split(method, batch):
    order = method.order(batch)
    return order[:, :74], order[:, 74:]


@torch.no_grad()
def test_golden_tokens(golden):
    arrays, method, bodies = golden
    tokens = method.encoder(bodies).reshape(arrays["tokens"].shape)
    np.testing.assert_allclose(tokens, arrays["tokens"], atol=1e-5)
    pooled = method.encoder.pool(bodies).reshape(3, 2, -1).mean(1)
    np.testing.assert_allclose(pooled, arrays["pooled"], atol=1e-5)


@torch.no_grad()
def test_golden_mask_prediction_and_loss(golden):
    arrays, method, bodies = golden
    batch = batch_of(bodies, torch.from_numpy(arrays["uniform_noise"]))
    kept, hidden = split(method, batch)
    mask = torch.zeros(6, 750).scatter(1, hidden, 1.0)
    np.testing.assert_array_equal(mask, arrays["mask"])
    assert kept.shape == (6, 74)
    assert method(batch).loss.item() == pytest.approx(float(arrays["loss"]), abs=1e-5)
    tokens = method.encoder.tokens(bodies).gather(1, kept[:, :, None].expand(-1, -1, 32))
    predicted = method.decoder(method.encoder.encode(tokens), kept, hidden)
    expected = torch.from_numpy(arrays["pred"]).gather(1, hidden[:, :, None].expand(-1, -1, 12))
    np.testing.assert_allclose(predicted, expected, atol=1e-5)


def test_full_size_has_the_papers_number_of_parameters():
    encoder = SkeletonEncoder(EncoderConfig())
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(6.34e6, rel=0.005)


def test_tokens_are_one_joint_over_one_segment_frame_by_frame():
    bodies = torch.arange(2 * 8 * 3 * 3, dtype=torch.float32).view(2, 8, 3, 3)
    tokens = segment_tokens(bodies, 4)
    assert tokens.shape == (2, 6, 12)
    torch.testing.assert_close(tokens[1, 3 + 2], bodies[1, 4:8, 2].flatten())


def test_visible_tokens_are_74_as_published_or_75_as_the_ratio_says():
    assert visible_count(750, 0.9) == 74
    assert visible_count(750, 0.9, "nearest") == 75
    bodies = torch.randn(1, 120, 25, 3)
    for rounding, seen in (("down", 74), ("nearest", 75)):
        method = small(rounding=rounding)
        given = []
        method.encoder.blocks[0].register_forward_hook(
            lambda _, inputs, __, given=given: given.append(inputs[0].shape[1])
        )
        method(batch_of(bodies))
        assert given == [seen]
    with pytest.raises(UsageError, match="rounding is down or nearest, not 'up'"):
        small(rounding="up")


def test_motion_intensity_by_hand():
    segments = torch.tensor([[[[0.0, 0.0]], [[1.0, -3.0]], [[1.0, -2.0]]]])
    torch.testing.assert_close(motion_intensity(segments), torch.tensor([[2.0, 2.0, 0.5]]))
    sums = motion_intensity(segments, "absolute")
    torch.testing.assert_close(sums, torch.tensor([[4.0, 4.0, 1.0]]))


def test_masking_by_equation_2_and_as_in_the_public_code():
    # One coordinate of one joint: sums 2, 2 and 1 over segments of two frames.
    bodies = torch.zeros(1, 6, 1, 3)
    bodies[0, :, 0, 0] = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.5, 1.5])
    # exp(-exp(-score)) is the noise whose Gumbel noise is the score: each token has its own.
    noise = torch.exp(-torch.exp(-torch.tensor([[0.0, 0.5, 1.4]])))
    # As it is: 2 / 0.5 + 0, 2 / 0.5 + 0.5, 1 / 0.5 + 1.4 are 4, 4.5 and 3.4. In shares of the
    # largest: 1 / 0.5 + 0, 1 / 0.5 + 0.5, 0.5 / 0.5 + 1.4 are 2, 2.5 and 2.4.
    absolute = motion_aware_order(bodies, noise, tau=0.5, segment=2, kind="absolute")
    relative = motion_aware_order(bodies, noise, tau=0.5, segment=2, kind="relative")
    assert absolute.tolist() == [[2, 0, 1]]
    assert relative.tolist() == [[0, 2, 1]]
    larger = motion_aware_order(100 * bodies, noise, tau=0.5, segment=2)
    assert larger.tolist() == relative.tolist()
    far = motion_aware_order(0.001 * bodies, noise, tau=0.5, segment=2, kind="absolute")
    assert far.tolist() == [[0, 1, 2]]  # next to no motion: the noise decides


def test_moving_tokens_are_masked_more_often():
    bodies = torch.zeros(1, 120, 25, 3)
    bodies[0, :, 7] = (torch.arange(120)[:, None] // 4) % 2
    random = torch.Generator().manual_seed(0)
    hidden = torch.zeros(750)
    for _ in range(200):
        noise = torch.rand(1, 750, generator=random)
        order = motion_aware_order(bodies, noise, tau=0.8, segment=4)
        assert sorted(order[0].tolist()) == list(range(750))
        hidden[order[0, 74:]] += 1
    hidden = hidden.view(30, 25) / 200
    still = torch.cat((hidden[:, :7], hidden[:, 8:]), dim=1)
    assert hidden[:, 7].mean() > 0.95
    assert 0.85 < still.mean() < hidden[:, 7].mean()


def test_target_by_hand():
    bodies = torch.zeros(1, 4, 1, 3)
    bodies[0, :, 0, 0] = torch.tensor([0.0, 1.0, 3.0, 6.0])
    motion = torch.tensor([1.0, 0, 0, 2.0, 0, 0, 3.0, 0, 0, 0, 0, 0])
    expected = (motion - motion.mean()) / (motion.var() + 1e-6).sqrt()
    torch.testing.assert_close(motion_target(bodies, stride=1, segment=4)[0, 0], expected)


def test_target_by_equation_1():
    """The motion since m = l frames before; the first m frames repeat that of the next m."""
    bodies = torch.zeros(1, 4, 1, 3)
    bodies[0, :, 0, 0] = torch.tensor([0.0, 1.0, 3.0, 6.0])
    # Stride 2: frames 2 and 3 have moved 3 and 5 since frames 0 and 1.
    motion = torch.tensor([3.0, 0, 0, 5.0, 0, 0])
    expected = (motion - motion.mean()) / (motion.var() + 1e-6).sqrt()
    got = motion_target(bodies, stride=2, segment=2, toward="previous")
    torch.testing.assert_close(got[0], torch.stack([expected, expected]))
    code = motion_target(bodies, stride=2, segment=2, toward="next")
    torch.testing.assert_close(code[0, 0], expected)
    torch.testing.assert_close(code[0, 1], torch.zeros(6))


def test_the_paper_and_the_code_are_settings_apart():
    paper = {"motion_stride": 4, "motion_target": "previous", "motion_intensity": "absolute"}
    batch = batch_of(torch.randn(2, 120, 25, 3))
    code, equations = small(), small(**paper)
    assert code(batch).loss.item() != pytest.approx(equations(batch).loss.item(), rel=1e-6)
    assert not code.order(batch).equal(equations.order(batch))
    expected = motion_target(batch.bodies, stride=4, segment=4, toward="previous")
    torch.testing.assert_close(equations.target(batch.bodies), expected)
    for wrong, says in (
        ({"motion_target": "last"}, "motion_target is next or previous, not 'last'"),
        ({"motion_intensity": "mean"}, "motion_intensity is relative or absolute, not 'mean'"),
        ({"motion_stride": 61}, r"motion_stride \(61\) is more than half of the 120 frames"),
    ):
        with pytest.raises(UsageError, match=says):
            small(**wrong)


def test_target_over_a_longer_stride():
    bodies = torch.randn(1, 8, 2, 3)
    motion = torch.zeros_like(bodies)
    motion[:, :4] = bodies[:, 4:] - bodies[:, :4]
    tokens = segment_tokens(motion, 4)
    got = motion_target(bodies, stride=4, segment=4)
    torch.testing.assert_close(got[:, 2:], torch.zeros(1, 2, 12))
    scaled = (tokens - tokens.mean(2, keepdim=True)) / (tokens.var(2, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(got, scaled)


def small(**config):
    torch.manual_seed(0)
    shape = EncoderConfig(width=16, depth=1, heads=2)
    return Mamp(shape, MampConfig(decoder_depth=1, **config))


def test_hidden_tokens_cannot_reach_the_encoder():
    method = small()
    bodies = torch.randn(1, 120, 25, 3, requires_grad=True)
    kept, hidden = split(method, batch_of(bodies.detach()))
    tokens = method.encoder.tokens(bodies)
    method.encoder.encode(tokens.gather(1, kept[:, :, None].expand(-1, -1, 16))).sum().backward()
    touched = segment_tokens(bodies.grad, 4).abs().sum(2)[0] > 0
    assert touched[kept[0]].all()
    assert not touched[hidden[0]].any()


def test_decoding_a_share_of_the_hidden_tokens():
    every, third = small(), small(decode_every=3)
    batch = batch_of(torch.randn(2, 120, 25, 3))
    assert every(batch).loss.item() != third(batch).loss.item()
    assert third(batch).loss.item() == pytest.approx(every(batch).loss.item(), rel=0.3)
