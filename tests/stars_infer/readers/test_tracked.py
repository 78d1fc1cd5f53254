"""JSON of body trackers and pose estimators of many kinds."""

import json

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.synthetic.actions import perform
from tests.bodies import in_layout

FRAMES = 20
KINECT = [
    "SpineBase", "SpineMid", "Neck", "Head", "ShoulderLeft", "ElbowLeft", "WristLeft", "HandLeft",
    "ShoulderRight", "ElbowRight", "WristRight", "HandRight", "HipLeft", "KneeLeft", "AnkleLeft",
    "FootLeft", "HipRight", "KneeRight", "AnkleRight", "FootRight", "SpineShoulder", "HandTipLeft",
    "ThumbLeft", "HandTipRight", "ThumbRight",
]  # fmt: skip


@pytest.fixture(scope="module")
def body():
    """A person of NTU-25, (FRAMES, 25, 3), meters."""
    return perform("wave", np.random.default_rng(0))[0, :FRAMES]


def put(path, value):
    path.write_text(json.dumps(value))
    return path


def xyz(point):
    return dict(zip("xyz", map(float, point), strict=True))


def of_bodies(key, body_of):
    return lambda joints: [
        {key: [body_of(one)] if t % 5 else [body_of(one), {**body_of(one + 3), "id": 9}],
         "timestamp": 1000 * t / 25} for t, one in enumerate(joints)
    ]  # fmt: skip


NAMED = {
    "lists": of_bodies("bodies", lambda p: {
        "id": 4, "joints": dict(zip(KINECT, p.tolist(), strict=True))}),
    "objects": of_bodies("skeletons", lambda p: {"id": 4, "joints": {
        name: xyz(one) for name, one in zip(KINECT, p, strict=True)}}),
    "positions": of_bodies("users", lambda p: {"user_id": 4, "joints": [
        {"type": "JOINT_" + name, "confidence": 0.75, "real": one.tolist()}
        for name, one in zip(KINECT, p, strict=True)]}),
    "states": of_bodies("Bodies", lambda p: {"TrackingId": "4", "Joints": {
        name: {"Position": {"X": one[0], "Y": one[1], "Z": one[2]}, "TrackingState": "Tracked"}
        for name, one in zip(KINECT, p.tolist(), strict=True)}}),
    "keypoints": of_bodies("people", lambda p: {"track_id": 4, "keypoints": [
        {"name": name, **xyz(one), "score": 0.9} for name, one in zip(KINECT, p, strict=True)]}),
    "one body": lambda p: [{"time": t / 25, "joints": [
        {"name": name, **xyz(one)} for name, one in zip(KINECT, joints, strict=True)]}
        for t, joints in enumerate(p)],
}  # fmt: skip


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
@pytest.mark.parametrize("form", NAMED.values(), ids=NAMED)
def test_bodies_with_named_joints(tmp_path, body, form, ending):
    frames = form(body)
    path = tmp_path / f"c{ending}"
    path.write_text(json.dumps(frames) if ending == ".json" else "\n".join(map(json.dumps, frames)))
    clip = read_clip(path)
    assert (clip.layout, clip.fps) == ("ntu25", pytest.approx(25))
    np.testing.assert_allclose(clip.bodies[np.argmax(clip.presence.sum(axis=1))], body, atol=1e-6)


def test_a_joint_that_is_not_tracked_is_missing(tmp_path, body):
    frames = NAMED["states"](body)
    wrist = frames[3]["Bodies"][0]["Joints"]["WristLeft"]
    wrist |= {"TrackingState": "NotTracked", "Position": {"X": 50.0, "Y": 0.0, "Z": 0.0}}
    clip = read_clip(put(tmp_path / "c.json", frames))
    assert np.abs(clip.bodies).max() < 10
    assert any("left wrist of body 0 is missing or uncertain" in note for note in clip.notes)


