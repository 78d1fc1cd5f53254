"""Backbones and streams: shapes, hand-computed cases, errors."""

import copy

import numpy as np
import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.layouts import NTU25_JOINTS, NTU25_PARENTS
from stars_infer.train.methods.classifier import Classifier, ClassifierConfig
from stars_infer.train.methods.mamp import Mamp, MampConfig
from stars_infer.train.methods.stars import Stars, StarsConfig
from stars_infer.train.networks import streams
from stars_infer.train.networks.backbone import split_head
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.dsta import sinusoids
from stars_infer.train.networks.encoder_config import NETWORKS, EncoderConfig
from stars_infer.train.networks.skeleton_graph import CENTER, spatial_partition
from stars_infer.train.networks.stgcn import GraphBlock
from stars_infer.train.networks.streams import STREAMS

SMALL = {
    "transformer": {"depth": 1, "heads": 2},
    "stgcn": {"depth": 3},
    "bigru": {"depth": 2},
    "dsta": {"depth": 3, "heads": 2},
}


def stream_of(bodies, stream):
    return streams.stream_of(bodies, stream, streams.parents())


def small(network, **changes):
    return EncoderConfig(
        **{"network": network, "width": 16, "frames": 20, **SMALL[network], **changes}
    )


def bodies(count=3, frames=20, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, frames, 25, 3, generator=random)


@pytest.mark.parametrize("network", NETWORKS)
def test_tokens_are_as_the_configuration_says(network):
    torch.manual_seed(0)
    config = small(network)
    encoder = build_encoder(config).eval()
    with torch.no_grad():
        tokens = encoder(bodies())
        assert tokens.shape == (3, config.tokens, 16)
        assert config.tokens == config.segments * config.tokens_per_step
        torch.testing.assert_close(encoder.pool(bodies()), tokens.mean(1))
        # Bodies are sequences of their own.
        torch.testing.assert_close(encoder(bodies()[1:2])[0], tokens[1], atol=1e-5, rtol=1e-4)
    assert len(encoder.blocks) == config.depth


