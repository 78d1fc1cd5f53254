"""Clips from what MediaPipe and OpenPose return in Python; stand-ins have their attributes."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from stars_infer import Clip, read_clip
from stars_infer.errors import StarsError, UsageError

FRAMES = 12


@pytest.fixture
def world():
    """World landmarks as MediaPipe has them: hips at the origin, y down, (FRAMES, 33, 3)."""
    rng = np.random.default_rng(0)
    points = rng.normal(scale=0.3, size=(1, 33, 3)) + rng.normal(scale=0.005, size=(FRAMES, 33, 3))
    points[:, 24] = -points[:, 23]
    return points


def marks(points, visibility=0.9):
    return [SimpleNamespace(x=x, y=y, z=z, visibility=visibility) for x, y, z in points.tolist()]


def plain(points, visibility=0.9):
    return [{"x": x, "y": y, "z": z, "visibility": visibility} for x, y, z in points.tolist()]


def task(points):
    """A `PoseLandmarkerResult`."""
    return SimpleNamespace(
        pose_landmarks=[marks(abs(points))], pose_world_landmarks=[marks(points)]
    )


def legacy(points):
    """What `mediapipe.solutions.pose.Pose.process` returns."""
    return SimpleNamespace(
        pose_landmarks=SimpleNamespace(landmark=marks(abs(points))),
        pose_world_landmarks=SimpleNamespace(landmark=marks(points)),
    )


@pytest.mark.parametrize(
    "form",
    [
        task,
        legacy,
        marks,
        lambda p: [marks(p)],
        plain,
        lambda p: vars(task(p)),
        lambda p: vars(legacy(p)),
        lambda p: {"pose_world_landmarks": {"landmark": plain(p)}},
    ],
)
def test_mediapipe_is_read_as_its_file_is(world, form, tmp_path):
    (tmp_path / "c.json").write_text(json.dumps([plain(points) for points in world]))
    expected = read_clip(tmp_path / "c.json", fps=25)
    clip = Clip.from_mediapipe([form(points) for points in world], fps=25, source="webcam")
    np.testing.assert_array_equal(clip.bodies, expected.bodies)
    np.testing.assert_allclose(clip.bodies[0], world * [-1, -1, 1], atol=1e-6)
    assert (clip.layout, clip.fps, clip.source) == ("mediapipe33", 25, "webcam")
    assert clip.notes == expected.notes


def test_frames_without_anybody_and_points_that_are_not_visible(world):
    results = [task(points) for points in world]
    results[4] = SimpleNamespace(pose_landmarks=[], pose_world_landmarks=[])
    results[5] = SimpleNamespace(pose_landmarks=None, pose_world_landmarks=None)
    results[6] = None
    results[8].pose_world_landmarks[0][15].visibility = 0.1
    clip = Clip.from_mediapipe(results)
    assert np.flatnonzero(~clip.presence[0]).tolist() == [4, 5, 6]
    assert any("left wrist" in note.lower() for note in clip.notes)


def test_a_visibility_that_was_not_set_is_no_doubt(world):
    class Message(SimpleNamespace):
        def HasField(self, name):  # noqa: N802 - as messages have it
            return name != "visibility"

    results = [
        SimpleNamespace(
            pose_world_landmarks=SimpleNamespace(
                landmark=[Message(x=x, y=y, z=z, visibility=0.0) for x, y, z in points.tolist()]
            )
        )
        for points in world
    ]
    np.testing.assert_allclose(
        Clip.from_mediapipe(results).bodies[0], world * [-1, -1, 1], atol=1e-6
    )


def test_several_people(world):
    results = [
        SimpleNamespace(pose_world_landmarks=[marks(points), marks(points + [2, 0, 0])])
        for points in world
    ]
    assert Clip.from_mediapipe(results).bodies.shape == (2, FRAMES, 33, 3)


@pytest.mark.parametrize(
    ("results", "says"),
    [
        (lambda p: [SimpleNamespace(pose_landmarks=[marks(abs(x) + 1)]) for x in p],
         "image landmarks, shares of the picture"),
        (lambda p: [SimpleNamespace(pose_landmarks=SimpleNamespace(landmark=marks(abs(x))),
                                    pose_world_landmarks=None) for x in p],
         "image landmarks, shares of the picture"),
        (lambda p: [marks(abs(x) + 1) for x in p], "not at the origin"),
        (lambda p: [marks(x[:17]) for x in p], "17 joints, but layout 'mediapipe33' has 33"),
        (lambda p: task(p[0]), "pass a list of MediaPipe results, one for each frame"),
        (lambda p: "video.mp4", "a str is no clip: pass a list of MediaPipe results"),
        (lambda p: None, "a NoneType is no clip"),
        (lambda p: [3, 4], "a int is no result of MediaPipe Pose"),
        (lambda p: [], "0 frame(s)"),
        (lambda p: [task(p[0])], "1 frame(s)"),
    ],
)  # fmt: skip
def test_what_is_no_clip_of_mediapipe(world, results, says):
    with pytest.raises(StarsError) as caught:
        Clip.from_mediapipe(results(world))
    assert says in str(caught.value)


def person(points, **more):
    return {"pose_keypoints_3d": np.c_[points, np.full(len(points), 0.8)].ravel().tolist(), **more}


@pytest.fixture
def people():
    rng = np.random.default_rng(1)
    return rng.normal(scale=0.3, size=(1, 25, 3)) + rng.normal(scale=0.005, size=(FRAMES, 25, 3))


def test_openpose_is_read_as_its_file_is(people, tmp_path):
    frames = [{"version": 1.3, "people": [person(points)]} for points in people]
    (tmp_path / "c.json").write_text(json.dumps(frames))
    expected = read_clip(tmp_path / "c.json", layout="body25", fps=30)
    clip = Clip.from_openpose(frames, fps=30)
    np.testing.assert_array_equal(clip.bodies, expected.bodies)
    np.testing.assert_allclose(clip.bodies[0], people * [-1, -1, 1], atol=1e-6)
    assert (clip.layout, clip.source, clip.notes) == ("body25", "openpose", expected.notes)
    mm = [{"people": [person(points * 1000)]} for points in people]
    np.testing.assert_allclose(Clip.from_openpose(mm, units="mm").bodies, clip.bodies, atol=1e-6)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([{"people": [{"pose_keypoints_2d": [1.0, 2.0, 0.5] * 25}]}] * 3, "points in 2D only"),
        ([{"people": [{"pose_keypoints_3d": [1.0, 2.0, 3.0, 0.5] * 18}]}] * 3, "18 joints"),
        ([{"persons": []}] * 3, "frame 0 is a dict without 'people'"),
        ({"people": []}, "a dict is no clip: pass a list of frames"),
        (["0001_keypoints.json"], "frame 0 is a str without 'people'"),
        ([{"people": []}] * 3, "no body in any frame"),
    ],
)
def test_what_is_no_clip_of_openpose(frames, says):
    with pytest.raises(StarsError) as caught:
        Clip.from_openpose(frames)
    assert says in str(caught.value)


def test_options_that_mean_nothing_are_refused(people, world):
    frames = [{"people": [person(points)]} for points in people]
    for wrong in ({"layout": "body24"}, {"units": "px"}, {"fps": -1}):
        with pytest.raises(UsageError):
            Clip.from_openpose(frames, **wrong)
    with pytest.raises(UsageError):
        Clip.from_mediapipe([task(points) for points in world], fps=0)


def test_points_of_openpose_may_be_arrays(people):
    lists = [person(points)["pose_keypoints_3d"] for points in people]
    arrays = [{"people": [{"pose_keypoints_3d": np.array(points)}]} for points in lists]
    expected = Clip.from_openpose([{"people": [{"pose_keypoints_3d": one}]} for one in lists])
    np.testing.assert_array_equal(Clip.from_openpose(arrays).bodies, expected.bodies)
    nobody = {"people": [{"pose_keypoints_3d": np.array([])}]}
    assert Clip.from_openpose([*arrays, nobody]).presence[0].tolist() == [True] * FRAMES + [False]


def test_a_dictionary_without_landmarks_is_no_frame(world):
    frames = [vars(task(points)) for points in world]
    frames[3] = {"pose_world_landmarks": None}
    assert not Clip.from_mediapipe(frames).presence[0, 3]
    with pytest.raises(UsageError, match="a dictionary of 'hands' is no result"):
        Clip.from_mediapipe([*frames, {"hands": []}])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [1e155, 1e307, -1e308])
def test_hips_that_are_too_far_for_numbers_are_not_at_the_origin(world, far, tmp_path):
    world[3, 23, 0] = far
    path = tmp_path / "c.json"
    path.write_text(json.dumps([plain(points) for points in world]))
    with pytest.raises(StarsError, match="frame 3: the middle of the hips is at .* not at the ori"):
        read_clip(path, fps=25)
