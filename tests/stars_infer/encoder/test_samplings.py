"""Models that average uniform samplings of a clip, as their `model.json` says."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from stars_infer import Clip, Encoder, prepare
from stars_infer.encoder.model import contract_of, fingerprint_of, read_model_info
from stars_infer.errors import ModelError, UsageError
from stars_infer.preprocessing.normalize import even_pace
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.preprocessing.resample import moments, resize
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.synthetic.actions import perform


def acted(name, seed=0):
    return Clip.from_array(perform(name, np.random.default_rng(seed)))


def sampled(model, folder, samplings):
    """A copy of a model whose description asks for so many samplings."""
    shutil.copytree(model, folder)
    info = read_model_info(folder)
    how = replace(info.preprocessing, samplings=samplings)
    contract = contract_of(how, info.absent_bodies, info.zero_body, info.comparison)
    digest = fingerprint_of((folder / "encoder.onnx").read_bytes(), contract)
    info = replace(info, preprocessing=how, fingerprint=digest)
    (folder / "model.json").write_text(json.dumps(info.to_json()))
    return folder


def test_one_sampling_takes_the_middle_of_every_part():
    np.testing.assert_array_equal(moments(3), [0.5, 1.5, 2.5])


def test_two_samplings_by_hand():
    golden = (5**0.5 - 1) / 2
    expected = [0.25, 1 + (0.25 + golden), 0.75, 1 + (0.75 + golden - 1)]
    np.testing.assert_allclose(moments(2, 2), expected)


@pytest.mark.parametrize(("frames", "samplings"), [(90, 10), (120, 2), (7, 33)])
def test_samplings_cover_every_part_evenly_and_each_is_scattered(frames, samplings):
    taken = moments(frames, samplings).reshape(samplings, frames)
    assert (np.floor(taken) == np.arange(frames)).all()
    within = np.sort(taken % 1, axis=0)
    gaps = np.diff(within, axis=0, append=within[:1] + 1)
    np.testing.assert_allclose(gaps, 1 / samplings, atol=1e-9)
    assert (np.diff(taken, axis=1) > 0).all()
    if frames > 50:
        spread = np.histogram(taken[0] % 1, bins=5, range=(0, 1))[0]
        assert spread.min() > 0.8 * frames / 5


def test_a_straight_line_is_sampled_where_the_moments_are():
    line = np.tile(np.arange(100, dtype=np.float32)[None, :, None, None], (1, 1, 1, 3))
    got = resize(line, 10, samplings=4)[0, :, 0, 0]
    np.testing.assert_allclose(got, moments(10, 4) * 10 - 0.5, atol=1e-4)
    paced = even_pace(resize(line, 128), 10, 0.0, samplings=4)[0, :, 0, 0]
    np.testing.assert_allclose(paced[3:-1], got[3:-1], atol=1.0)


@pytest.mark.parametrize("pace", [0.0, 0.5])
def test_samplings_follow_each_other_and_the_plain_clip_is_as_before(pace):
    clip = acted("handshake")
    how = Preprocessing(frames=30, face_camera=True, standard_body=True, pace=pace)
    plain, many = prepare(clip, how), prepare(clip, replace(how, samplings=3))
    assert (plain.shape, many.shape) == ((2, 30, 25, 3), (2, 90, 25, 3))
    third = many.reshape(2, 3, 30, 25, 3)
    assert all(np.abs(third[:, n] - plain).max() > 1e-3 for n in range(3))
    assert np.abs(third[:, 0] - third[:, 1]).max() > 1e-3
    np.testing.assert_allclose(third.mean(axis=1), plain, atol=0.1)


def test_the_vector_of_a_clip_is_the_mean_over_its_samplings(tiny_model, tmp_path):
    one = Encoder.load(tiny_model, device="cpu")
    many = Encoder.load(sampled(tiny_model, tmp_path / "many", 5), device="cpu")
    clips = [acted("wave"), acted("handshake", 1), acted("kick", 2)]
    vectors = many.embed(clips)
    assert vectors.shape == (3, one.info.width)
    for clip, vector in zip(clips, vectors, strict=True):
        bodies = prepare(clip, many.info.preprocessing)
        runs = np.split(bodies, 5, axis=1)
        each = np.stack([one.embed_bodies(run) for run in runs])
        assert np.abs(each - each[0]).max() > 1e-4
        np.testing.assert_allclose(vector, each.mean(axis=(0, 1)), atol=1e-5)
        np.testing.assert_allclose(vector, many.encode([clip])[0].vector, atol=1e-5)
        np.testing.assert_allclose(vector, many.embed([clip])[0], atol=1e-5)
    assert np.abs(vectors - one.embed(clips)).max() > 1e-5


def test_an_absent_body_enters_once_whatever_the_samplings(imported_model, tmp_path):
    one = Encoder.load(imported_model, device="cpu")
    many = Encoder.load(sampled(imported_model, tmp_path / "many", 3), device="cpu")
    clip = acted("wave")
    runs = np.split(prepare(clip, many.info.preprocessing), 3, axis=1)
    body = np.mean([one.embed_bodies(run)[0] for run in runs], axis=0)
    expected = (body + np.array(many.info.zero_body)) / 2
    np.testing.assert_allclose(many.embed([clip])[0], expected, atol=1e-5)


def test_samplings_are_part_of_what_an_index_relies_on(tiny_model, tmp_path):
    many = read_model_info(sampled(tiny_model, tmp_path / "many", 5))
    one = read_model_info(tiny_model)
    assert many.fingerprint != one.fingerprint
    assert many.preprocessing.contract() == {**one.preprocessing.contract(), "samplings": 5}
    assert "samplings" not in one.preprocessing.contract()
    assert many.preprocessing.in_words().endswith("mean of 5 uniform samplings")
    values = json.loads((tmp_path / "many/model.json").read_text())
    values["preprocessing"]["samplings"] = 6
    (tmp_path / "many/model.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match="do not belong together"):
        Encoder.load(tmp_path / "many")


@pytest.mark.parametrize("samplings", [0, -1, 101, 2.5, "ten", True])
def test_impossible_samplings_are_refused(tiny_model, tmp_path, samplings):
    with pytest.raises(UsageError, match="samplings must be a whole number and at least 1"):
        Preprocessing(samplings=samplings)
    folder = tmp_path / "spoilt"
    shutil.copytree(tiny_model, folder)
    values = json.loads((folder / "model.json").read_text())
    values["preprocessing"]["samplings"] = samplings
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"model\.json: not a readable model description"):
        Encoder.load(folder)


def test_a_comparison_takes_a_clip_once():
    with pytest.raises(UsageError, match="a comparison takes a clip once"):
        SequenceConfig(preprocessing=Preprocessing(frames=64, samplings=2))