def test_full_sizes():
    for config, millions in (
        (EncoderConfig(network="stgcn", depth=10, frames=64), 3.08),
        (EncoderConfig(network="dsta", depth=8, heads=3, frames=64), 3.85),
        (EncoderConfig(network="bigru", depth=3, width=2048, frames=64), 44.54),
    ):
        with torch.device("meta"):
            shape = sum(p.numel() for p in build_encoder(config).parameters()) / 1e6
        assert shape == pytest.approx(millions, abs=0.01), config.network
    stages = EncoderConfig(network="stgcn", depth=10).stages((4, 3))
    assert [width for _, width, _ in stages] == [64] * 4 + [128] * 3 + [256] * 3
    assert [stride for *_, stride in stages] == [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("network", ["stgcn", "dsta"])
def test_tokens_are_time_major(network):
    torch.manual_seed(0)
    config = small(network, frames=80)
    encoder = build_encoder(config).eval()
    still, moved = bodies(1, 80), bodies(1, 80)
    moved[:, :, 7] += 1.0
    with torch.no_grad():
        change = (encoder(moved) - encoder(still)).abs().view(config.segments, 25, 16).mean((0, 2))
    # The left hand moves, and is felt most around it; not in the right foot.
    assert change[7] > change[NTU25_JOINTS.index("right foot")]


def test_the_graph_of_the_skeleton():
    parts = spatial_partition()
    assert parts.shape == (3, 25, 25)
    np.testing.assert_allclose(parts.sum(axis=(0, 1)), 1, atol=1e-6)
    whole = parts.sum(axis=0) > 0
    assert (whole == whole.T).all()
    assert whole.sum() == 25 + 2 * 24
    elbow, shoulder, wrist = (
        NTU25_JOINTS.index(f"left {name}") for name in ("elbow", "shoulder", "wrist")
    )
    assert [bool(parts[part, source, elbow]) for part, source in
            ((0, elbow), (1, shoulder), (2, wrist))] == [True] * 3  # fmt: skip
    assert not parts[1, :, CENTER].any()
    np.testing.assert_allclose(parts[:, :, elbow].sum(), 1)
    np.testing.assert_allclose(parts[1, shoulder, elbow], 1 / 3)


def test_places_are_told_apart_by_sines():
    code = sinusoids(5, 4)[:, 0]
    np.testing.assert_allclose(code[:, 0], [0, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(code[:2, 3], [np.sin(3), np.cos(3)], rtol=1e-5)
    np.testing.assert_allclose(code[2:, 3], [np.sin(0.03), np.cos(0.03)], rtol=1e-5)
    assert sinusoids(5, 3).shape == (3, 1, 5)


def test_motion_of_a_still_body_is_zero():
    still = bodies(2, 1).expand(2, 20, 25, 3)
    assert not stream_of(still, "motion").any()
    moving = bodies(2)
    motion = stream_of(moving, "motion")
    torch.testing.assert_close(motion[:, 3], moving[:, 4] - moving[:, 3])
    assert not motion[:, -1].any()


def test_bones_add_up_to_joints():
    some = bodies(2)
    bones = stream_of(some, "bone")
    root = NTU25_PARENTS.index(0)
    assert not bones[:, :, root].any()
    for joint in range(25):
        total, at = some[:, :, root].clone(), joint
        while at != NTU25_PARENTS[at]:
            total, at = total + bones[:, :, at], NTU25_PARENTS[at]
        torch.testing.assert_close(total, some[:, :, joint], atol=1e-5, rtol=1e-5)
    assert stream_of(some, "joint") is some


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("stream", STREAMS)
def test_the_stream_is_part_of_the_network(network, stream):
    torch.manual_seed(0)
    encoder = build_encoder(small(network, stream=stream)).eval()
    plain = build_encoder(small(network)).eval()
    plain.load_state_dict(copy.deepcopy(encoder.state_dict()))
    with torch.no_grad():
        torch.testing.assert_close(encoder(bodies()), plain(stream_of(bodies(), stream)))


@pytest.mark.parametrize("network", NETWORKS)
def test_the_head_sees_the_parts_of_a_clip_one_by_one(network):
    whole = build_encoder(small(network, frames=16, vector=6)).eval()
    parted = build_encoder(small(network, frames=16, vector=6, parts=2)).eval()
    weights = whole.state_dict()
    weights["head.weight"] = split_head(weights["head.weight"], 2)
    parted.load_state_dict(weights)
    clips = bodies(frames=16)
    with torch.no_grad():
        first, last = parted(clips).chunk(2, dim=1)
        features = torch.cat((first.mean(dim=1), last.mean(dim=1)), dim=1)
        torch.testing.assert_close(parted.features(clips), features)
        torch.testing.assert_close(parted.pool(clips), whole.pool(clips))
        parted.head.weight[:, :16] = 0  # it no longer sees the first half
        assert not torch.allclose(parted.pool(clips), whole.pool(clips))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_classifier_takes_any_network(network):
    torch.manual_seed(0)
    classifier = Classifier(small(network), ClassifierConfig(classes=4, hidden=8)).train()
    features = classifier.joint_features(bodies())
    assert features.shape == (3, small(network).tokens_per_step * 16)
    assert classifier.head(features).shape == (3, 4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"network": "resnet"}, "network is one of transformer, stgcn, bigru, dsta, not 'resnet'"),
        ({"stream": "velocity"}, "stream is one of joint, motion, bone, not 'velocity'"),
        ({"network": "stgcn", "depth": 2}, "stgcn needs a depth of at least 3"),
        ({"network": "dsta", "width": 18}, "dsta needs a width that 4 divides"),
        ({"network": "bigru", "width": 17}, "width must be even"),
        ({"dropout": 0.5}, "dropout goes with the networks stgcn and bigru"),
        ({"network": "dsta", "dropout": 0.5}, "dropout goes with the networks stgcn and bigru"),
        ({"network": "stgcn", "dropout": 1.0}, "dropout is a share below 1"),
        ({"parts": 2}, "more than 1 go with vector"),
        ({"parts": 0, "vector": 8}, "parts is a number from 1"),
        ({"parts": 7, "vector": 8}, r"parts \(7\) must divide 30 steps in time"),
    ],
)
def test_impossible_networks_are_refused(changes, says):
    with pytest.raises(UsageError, match=says):
        EncoderConfig(**changes)


def test_methods_say_which_networks_they_train():
    with pytest.raises(UsageError, match="mamp trains encoders of the kind transformer, not stgcn"):
        Mamp(small("stgcn"), MampConfig())
    with pytest.raises(UsageError, match="stars trains encoders of the kind transformer"):
        Stars(small("bigru"), StarsConfig())


def test_graph_convolution_by_its_definition():
    torch.manual_seed(0)
    block = GraphBlock(2, 4, stride=1, dropout=0.0, residual=False).double()
    torch.nn.init.normal_(block.edges)
    x = torch.randn(3, 2, 5, 25, dtype=torch.double)
    weighted = block.space(x).view(3, 3, 4, 5, 25)
    expected = torch.einsum("nkctv,kvw->nctw", weighted, block.graph * block.edges)
    torch.testing.assert_close(block.aggregate(x), expected)
