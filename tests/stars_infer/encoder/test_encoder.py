import json
import shutil

import numpy as np
import pytest

from stars_infer import Clip, Encoder, prepare
from stars_infer.encoder.model import ZEROS
from stars_infer.errors import ModelError, ProviderError
from stars_infer.synthetic.actions import perform


def clips(*names):
    return [
        Clip.from_array(perform(name, np.random.default_rng(seed)))
        for seed, name in enumerate(names)
    ]


def test_clips_of_one_and_two_bodies_in_one_batch_are_as_alone(encoder):
    many = clips("wave", "handshake", "walk", "handshake", "kick")
    together = encoder.embed(many)
    alone = np.concatenate([encoder.embed([clip]) for clip in many])
    assert together.shape == (5, encoder.info.width)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.linalg.norm(together[0] - together[2]) > 1e-3


def test_more_bodies_than_a_batch(encoder):
    (clip,) = clips("clap")
    vectors = encoder.embed([clip] * 37)
    np.testing.assert_allclose(vectors, np.tile(vectors[:1], (37, 1)), atol=1e-5)


def test_no_clips(encoder):
    assert encoder.embed([]).shape == (0, encoder.info.width)


def test_mean_over_present_bodies(encoder):
    (pair,) = clips("handshake")
    bodies = encoder.embed_bodies(prepare(pair))
    assert len(bodies) == 2
    np.testing.assert_allclose(encoder.embed([pair])[0], bodies.mean(axis=0), atol=1e-6)


def test_absent_body_as_a_constant_equals_running_it(imported_model):
    encoder = Encoder.load(imported_model, device="cpu")
    assert encoder.info.absent_bodies == ZEROS
    (clip,) = clips("wave")
    body = prepare(clip, encoder.info.preprocessing)
    assert body.shape[0] == 1
    both = encoder.embed_bodies(np.concatenate((body, np.zeros_like(body))))
    assert np.linalg.norm(both[1]) > 0.1
    np.testing.assert_allclose(encoder.embed([clip])[0], both.mean(axis=0), atol=1e-5)


def test_provider_that_is_not_there_lists_what_is(tiny_model):
    with pytest.raises(ProviderError, match="'coreml' is not available here; there is: .*cpu"):
        Encoder.load(tiny_model, device="coreml")
    with pytest.raises(ProviderError, match="'gpu9' is not available"):
        Encoder.load(tiny_model, device="gpu9")


def test_provider_that_falls_back_is_an_error(tiny_model, monkeypatch):
    import onnxruntime

    class Fallback(onnxruntime.InferenceSession):
        def get_providers(self):
            return ["SomeOtherProvider"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallback)
    with pytest.raises(ProviderError, match="fell back to SomeOtherProvider"):
        Encoder.load(tiny_model, device="cpu")


def test_missing_model_lists_the_shipped_ones(tmp_path):
    with pytest.raises(ModelError, match=r"no model 'nothing': .* shipped name"):
        Encoder.load("nothing")
    with pytest.raises(ModelError, match=r"no model\.json here"):
        Encoder.load(tmp_path)


def spoilt(tiny_model, tmp_path, **changes):
    folder = tmp_path / "spoilt"
    shutil.copytree(tiny_model, folder)
    info = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(info))
    return folder


def test_description_and_graph_must_belong_together(tiny_model, tmp_path):
    other = {"frames": 120, "crop": 0.5, "center_joint": 1}
    with pytest.raises(ModelError, match="do not belong together"):
        Encoder.load(spoilt(tiny_model, tmp_path, preprocessing=other))


def test_damaged_graph_is_refused(tiny_model, tmp_path):
    folder = spoilt(tiny_model, tmp_path)
    graph = (folder / "encoder.onnx").read_bytes()
    (folder / "encoder.onnx").write_bytes(graph[: len(graph) // 2])
    with pytest.raises(ModelError, match="do not belong together"):
        Encoder.load(folder)
    (folder / "encoder.onnx").unlink()
    with pytest.raises(ModelError, match=r"encoder\.onnx: cannot be read"):
        Encoder.load(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 99}, "unknown schema"),
        ({"surprise": 1}, "not a readable model description"),
        ({"absent_bodies": "whatever"}, "unknown rule"),
        ({"absent_bodies": ZEROS}, "needs a zero_body"),
    ],
)
def test_description_that_makes_no_sense(tiny_model, tmp_path, changes, says):
    with pytest.raises(ModelError, match=says):
        Encoder.load(spoilt(tiny_model, tmp_path, **changes))


def test_description_that_is_no_json(tiny_model, tmp_path):
    folder = spoilt(tiny_model, tmp_path)
    (folder / "model.json").write_text("{")
    with pytest.raises(ModelError, match="not a readable model description"):
        Encoder.load(folder)