def test_azure_kinects_offline_processor(tmp_path, body):
    joints = in_layout(body, "azure32") * [-1000, -1000, 1000]
    names = [name.upper().replace(" ", "_") for name in get_layout("azure32").joints]
    frames = [
        {"timestamp_usec": 7 + 66_667 * t, "frame_id": t, "num_bodies": int(t != 4),
         "bodies": [{"body_id": 1, "joint_positions": one.tolist(),
                     "joint_orientations": [[1, 0, 0, 0]] * 32}] if t != 4 else []}
        for t, one in enumerate(joints)
    ]  # fmt: skip
    content = {"k4abt_sdk_version": "1.1.2", "joint_names": names, "frames": frames}
    clip = read_clip(put(tmp_path / "c.json", content))
    assert (clip.layout, clip.notes) == ("azure32", ())
    assert clip.fps == pytest.approx(15, rel=1e-3)
    assert np.flatnonzero(~clip.presence[0]).tolist() == [4]
    seen = clip.presence[0]
    np.testing.assert_allclose(clip.bodies[0, seen], in_layout(body, "azure32")[seen], atol=1e-5)


@pytest.mark.parametrize(("layout", "keyed"), [("zed18", True), ("zed34", True), ("zed38", False)])
def test_zed(tmp_path, body, layout, keyed):
    joints = in_layout(body, layout)
    frames = [
        {"is_new": True, "timestamp": 1_700_000_000_000_000_000 + 33_333_333 * t, "body_list": [
            {"id": 0, "position": [0, 0, 1], "confidence": 93.0, "keypoint": one.tolist(),
             "keypoint_2d": one[:, :2].tolist(), "keypoint_confidence": [80.0] * len(one)}]}
        for t, one in enumerate(joints)
    ]  # fmt: skip
    content = {str(frame["timestamp"] // 10**6): frame for frame in frames} if keyed else frames
    clip = read_clip(put(tmp_path / "c.json", content))
    assert get_layout(clip.layout) is get_layout(layout)
    assert clip.fps == pytest.approx(30, rel=1e-3)
    np.testing.assert_allclose(clip.bodies[0], joints, atol=1e-6)


def test_mmpose(tmp_path, body):
    names = get_layout("h36m17").joints
    joints = in_layout(body, "h36m17")[..., [0, 2, 1]] * [1, -1, 1]
    content = {
        "meta_info": {"keypoint_id2name": dict(enumerate(names))},
        "instance_info": [
            {"frame_id": t, "instances": [{"keypoints": one.tolist(),
                                           "keypoint_scores": [0.9] * 17}]}
            for t, one in enumerate(joints)
        ],
    }  # fmt: skip
    clip = read_clip(put(tmp_path / "c.json", content), fps=30)
    assert clip.layout == "h36m17"
    np.testing.assert_allclose(clip.bodies[0], in_layout(body, "h36m17"), atol=1e-6)


@pytest.fixture(scope="module")
def world():
    """World landmarks, hips at the origin, y down, (FRAMES, 33, 3)."""
    rng = np.random.default_rng(0)
    points = rng.normal(scale=0.3, size=(1, 33, 3)) + rng.normal(scale=0.005, size=(20, 33, 3))
    points[:, 24] = -points[:, 23]
    return points


def tfjs(points):
    names = [name.replace(" ", "_") for name in get_layout("mediapipe33").joints]
    return {
        "score": 0.9,
        "keypoints": [{"x": 500.0, "y": 300.0, "z": 0.1, "score": 0.9, "name": n} for n in names],
        "keypoints3D": [
            {**xyz(one), "score": 0.9, "name": name}
            for one, name in zip(points, names, strict=True)
        ],
    }


@pytest.mark.parametrize(
    "form", [lambda p: [tfjs(p)], tfjs, lambda p: {"poses": [tfjs(p)], "timestamp": 1}]
)
def test_tensorflow_js(tmp_path, world, form):
    frames = [form(one) for one in world]
    for t, frame in enumerate(frames):
        if isinstance(frame, dict) and "timestamp" in frame:
            frame["timestamp"] = 40 * t
    clip = read_clip(put(tmp_path / "c.json", frames))
    assert clip.layout == "mediapipe33"
    np.testing.assert_allclose(clip.bodies[0], world * [-1, -1, 1], atol=1e-6)


@pytest.mark.parametrize("masks", ["None", "[<mediapipe.python._framework_bindings.Image at 0x7>]"])
@pytest.mark.parametrize("between", ["\n", "\n\n", ",\n"])
def test_printed_results_of_mediapipe(tmp_path, world, masks, between):
    def marks(kind, points):
        return ", ".join(
            f"{kind}(x={x!r}, y={y!r}, z={z!r}, visibility=0.99, presence=1.0, name=None)"
            for x, y, z in points.tolist()
        )

    path = tmp_path / "c.json"
    path.write_text(between.join(
        f"PoseLandmarkerResult(pose_landmarks=[[{marks('NormalizedLandmark', abs(one))}]], "
        f"pose_world_landmarks=[[{marks('Landmark', one)}]], segmentation_masks={masks})"
        for one in world
    ))  # fmt: skip
    clip = read_clip(path)
    np.testing.assert_allclose(clip.bodies[0], world * [-1, -1, 1], atol=1e-6)
    path.write_text("PoseLandmarkerResult(pose_landmarks=__import__('os').getcwd())")
    with pytest.raises(ClipError):
        read_clip(path)


FLAT = {
    "ST-GCN": {"label": "wave", "data": [
        {"frame_index": t, "skeleton": [{"pose": [0.1, 0.2] * 18, "score": [0.9] * 18}]}
        for t in range(9)]},
    "MoveNet": [[{"score": 1, "keypoints": [{"x": 1.0, "y": 2.0, "name": f"k{i}", "score": 1}
                                            for i in range(17)]}]] * 9,
    "OpenPose": [{"people": [{"pose_keypoints_2d": [1.0, 2.0, 0.5] * 25}]}] * 9,
}  # fmt: skip


@pytest.mark.parametrize("content", FLAT.values(), ids=FLAT)
def test_points_in_2d_are_refused_in_one_line(tmp_path, content):
    with pytest.raises(ClipError, match="points in 2D only") as caught:
        read_clip(put(tmp_path / "c.json", content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"joint_positions": [[1, 2, 3, 4]]}, "expected [x, y, z] for each joint"),
        ({"joint_positions": [["a", 2, 3]]}, "frame 0, body 0: expected numbers"),
        ({"joint_positions": 3, "joints": "x"}, "must be a list of joints"),
        ({"keypoint": [[1, 2, 3]], "keypoint_confidence": [1, 1]}, "but 2 values of confidence"),
        ({"pose": [1, 2, 3, 4], "score": [1]}, "4 numbers are not x, y, z for each joint"),
    ],
)  # fmt: skip
def test_spoilt_bodies_say_where(tmp_path, body, says):
    with pytest.raises(ClipError) as caught:
        read_clip(put(tmp_path / "c.json", [{"bodies": [body]}] * 3))
    assert says in str(caught.value)


