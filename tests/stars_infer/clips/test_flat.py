"""Clips in 2D are refused where they are taken for 3D, and compared among themselves."""

import json

import numpy as np
import pytest

from stars_infer import Clip, Recognizer, read_clip
from stars_infer.errors import ClipError, ExemplarIndexError, FlatError
from stars_infer.layouts import get_layout
from stars_infer.synthetic.actions import perform
from tests.bodies import in_layout


def acted(action="wave", seed=1, layout="ntu25"):
    """A body, (T, V, 3), meters."""
    return in_layout(perform(action, np.random.default_rng(seed))[0], layout)


def pixels(joints):
    """Where a camera sees joints (T, V, 3), (T, V, 2)."""
    scale = 900 / (joints[..., 2:] + 1)
    return np.round(joints[..., :2] * scale * [1, -1] + [640, 360])


def with_third(points, third):
    return np.concatenate([points, np.broadcast_to(third, points[..., :1].shape)], axis=-1)


def scores(points):
    return np.random.default_rng(0).uniform(0.6, 1, points[..., :1].shape)


SEEN = {
    "pixels and a score": lambda j: with_third(pixels(j), scores(j)),
    "pixels and a constant": lambda j: with_third(pixels(j), 1.0),
    "pixels and zero": lambda j: with_third(pixels(j), 0.0),
    "shares of the picture and a score": lambda j: with_third(pixels(j) / 720, scores(j)),
    "meters and zero": lambda j: with_third(j[..., :2], 0.0),
    "meters and one depth": lambda j: with_third(j[..., :2], 2.5),
    "depth first": lambda j: with_third(j[..., :2], 0.0)[..., [2, 0, 1]],
}


@pytest.mark.parametrize("kind", SEEN)
@pytest.mark.parametrize("layout", ["ntu25", "coco17", "body25"])
@pytest.mark.parametrize("action", ["wave", "squat"])
def test_2d_is_refused_unless_it_is_asked_for(kind, layout, action):
    given = SEEN[kind](acted(action, layout=layout))
    with pytest.raises(FlatError, match="in 2D: save positions in 3D, or.*--flat"):
        Clip.from_array(given, layout=layout)
    if kind != "depth first":
        clip = Clip.from_array(given, layout=layout, flat=True)
        assert clip.flat
        assert not clip.bodies[..., 2].any()


@pytest.mark.parametrize("layout", ["ntu25", "kinect20", "coco17", "mediapipe33", "h36m17"])
@pytest.mark.parametrize("angle", [0, 45, 90])
def test_bodies_in_3d_pass(layout, angle):
    turn = np.deg2rad(angle)
    x, y, z = np.moveaxis(acted("wave", layout=layout), -1, 0)
    joints = np.stack((np.cos(turn) * x + np.sin(turn) * z, y, np.cos(turn) * z - np.sin(turn) * x))
    for scale in (1.0, 0.001, 1000.0):
        assert not Clip.from_array(np.moveaxis(joints, 0, -1) * scale, layout=layout).flat


def test_image_landmarks_in_a_table(tmp_path):
    joints = acted(layout="mediapipe33")
    hips = joints[:, [23, 24]].mean(axis=1, keepdims=True)
    image = with_third(pixels(joints) / [1280, 720], 0.0)
    image[..., 2:] = (joints - hips)[..., 2:] * 0.3
    names = get_layout("mediapipe33").joints
    head = ",".join(f"{name}_{axis}" for name in names for axis in "xyz")
    rows = [",".join(map(repr, row)) for row in image.reshape(len(image), -1).tolist()]
    path = tmp_path / "image.csv"
    path.write_text("\n".join([head, *rows]))
    with pytest.raises(FlatError, match="image landmarks"):
        read_clip(path)
    assert read_clip(path, flat=True).notes[-1] != ""
    assert read_clip(path, flat=True).flat


def test_people_of_openpose_in_2d(tmp_path):
    points = with_third(pixels(acted(layout="body25")), 0.9)
    frames = [{"people": [{"pose_keypoints_2d": frame.ravel().tolist()}]} for frame in points]
    path = tmp_path / "people.json"
    path.write_text(json.dumps(frames))
    with pytest.raises(ClipError, match="--flat"):
        read_clip(path, layout="body25")
    clip = read_clip(path, layout="body25", flat=True)
    upright = acted(layout="body25")
    head, feet = (get_layout("body25").joints.index(name) for name in ("nose", "left ankle"))
    assert (clip.bodies[0, :, head, 1] > clip.bodies[0, :, feet, 1]).all()
    assert abs(np.ptp(clip.bodies[0, 0, :, 1]) / np.ptp(upright[0, :, 1]) - 1) < 0.25


def test_a_clip_in_3d_may_be_taken_as_flat():
    joints = acted("squat")
    clip = Clip.from_array(joints, flat=True, up="y")
    ratio = clip.bodies[0, ..., 0] / joints[..., 0]
    np.testing.assert_allclose(clip.bodies[0, ..., :2], joints[..., :2] * ratio[0, 0], rtol=1e-4)


def test_the_size_of_a_flat_clip_does_not_depend_on_the_picture():
    given = pixels(acted("kick"))
    large, small = (Clip.from_array(given * scale, flat=True) for scale in (4.0, 0.01))
    np.testing.assert_allclose(large.bodies, small.bodies, rtol=1e-4, atol=1e-5)


@pytest.fixture
def flat_actions(tiny_model):
    actions = Recognizer(model=tiny_model, device="cpu")
    for label in ("wave", "squat", "kick"):
        actions.add(label, [pixels(acted(label, seed)) for seed in range(3)], flat=True)
    return actions


def test_flat_clips_are_named_by_flat_examples(flat_actions):
    with pytest.warns(UserWarning, match="-y points up"):
        answers = flat_actions.predict([pixels(acted("squat", 9))], flat=True)
    assert answers[0].label == "squat"
    assert flat_actions.index.flat


def test_2d_and_3d_never_mix(flat_actions, tiny_model, tmp_path):
    with pytest.raises(ExemplarIndexError, match="in 2D, and this clip is in 3D: pass --flat"):
        flat_actions.predict(acted())
    with pytest.raises(ExemplarIndexError, match="in 2D, and this clip is in 3D"):
        flat_actions.add("wave", acted())
    flat_actions.save(tmp_path / "flat.db")
    with Recognizer(tmp_path / "flat.db", model=tiny_model) as kept:
        assert kept.index.flat
        with pytest.raises(ExemplarIndexError, match="in 3D"):
            kept.predict(acted())
    deep = Recognizer(model=tiny_model, device="cpu")
    deep.add("wave", acted())
    with pytest.raises(ExemplarIndexError, match="index of their own"):
        deep.predict(pixels(acted()), flat=True)
    with pytest.raises(ExemplarIndexError, match="index of their own"):
        deep.add("wave", pixels(acted("wave", 3)), flat=True)
    deep.remove("wave")
    deep.add("wave", pixels(acted("wave", 3)), flat=True)
    assert deep.index.flat
