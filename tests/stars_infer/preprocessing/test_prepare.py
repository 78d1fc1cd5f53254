from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip, prepare, read_clip
from stars_infer.clips.actors import cast_bodies, select_actors
from stars_infer.errors import ClipError
from stars_infer.preprocessing.prepare import CENTER_JOINT, center_actors, center_crop
from stars_infer.preprocessing.resample import resize


def person(frames, *, speed=0.02, seed=0, tall=True):
    """Joints (T, 25, 3) of an upright (or lying) body that moves."""
    random = np.random.default_rng(seed)
    rest = random.uniform(-0.1, 0.1, (25, 3)) + [1, 1, 3]
    rest[:, 1 if tall else 0] += np.linspace(0, 1.7, 25)
    drift = random.normal(size=3) * speed
    return (rest + np.arange(frames)[:, None, None] * drift).astype(np.float32)


def clip_of(*tracks):
    """A clip from (joints, first frame) tracks, as long as the last of them."""
    frames = max(start + len(joints) for joints, start in tracks)
    bodies = np.zeros((len(tracks), frames, 25, 3), np.float32)
    for body, (joints, start) in zip(bodies, tracks, strict=True):
        body[start : start + len(joints)] = joints
    return Clip.from_array(bodies)


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
        actors = center_actors(read_clip(shared / f"data/ntu-samples/{name}.skeleton"))
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


def test_frames_without_anybody_are_dropped():
    early, late = person(20), person(20, seed=1)
    actors = select_actors(clip_of((early, 0), (late, 30)))
    assert actors.shape == (1, 40, 25, 3)


def test_body_seen_in_eleven_frames_is_noise_and_twelve_is_not():
    long = person(40, speed=0.01)
    assert len(select_actors(clip_of((long, 0), (person(11, speed=1), 5)))) == 1
    assert len(select_actors(clip_of((long, 0), (person(12, speed=1), 5)))) == 2


@pytest.mark.parametrize("fps", [15, 25, 60, 120])
def test_how_long_a_body_must_be_seen_is_in_seconds(fps):
    least = round(0.4 * fps)
    long = person(4 * least, speed=0.01)
    for frames, bodies in ((least - 1, 1), (least, 2)):
        clip = clip_of((long, 0), (person(frames, speed=1), 5))
        assert len(select_actors(replace(clip, fps=float(fps)))) == bodies


def test_the_longest_of_only_short_bodies_stays():
    actors = select_actors(clip_of((person(5), 0), (person(8, seed=1), 0)))
    np.testing.assert_array_equal(actors[0], person(8, seed=1))


def test_furniture_is_dropped_but_never_the_last_body():
    standing, lying = person(40, speed=0.001), person(40, tall=False, speed=0.1)
    actors = select_actors(clip_of((lying, 0), (standing, 0)))
    np.testing.assert_array_equal(actors, standing[None])
    two_lying = clip_of((lying, 0), (person(40, tall=False, seed=1), 0))
    assert len(select_actors(two_lying)) == 1
    another = person(40, tall=False, seed=2)
    actors = select_actors(clip_of((standing, 0), (lying, 0), (another, 0)))
    np.testing.assert_array_equal(actors, standing[None])


def test_the_cast_says_which_body_is_which_actor():
    first, second = person(20, speed=0.2), person(20, speed=0.1, seed=1)
    calm = person(45, speed=0.001, seed=2)
    cast = cast_bodies(clip_of((calm, 0), (first, 0), (second, 28)))
    assert cast[0].tolist() == [1] * 20 + [-1] * 8 + [2] * 20
    assert cast[1].tolist() == [0] * 45 + [-1] * 3


def test_the_more_moving_body_is_actor_one():
    calm, lively = person(40, speed=0.001), person(40, speed=0.05, seed=1)
    actors = select_actors(clip_of((calm, 0), (lively, 0)))
    np.testing.assert_array_equal(actors, [lively, calm])


def test_a_lost_and_found_person_stays_one_actor():
    first, second, other = person(20, speed=0.3), person(20, seed=1), person(45, seed=2, speed=0.01)
    actors = select_actors(clip_of((first, 0), (second, 25), (other, 0)))
    np.testing.assert_array_equal(actors[0, :20], first)
    np.testing.assert_array_equal(actors[0, 25:], second)
    np.testing.assert_array_equal(actors[1], other)


def test_a_third_body_does_not_overwrite_the_second():
    bodies = [person(30, speed=s, seed=n) for n, s in enumerate((0.3, 0.2, 0.1))]
    actors = select_actors(clip_of(*((body, 0) for body in bodies)))
    np.testing.assert_array_equal(actors, bodies[:2])


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
