"""Protocols in bf16: those that train do so, and clips are prepared in float32."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stars_infer.train.protocols.encoders import load_encoder
from stars_infer.train.protocols.features import clip_features, random_crop_features
from stars_infer.train.protocols.finetune import FinetuneSettings, finetune
from stars_infer.train.protocols.knn import knn
from stars_infer.train.protocols.linear import LinearConfig, linear
from stars_infer.train.protocols.semi import semi
from stars_infer.train.protocols.transfer import transfer
from stars_infer.train.session import open_fabric
from stars_infer.train.views.config import ViewConfig

SHORT = {"steps": 2, "batch": 6, "warmup": 0, "hidden": 32, "shortest_frames": 20}


@pytest.fixture(scope="module")
def bf16():
    return open_fabric("cpu", 1, "bf16-mixed")


@pytest.mark.parametrize("protocol", ["finetune", "semi", "transfer", "linear", "knn"])
def test_protocols_run_in_bf16(task, trained, measured, bf16, tmp_path, protocol):
    how = FinetuneSettings(fabric=bf16, out=tmp_path, flags=SHORT)
    if protocol == "finetune":
        result = finetune(measured, task, how=how)
    elif protocol == "semi":
        result = semi(measured, task, how=how, shares=[0.67], runs=2)
    elif protocol == "transfer":
        result = transfer(load_encoder(str(trained / "mamp")), task, how=how)
    elif protocol == "linear":
        result = linear(measured, task, fabric=bf16, config=LinearConfig(epochs=2, crops=1))
    else:
        result = knn(measured, task, fabric=bf16)
    assert all(np.isfinite(score.accuracy) for score in result.scores)
    if protocol in ("finetune", "semi", "transfer"):
        assert result.settings["loop"]["precision"] == "bf16-mixed"


@pytest.mark.parametrize("rule", ["present", "zeros"])
def test_clips_are_prepared_in_float32(whole, fabric, bf16, rule):
    """Turned, stretched and smoothed by products that autocast would round."""
    views = ViewConfig(face_camera=True, standard_body=True, pace=0.5, absent_bodies=rule)

    def seen(bodies):
        assert bodies.dtype == torch.float32
        return bodies.flatten(1)

    center = [clip_features(whole, seen, views=views, fabric=one) for one in (fabric, bf16)]
    torch.testing.assert_close(*center, rtol=0, atol=0)
    turned = replace(views, rotation=0.3)
    random = [
        next(random_crop_features(whole, seen, turned, crops=1, fabric=one))
        for one in (fabric, bf16)
    ]
    torch.testing.assert_close(*random, rtol=0, atol=0)


def test_the_network_runs_in_bf16(whole, measured, bf16):
    made = set()
    measured.encoder.embed.register_forward_hook(lambda _, inputs, output: made.add(output.dtype))
    features = clip_features(
        whole,
        measured.encoder.pool,
        views=measured.views,
        fabric=bf16,
        finish=lambda x: x[:, 0, :3],
    )
    assert made == {torch.bfloat16}
    assert features.dtype == torch.float32
