"""JSON and JSON lines: MediaPipe, OpenPose, and our own form."""

import json
import time

import numpy as np
import pytest

from stars_infer import Clip, read_clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout

MEDIAPIPE = get_layout("mediapipe33")
FRAMES = 12


@pytest.fixture
def world():
    """World landmarks as MediaPipe has them: hips at the origin, y down, (FRAMES, 33, 3)."""
    rng = np.random.default_rng(0)
    points = rng.normal(scale=0.3, size=(1, 33, 3)) + rng.normal(scale=0.005, size=(FRAMES, 33, 3))
    points[:, 24] = -points[:, 23]
    return points


def marks(points, visibility=0.9, **more):
    return [dict(zip("xyz", map(float, p), strict=True), visibility=visibility, **more)
            for p in points]  # fmt: skip


def turned(points):
    """Meters, y up: the camera's axes, turned about z."""
    return points * [-1, -1, 1]


def written(folder, value, ending=".json"):
    path = folder / f"c{ending}"
    if ending == ".jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in value))
    else:
        path.write_text(json.dumps(value))
    return path


def refusal(path, **options):
    with pytest.raises(ClipError) as caught:
        read_clip(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


MEDIAPIPE_FORMS = {
    "bare": lambda p: marks(p),
    "people": lambda p: [marks(p)],
    "python": lambda p: {"pose_world_landmarks": marks(p), "pose_landmarks": marks(abs(p))},
    "task": lambda p: {"landmarks": [marks(abs(p))], "worldLandmarks": [marks(p)]},
    "camel": lambda p: {"poseWorldLandmarks": [marks(p)]},
    "message": lambda p: {"pose_world_landmarks": {"landmark": marks(p)}},
    "landmarks": lambda p: {"landmarks": marks(p)},
}


@pytest.mark.parametrize("form", MEDIAPIPE_FORMS.values(), ids=MEDIAPIPE_FORMS)
@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_mediapipe_frames(tmp_path, world, form, ending):
    clip = read_clip(written(tmp_path, [form(points) for points in world], ending))
    assert (clip.layout, clip.fps) == ("mediapipe33", 30)
    np.testing.assert_allclose(clip.bodies[0], turned(world), atol=1e-6)


def test_mediapipe_with_a_header_and_times(tmp_path, world):
    frames = [{"worldLandmarks": [marks(p)], "timestamp_ms": 40 * t} for t, p in enumerate(world)]
    assert read_clip(written(tmp_path, frames)).fps == pytest.approx(25)
    assert read_clip(written(tmp_path, {"fps": 50, "frames": frames})).fps == 50
    assert read_clip(written(tmp_path, [{"fps": 50}, *frames], ".jsonl")).fps == 50
    del frames[5]
    clip = read_clip(written(tmp_path, frames))
    assert np.flatnonzero(~clip.presence[0]).tolist() == [5]


def test_frames_without_people(tmp_path, world):
    frames = [{"worldLandmarks": [marks(p)]} for p in world]
    frames[2], frames[3], frames[4] = {"worldLandmarks": []}, None, []
    clip = read_clip(written(tmp_path, frames))
    assert np.flatnonzero(~clip.presence[0]).tolist() == [2, 3, 4]
    assert "no body in any frame" in refusal(written(tmp_path, [[], [], None]), layout="ntu25")


def test_people_keep_their_tracks_when_their_order_changes(tmp_path, world):
    other = world + [1.0, 0, 0.5]
    frames = [{"worldLandmarks": [marks(one), marks(two)][:: -1 if t % 3 else 1]}
              for t, (one, two) in enumerate(zip(world, other, strict=True))]  # fmt: skip
    frames[6] = {"worldLandmarks": [marks(other[6])]}
    clip = read_clip(written(tmp_path, frames))
    assert clip.bodies.shape[:2] == (2, FRAMES)
    assert np.argwhere(~clip.presence).tolist() == [[0, 6]]
    np.testing.assert_allclose(clip.bodies[1], turned(other), atol=1e-5)


def test_image_landmarks_are_refused(tmp_path, world):
    image = world * 0.2 + 0.5
    says = "image landmarks, shares of the picture, not positions: save the world landmarks"
    for form in (
        lambda p: {"pose_landmarks": marks(p)},
        marks,
        lambda p: {"landmarks": [marks(p)]},
    ):
        assert says in refusal(written(tmp_path, [form(p) for p in image]))


def test_landmarks_that_name_themselves(tmp_path, world):
    names = [name.replace(" ", "_") for name in MEDIAPIPE.joints]
    order = np.random.default_rng(1).permutation(33)
    frames = [{"keypoints3D": [dict(zip("xyz", map(float, p[v]), strict=True), score=0.8,
                                    name=names[v]) for v in order]} for p in world]  # fmt: skip
    clip = read_clip(written(tmp_path, frames))
    assert clip.layout == "mediapipe33"
    np.testing.assert_allclose(clip.bodies[0], turned(world), atol=1e-6)


def test_hidden_landmarks_are_mended_and_said(tmp_path, world):
    frames = [marks(p) for p in world]
    wrist = MEDIAPIPE.joints.index("left wrist")
    frames[4][wrist] |= {"x": 50.0, "visibility": 0.05}
    clip = read_clip(written(tmp_path, frames))
    assert np.abs(clip.bodies).max() < 5
    assert any("left wrist of body 0" in note for note in clip.notes)


def person(points, confidence=1.0, **more):
    flat = np.concatenate([points, np.full((len(points), 1), confidence)], axis=1)
    return {"pose_keypoints_2d": [], "pose_keypoints_3d": flat.ravel().tolist(), **more}


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_openpose_people(tmp_path, world, ending):
    points = world[:, :25] + [0, 0, 3]
    frames = [{"version": 1.3, "people": [person(p, person_id=[-1])]} for p in points]
    path = written(tmp_path, frames, ending)
    assert "does not say which joints these are: pass --layout" in refusal(path)
    clip = read_clip(path, layout="body25")
    np.testing.assert_allclose(clip.bodies[0], turned(points), atol=1e-5)


def test_openpose_points_without_confidence_and_identities(tmp_path, world):
    one = world[:, :25] + [0, 0, 3]
    two = one + [0.2, 0, 0]
    frames = []
    for t in range(FRAMES):
        people = [person(one[t], person_id=[7]), person(two[t], person_id=[3])]
        frames.append({"people": people[:: -1 if t % 2 else 1]})
    frames[3]["people"][1]["pose_keypoints_3d"][16:20] = [0, 0, 0, 0]
    clip = read_clip(written(tmp_path, frames), layout="body25")
    np.testing.assert_allclose(clip.bodies[1], turned(two), atol=1e-5)
    joint = get_layout("body25").joints[4]
    assert any(joint in note for note in clip.notes)
    assert np.abs(clip.bodies[0, 3] - turned(one)[3]).max() < 0.1


def test_openpose_in_2d_is_refused(tmp_path):
    frames = [{"people": [{"pose_keypoints_2d": [1, 2, 0.9] * 25}]}] * 3
    assert "points in 2D only" in refusal(written(tmp_path, frames))
    frames = [{"people": [{"pose_keypoints_3d": [1, 2, 3, 0.9, 5]}]}] * 3
    assert "must be a flat list of x, y, z, confidence" in refusal(written(tmp_path, frames))


def test_own_form(tmp_path, waving):
    two = np.concatenate([waving, waving + 1])
    content = {"layout": "ntu25", "fps": 25, "bodies": two.tolist()}
    clip = read_clip(written(tmp_path, content))
    assert (clip.layout, clip.fps, clip.notes) == ("ntu25", 25, ())
    np.testing.assert_array_equal(clip.bodies, two)
    content |= {"units": "mm", "up": "-y", "bodies": (two * [-1000, -1000, 1000]).tolist()}
    np.testing.assert_allclose(read_clip(written(tmp_path, content)).bodies, two, atol=1e-5)
    content |= {"layout": None}
    assert "pass --layout" in refusal(written(tmp_path, content))


def test_own_form_with_holes(tmp_path, waving):
    bodies = waving.tolist()
    bodies[0][3] = None
    bodies[0][7][11] = None
    bodies[0][9][11][1] = None
    confidence = np.ones(waving.shape[:3])
    confidence[0, 12, 11] = 0
    content = {"layout": "ntu25", "bodies": bodies, "confidence": confidence.tolist()}
    clip = read_clip(written(tmp_path, content))
    assert np.flatnonzero(~clip.presence[0]).tolist() == [3]
    assert any("right hand of body 0" in note and "3 gaps" in note for note in clip.notes)
    known = np.delete(np.arange(clip.frames), [3, 7, 9, 12])
    np.testing.assert_allclose(clip.bodies[0, known], waving[0, known], atol=1e-6)


def test_own_form_line_by_line(tmp_path, waving):
    two = np.concatenate([waving, waving + 1])
    header = {"layout": "ntu25", "units": "m"}
    frames = [{"time": t / 60, "bodies": two[:, t].tolist(), "ids": ["a", "b"]}
              for t in range(two.shape[1])]  # fmt: skip
    clip = read_clip(written(tmp_path, [header, *frames], ".jsonl"))
    assert clip.fps == pytest.approx(60)
    np.testing.assert_array_equal(clip.bodies, two)
    for bare in (
        waving[0].tolist(), waving.transpose(1, 0, 2, 3).tolist(),
        [{"joints": body} for body in waving[0].tolist()],
    ):  # fmt: skip
        for ending in (".json", ".jsonl"):
            clip = read_clip(written(tmp_path, bare, ending), layout="ntu25")
            np.testing.assert_array_equal(clip.bodies, waving)


def test_joint_names_say_the_layout(tmp_path, waving):
    names = get_layout("ntu25").joints
    content = {"joint_names": names[::-1], "bodies": waving[:, :, ::-1].tolist()}
    clip = read_clip(written(tmp_path, content))
    assert clip.layout == "ntu25"
    np.testing.assert_array_equal(clip.bodies, waving)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[1, 2", "line 1, column 7: not JSON"),
        ('{"bodies":\n [nope]}', "line 2, column 3: not JSON"),
        ("12", "expected an object or a list of frames. Known forms are"),
        ('{"poses": []}', "no bodies and no frames. Known forms are"),
        ('{"people": []}', "holds a single frame"),
        ('{"bodies": {"a": 1}}', "'bodies' must be a list of bodies"),
        ('{"bodies": [[[[1, 2]]]]}', "frame 0 of body 0: expected [x, y, z] for each joint"),
        ('{"bodies": [[["a"]]]}', "frame 0 of body 0: expected lists of numbers"),
        ('{"bodies": [[[[1,2,3]]], [[[1,2,3]],[[1,2,3]]]]}', "bodies of 1 and 2 frames"),
        ('{"bodies": [[[[1,2,3]],[[1,2,3]]]], "confidence": 1}', "'confidence' must have a list"),
        (
            '{"bodies": [[[[1,2,3]],[[1,2,3]]]], "confidence": [[[1,1],[1,1]]]}',
            "but 2 values of co",
        ),
        ('{"bodies": [[[[1,2,3]],[[1,2,3]]]], "layout": 3}', "layout in the file must be text"),
        ('{"bodies": [[[[1,2,3]],[[1,2,3]]]], "layout": "x"}', "in the file: there is no layout"),
        ('{"bodies": [[[[1,2,3]],[[1,2,3]]]], "fps": "x"}', "fps in the file is not a number"),
        ('{"bodies": [[[[1,2,3]],[[1,2,3]]]], "up": "w"}', "in the file: up axis 'w'"),
        ('{"bodies": [[[[1,2,3]],[[1,2,3]]]], "joint_names": 3}', "'joint_names' must be a list"),
        ('["a", "b"]', 'frame 0 is "a". Known forms'),
        ('[[[1,2,3]], {"people": [{}]}]', "frame 1 holds OpenPose people, but frame 0 bodies"),
        ('[{"joints": [[1,2,3]]}, {"joints": [[1,2,3],[1,2,3]]}]', "frame 1: a body of 2 joints"),
        ('[{"joints": [[1,2,3]], "time": 1}, {"joints": [[1,2,3]], "time": 1}]', "is not after"),
        ('[[{"x": 1, "y": 2}], [{"x": 1, "y": 2}]]', "Known forms are"),
        ('[{"bodies": 3}, {"bodies": 3}]', "frame 0: bodies and their confidence must be lists"),
        ("[" * 100_000, "not readable JSON"),
        ('{"bodies": [[[[1' + "0" * 5_000 + ",2,3]]]]}", "not readable JSON"),
        ('{"bodies": [[[[1' + "0" * 400 + ",2,3]]]]}", "expected lists of numbers"),
    ],
)
def test_spoilt_files_say_where(tmp_path, text, says):
    path = tmp_path / "c.json"
    path.write_text(text)
    assert says in refusal(path)