def test_more_names_than_joints(tmp_path, body):
    content = {"joint_names": ["one", *get_layout("ntu25").joints], "bodies": [body.tolist()]}
    with pytest.raises(ClipError, match="26 joint names, but 25 joints: name each joint once"):
        read_clip(put(tmp_path / "c.json", content))


def test_a_layout_for_other_files_does_not_stop_named_joints(tmp_path, body):
    content = {"joint_names": KINECT, "bodies": [body.tolist()]}
    path = put(tmp_path / "c.json", content)
    clip = read_clip(path, layout="kinect20")
    assert clip.layout == "ntu25"
    assert any("named as those of 'ntu25', not of 'kinect20'" in note for note in clip.notes)
    with pytest.raises(ClipError, match="not those of layout 'kinect20', that the file names"):
        read_clip(put(path, content | {"layout": "kinect20"}))


@pytest.mark.filterwarnings("error")
def test_a_number_too_large_for_any_place_leaves_people_followed(tmp_path, body):
    frames = []
    for t, joints in enumerate(body):
        people = [joints.astype(float), joints + 3.0]
        if t == 7:
            people[0][4] = 1e200
        if t % 2:
            people.reverse()
        frames.append({"bodies": [{"joints": dict(zip(KINECT, p.tolist(), strict=True))}
                                  for p in people]})  # fmt: skip
    clip = read_clip(put(tmp_path / "two.json", frames))
    assert len(clip.bodies) == 2
    np.testing.assert_allclose(clip.bodies[:, :, 0], [body[:, 0], body[:, 0] + 3], atol=1e-4)
