import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip, prepare, read_clip
from stars_infer.errors import ClipError
from stars_infer.preprocessing.prepare import CENTER_JOINT, center_actors, center_crop
from stars_infer.preprocessing.resample import resize
from tests.stars_infer.clips.test_actors import clip_of, person


def test_golden_crop_and_resize(shared):
    golden = np.load(shared / "golden/center_crop_resize.npz")
    outputs = [name for name in golden.files if name.startswith("out_")]
    assert len(outputs) == 12
    for name in outputs:
        _, frames, share = name.split("_")
        joints = np.moveaxis(golden[f"in_{frames}"], (3, 0), (0, 3))
        got = resize(center_crop(joints, float(share[1:])), 120)
        np.testing.assert_allclose(np.moveaxis(got, (0, 3), (3, 0)), golden[name], atol=1e-5)


def test_golden_ntu_files(shared):
    golden = np.load(shared / "golden/ntu_prepared.npz")
    assert golden.files
    for name in golden.files:
        actors = center_actors(
            read_clip(shared / f"data/ntu-samples/{name}.skeleton"), bystanders=True
        )
        expected = np.moveaxis(golden[name], 1, 0)
        np.testing.assert_allclose(actors, expected, atol=1e-6, rtol=0)


def test_prepared_shape_and_origin():
    prepared = prepare(clip_of((person(70), 0)))
    assert prepared.shape == (1, 120, 25, 3)
    assert prepared.dtype == np.float32
    actors = center_actors(clip_of((person(70), 0)))
    np.testing.assert_array_equal(actors[0, 0, CENTER_JOINT], 0)


def test_kinect20_is_prepared_as_25_joints():
    clip = Clip.from_array(person(30)[:, :20], layout="kinect20")
    assert prepare(clip).shape == (1, 120, 25, 3)


def test_missing_frames_of_an_actor_stay_zero():
    actors = center_actors(clip_of((person(40, speed=0.1), 0), (person(20, seed=1), 10)))
    assert actors[1, 10:30].any(axis=(1, 2)).all()
    assert not actors[1, :10].any()
    assert not actors[1, 30:].any()


def test_a_body_in_a_single_frame_is_refused():
    joints = np.zeros((1, 10, 25, 3), np.float32)
    joints[0, 4] = person(1)[0]
    with pytest.raises(ClipError, match=r"seen in 1 frame\(s\) only"):
        prepare(Clip.from_array(joints))


@settings(max_examples=60, deadline=None)
@given(frames=st.integers(1, 400), share=st.floats(0.1, 1.0))
def test_crop_is_central_and_never_empty(frames, share):
    joints = np.arange(frames, dtype=np.float32).reshape(1, -1, 1, 1)
    kept = center_crop(joints, share).ravel()
    assert len(kept) >= 1
    assert kept[0] == frames - 1 - kept[-1]


@settings(max_examples=60, deadline=None)
@given(frames=st.integers(1, 300), size=st.integers(1, 200))
def test_resize_keeps_a_straight_line_straight_and_within_bounds(frames, size):
    line = np.linspace(0, 1, frames, dtype=np.float32).reshape(1, -1, 1, 1)
    got = resize(line, size).ravel()
    assert len(got) == size
    assert (np.diff(got) >= -1e-6).all()
    assert got.min() >= 0
    assert got.max() <= 1
    np.testing.assert_allclose(got, 1 - got[::-1] if frames > 1 else got, atol=1e-5)