def test_spoilt_lines_say_where(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"layout": "ntu25"}\r\n\r\n{"joints": [[1, 2, 3]]}\r\n{"joints": \r\n')
    assert "line 4, column 12: not JSON" in refusal(path)
    path.write_text("\n \n")
    assert "the file is empty" in refusal(path)


def test_marks_and_line_ends(tmp_path, waving):
    path = tmp_path / "c.jsonl"
    lines = [json.dumps({"layout": "ntu25"}), *map(json.dumps, waving[0].tolist())]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    np.testing.assert_array_equal(read_clip(path).bodies, waving)
    path.write_bytes("\n".join(lines).encode("utf-16"))
    np.testing.assert_array_equal(read_clip(path).bodies, waving)
    path.write_bytes(b"\xff" + "\n".join(lines).encode())
    assert "not UTF-8 text" in refusal(path)


def test_a_crowd_fails_fast(tmp_path):
    frames = [{"bodies": [[[i, 1, 2]] for i in range(300)]}] * 2
    began = time.process_time()
    assert "more than 100 bodies" in refusal(written(tmp_path, frames))
    far = [{"joints": [[1, 2, 3]], "time": t} for t in (0, 1e-3, 2e-3, 1e300)]
    assert "cut it into parts" in refusal(written(tmp_path, far))
    slow = [{"joints": [[1, 2, 3]], "time": t} for t in (0, 1e300)]
    assert "frame rate 1e-300" in refusal(written(tmp_path, slow))
    assert time.process_time() - began < 5


def test_the_same_clip_in_every_form(tmp_path, world):
    array = Clip.from_array(turned(world).astype(np.float32), layout="mediapipe33")
    for value in ([marks(p) for p in world], [{"worldLandmarks": marks(p)} for p in world]):
        assert read_clip(written(tmp_path, value)).content_hash == array.content_hash
