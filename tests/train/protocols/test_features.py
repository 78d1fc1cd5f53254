from dataclasses import replace

import numpy as np
import pytest
import torch

from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing, center_actors, center_crop, prepare
from stars_infer.preprocessing.resample import resize
from stars_infer.synthetic.actions import perform
from stars_infer.train.datasets.pack import Pack, SourceClip
from stars_infer.train.protocols.features import (
    clip_features,
    pooled_features,
    random_crop_features,
)
from stars_infer.train.views.config import ViewConfig


def body_features(encoder, bodies):
    with torch.no_grad():
        return encoder.pool(torch.from_numpy(np.ascontiguousarray(bodies))).numpy()


@pytest.mark.parametrize("rule", ["present", "zeros", "copy"])
@pytest.mark.parametrize("crop", [0.9, 0.95, 1.0])
def test_features_are_those_of_the_runtime_for_every_rule(whole, measured, fabric, rule, crop):
    measured = replace(measured, views=ViewConfig(absent_bodies=rule))
    got = pooled_features(measured, whole, fabric=fabric, crop=crop).numpy()
    zero = body_features(measured.encoder, np.zeros((1, 120, 25, 3), np.float32))[0]
    assert {clip.bodies for clip in whole.clips} == {1, 2}
    for place in (0, 3, 4, 17, 35):
        clip = whole.clips[place]
        rows = whole.joints[clip.start : clip.start + clip.bodies * clip.frames]
        actors = rows.reshape(clip.bodies, clip.frames, 25, 3)
        bodies = body_features(measured.encoder, resize(center_crop(actors, crop), 120))
        expected = bodies.mean(axis=0)
        if rule == "zeros" and clip.bodies == 1:
            expected = (bodies[0] + zero) / 2
        np.testing.assert_allclose(got[place], expected, atol=2e-6)


def test_a_clip_from_its_file_to_its_features(measured, fabric, waving):
    clip = Clip.from_array(waving, layout="ntu25")
    prepared = prepare(clip, Preprocessing(crop=0.9))
    actors = center_actors(clip)
    pack = Pack.from_clips([SourceClip(actors=actors, label="wave", subject="", source="")])
    got = pooled_features(measured, pack, fabric=fabric)[0].numpy()
    expected = body_features(measured.encoder, prepared).mean(axis=0)
    np.testing.assert_allclose(got, expected, atol=2e-6)


@pytest.mark.parametrize("crop", [0.9, 1.0])
def test_features_of_a_normalizing_encoder_are_those_of_the_runtime(measured, fabric, crop):
    steps = {"face_camera": True, "standard_body": True, "pace": 0.5}
    measured = replace(measured, views=ViewConfig(**steps))
    clips = [
        Clip.from_array(perform(name, np.random.default_rng(seed)))
        for seed, name in enumerate(("walk", "handshake", *["kick"] * 8))
    ]
    pack = Pack.from_clips(
        SourceClip(actors=center_actors(clip), label="", subject="", source="") for clip in clips
    )
    got = pooled_features(measured, pack, fabric=fabric, crop=crop).numpy()
    for clip, features in zip(clips, got, strict=True):
        prepared = prepare(clip, Preprocessing(crop=crop, **steps))
        expected = body_features(measured.encoder, prepared).mean(axis=0)
        np.testing.assert_allclose(features, expected, atol=5e-6)


@pytest.mark.parametrize("steps", [{}, {"pace": 0.5, "face_camera": True}])
def test_features_over_samplings_are_those_of_the_runtime(measured, fabric, steps):
    measured = replace(measured, views=ViewConfig(**steps), samplings=3)
    clips = [
        Clip.from_array(perform(name, np.random.default_rng(seed)))
        for seed, name in enumerate(("walk", "handshake", "kick", "wave"))
    ]
    pack = Pack.from_clips(
        SourceClip(actors=center_actors(clip), label="", subject="", source="") for clip in clips
    )
    got = pooled_features(measured, pack, fabric=fabric).numpy()
    once = pooled_features(replace(measured, samplings=1), pack, fabric=fabric).numpy()
    assert np.abs(got - once).max() > 1e-4
    for clip, features in zip(clips, got, strict=True):
        prepared = prepare(clip, Preprocessing(samplings=3, **steps))
        runs = [body_features(measured.encoder, run) for run in np.split(prepared, 3, axis=1)]
        np.testing.assert_allclose(features, np.mean(runs, axis=(0, 1)), atol=5e-6)
    with pytest.raises(UsageError, match="--samplings is 1 to 100, not 0"):
        replace(measured, samplings=0)


def test_what_follows_the_mean_over_bodies(whole, measured, fabric):
    plain = pooled_features(measured, whole, fabric=fabric)
    doubled = clip_features(
        whole,
        measured.encoder.pool,
        views=ViewConfig(),
        fabric=fabric,
        finish=lambda x: 2 * x[:, 0, :3],
    )
    torch.testing.assert_close(doubled, 2 * plain[:, :3])
    with pytest.raises(UsageError, match="--crop is a share up to 1, not 0"):
        pooled_features(measured, whole, fabric=fabric, crop=0.0)


@pytest.mark.parametrize("rule", ["present", "zeros"])
def test_random_crops_of_whole_clips_are_the_uncropped_clip(whole, measured, fabric, rule):
    encode = measured.encoder.pool
    views = ViewConfig(shortest_crop=1.0, absent_bodies=rule)
    # Batches are of 8 clips, so that the fifth of 36 ends one crop and begins the next.
    got = list(random_crop_features(whole, encode, views, crops=2, fabric=fabric))
    expected = clip_features(whole, encode, views=views, fabric=fabric, crop=1.0)
    assert len(got) == 2
    for crop in got:
        torch.testing.assert_close(crop, expected, atol=2e-6, rtol=1e-5)


def test_random_crops_differ_and_are_decided_by_the_seed(whole, measured, fabric):
    views = ViewConfig(shortest_frames=10, rotation=0.3)

    def crops(seed):
        made = random_crop_features(
            whole, measured.encoder.pool, views, crops=2, fabric=fabric, seed=seed
        )
        return torch.stack(list(made))

    one, same, other = crops(0), crops(0), crops(1)
    torch.testing.assert_close(one, same)
    assert not torch.allclose(one, other)
    assert not torch.allclose(one[0], one[1])
