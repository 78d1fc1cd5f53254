import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip
from stars_infer.errors import UsageError
from stars_infer.layouts import (
    NTU25,
    NTU25_JOINTS,
    NTU25_PARENTS,
    get_layout,
    layout_for_names,
    layout_names,
    layouts_with,
    list_joints,
    mixture_matrix,
)
from stars_infer.layouts.bones import STANDARD_LENGTHS
from stars_infer.preprocessing.normalize import CHAIN
from stars_infer.preprocessing.prepare import prepare, to_ntu25
from stars_infer.synthetic.actions import perform
from tests.bodies import at, axes, in_layout

every_layout = pytest.mark.parametrize(
    "layout", [get_layout(name) for name in layout_names()], ids=layout_names()
)
PREFIXES = ["", "mixamorig:", "A|Character1:", "Man_"]
TIPS = ["tip of left hand", "left thumb", "tip of right hand", "right thumb"]
FLIP = np.float32([-1, 1, 1])


def upright(arms):
    """A standard adult who faces the camera (-z), arms hanging or out to the sides: (1, 25, 3)."""
    direction = np.zeros((25, 3))
    for name in ("middle of spine", "spine at shoulders", "neck", "head"):
        direction[NTU25_JOINTS.index(name)] = [0, 1, 0]
    for side, x in (("left", -1), ("right", 1)):
        for name in ("shoulder", "hip"):
            direction[NTU25_JOINTS.index(f"{side} {name}")] = [x, 0, 0]
        for name in ("knee", "ankle"):
            direction[NTU25_JOINTS.index(f"{side} {name}")] = [0, -1, 0]
        for name in (f"{side} elbow", f"{side} wrist", f"{side} hand", f"tip of {side} hand"):
            direction[NTU25_JOINTS.index(name)] = [x, 0, 0] if arms == "out" else [0, -1, 0]
        direction[NTU25_JOINTS.index(f"{side} foot")] = [0, 0, -1]
        along = direction[NTU25_JOINTS.index(f"{side} wrist")]
        direction[NTU25_JOINTS.index(f"{side} thumb")] = 0.8 * along + [0, 0, -0.6]
    return (CHAIN @ (direction * STANDARD_LENGTHS[:, None]))[None].astype(np.float32)


def bone_lengths(joints):
    return np.linalg.norm(joints - joints[..., NTU25_PARENTS, :], axis=-1)


def sided(joints):
    """For each NTU-25 joint its counterpart, by name."""
    sides = {"left": "right", "right": "left"}
    names = [" ".join(sides.get(word, word) for word in joint.split()) for joint in joints]
    return [joints.index(name) for name in names]


def test_there_are_layouts_of_sensors_pose_estimators_and_motion_capture():
    assert layout_names()[0] == "ntu25"
    assert set(layout_names()) >= {
        *("kinect20", "azure32", "openni15", "h36m17", "coco17", "body25", "mediapipe33"),
        *("smpl24", "cmu", "cmu-mb", "hdm05", "bandai", "mixamo", "vicon", "humanik"),
    }
    assert set(layouts_with(25)) >= {"ntu25", "body25"}
    assert layouts_with(1000) == []


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("kinect20", 20, "hip center", "right foot"),
        ("azure32", 32, "pelvis", "right ear"),
        ("openni15", 15, "head", "right foot"),
        ("h36m17", 17, "pelvis", "right wrist"),
        ("coco17", 17, "nose", "right ankle"),
        ("body25", 25, "nose", "right heel"),
        ("mediapipe33", 33, "nose", "right foot index"),
        ("smpl24", 24, "pelvis", "right hand"),
    ],
)
def test_layouts_with_an_order_have_it(name, count, first, last):
    layout = get_layout(name)
    assert (len(layout.joints), layout.joints[0], layout.joints[-1]) == (count, first, last)
    assert name in layouts_with(count)
    assert not layout.by_name


@every_layout
def test_every_layout_says_what_it_is_of(layout):
    assert len(layout.about) > 30
    assert layout.by_name == (layout.name not in layouts_with(len(layout.joints)))


@every_layout
def test_bones_join_all_joints_into_one_tree(layout):
    assert len(set(layout.joints)) == len(layout.joints)
    assert len(layout.bones) == len(layout.joints) - 1
    (root,) = (joint for joint, parent in enumerate(layout.parents) if joint == parent)
    for joint in range(len(layout.joints)):
        at = joint
        for _ in layout.joints:
            at = layout.parents[at]
        assert at == root


@every_layout
def test_mirror_pairs_are_an_involution_of_joints_and_of_bones(layout):
    other = layout.counterparts
    assert [other[joint] for joint in other] == list(range(len(layout.joints)))
    bones = {frozenset(bone) for bone in layout.bones}
    assert {frozenset(other[joint] for joint in bone) for bone in bones} == bones
    assert {joint for pair in layout.mirror for joint in pair} >= {
        layout.joints.index(name)
        for target in NTU25_JOINTS
        if "left" in target or "right" in target
        for name in layout.ntu25[target]
        if len(layout.ntu25[target]) == 1
    }


def test_mirror_pairs_of_ntu25_are_left_and_right():
    assert list(NTU25.counterparts) == sided(NTU25.joints)
    assert all("left" in NTU25.joints[left] for left, _ in NTU25.mirror)


@every_layout
def test_every_ntu_joint_is_a_mixture_that_sums_to_one(layout):
    np.testing.assert_allclose(layout.ntu25_matrix().sum(axis=1), 1, atol=1e-6)
    assert sum(layout.center.values()) == pytest.approx(1)


@every_layout
def test_the_mirror_image_of_a_body_maps_to_the_mirror_image(layout):
    joints = np.random.default_rng(0).normal(size=(4, len(layout.joints), 3)).astype(np.float32)
    mirrored = to_ntu25(joints[:, layout.counterparts] * FLIP, layout.name)
    expected = to_ntu25(joints, layout.name)[:, sided(NTU25.joints)] * FLIP
    np.testing.assert_allclose(mirrored, expected, atol=1e-5)


@every_layout
def test_joints_that_are_not_synthesized_are_those_of_the_source(layout):
    joints = np.random.default_rng(0).normal(size=(4, len(layout.joints), 3)).astype(np.float32)
    mapped = to_ntu25(joints, layout.name)
    true = [name for name in NTU25_JOINTS if name not in layout.synthesized]
    sources = {next(iter(layout.ntu25[name])) for name in true}
    assert len(sources) == len(true)
    for name in true:
        (source,) = layout.ntu25[name]
        expected = joints[:, layout.joints.index(source)]
        np.testing.assert_array_equal(at(mapped, name), expected)


@every_layout
@pytest.mark.parametrize("action", ["wave", "walk", "jump"])
def test_a_body_in_a_layout_maps_back_to_itself(layout, action):
    body = perform(action, np.random.default_rng(3))[0]
    mapped = to_ntu25(in_layout(body, layout.name), layout.name)
    away = np.linalg.norm(mapped - body, axis=2).max(axis=0)
    for name, distance in zip(NTU25_JOINTS, away.tolist(), strict=True):
        # Where a layout ends at wrist and ankle, the rest of hand and foot is lost.
        end = any(part in name for part in ("hand", "thumb", "foot"))
        allowed = 1e-6 if name not in layout.synthesized else 0.17 if end else 0.06
        assert distance <= allowed, name


@every_layout
def test_bone_lengths_survive_the_mapping(layout):
    body = perform("wave", np.random.default_rng(3))[0]
    before = bone_lengths(body)
    after = bone_lengths(to_ntu25(in_layout(body, layout.name), layout.name))
    assert after.std(axis=0).max() < before.std(axis=0).max() + 0.012
    long = np.median(before, axis=0) > 0.2
    assert long.sum() == 10  # spine, arms and legs
    ratio = np.median(after, axis=0)[long] / np.median(before, axis=0)[long]
    np.testing.assert_allclose(ratio, 1, atol=0.16)


@every_layout
@pytest.mark.parametrize("arms", ["out", "down"])
def test_somebody_who_faces_the_camera_maps_to_a_plausible_body(layout, arms):
    (body,) = to_ntu25(in_layout(upright(arms), layout.name), layout.name)
    height = {name: float(at(body, name)[1]) for name in NTU25_JOINTS}
    column = ("base of spine", "middle of spine", "spine at shoulders", "neck", "head")
    assert [height[name] for name in column] == sorted(height[name] for name in column)
    assert np.abs([at(body, name)[[0, 2]] for name in column]).max() < 0.05
    shoulders = (height["left shoulder"] + height["right shoulder"]) / 2
    assert height["base of spine"] < height["middle of spine"] < shoulders
    for side, x in (("left", -1), ("right", 1)):
        wrist, elbow, hand, tip = (
            at(body, name)
            for name in (f"{side} wrist", f"{side} elbow", f"{side} hand", f"tip of {side} hand")
        )
        along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        assert 0 < (wrist - elbow) @ along < (hand - elbow) @ along + 1e-6
        assert (hand - elbow) @ along <= (tip - elbow) @ along + 1e-6
        assert (at(body, f"{side} thumb") - wrist) @ along > 0
        for name in ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot"):
            assert x * at(body, f"{side} {name}")[0] > 0.05
        assert height[f"{side} hip"] > height[f"{side} knee"] > height[f"{side} ankle"]
        assert at(body, f"{side} foot")[2] <= at(body, f"{side} ankle")[2] + 1e-6
        if arms == "out":
            assert abs(height[f"{side} hand"] - height[f"{side} shoulder"]) < 0.03
    _, ahead, right = axes(body)
    assert ahead @ [0, 0, -1] > 0.99
    assert right @ [1, 0, 0] > 0.99


@every_layout
def test_clips_of_a_layout_go_the_whole_way(layout):
    body = perform("jump", np.random.default_rng(1))
    clip = Clip.from_array(in_layout(body, layout.name), layout=layout.name)
    assert clip.notes == ()
    np.testing.assert_allclose(
        prepare(clip)[..., 3, :], prepare(Clip.from_array(body))[..., 3, :], atol=0.08
    )


@pytest.mark.parametrize(
    ("name", "made"),
    [
        (
            "kinect20",
            ["neck", *TIPS],
        ),
        ("ntu25", []),
        ("azure32", ["middle of spine", "spine at shoulders"]),
    ],
)
def test_what_is_synthesized_follows_from_the_table(name, made):
    assert sorted(get_layout(name).synthesized) == sorted(made)
    assert "left foot" in get_layout("openni15").synthesized  # a copy of its ankle
    assert "left ankle" not in get_layout("openni15").synthesized


def test_what_h36m17_and_openni15_lack_is_made_up():
    def mapped(layout, **positions):
        names = get_layout(layout).joints
        joints = np.zeros((1, len(names), 3), np.float32)
        for name, x in positions.items():
            joints[0, names.index(name.replace("_", " ")), 0] = x
        return dict(zip(NTU25.joints, to_ntu25(joints, layout)[0, :, 0].tolist(), strict=True))

    arm = mapped("h36m17", left_elbow=1.0, left_wrist=2.0, left_ankle=3.0)
    for name in ("left hand", "tip of left hand", "left thumb"):
        assert arm[name] == pytest.approx(2.3)
    assert arm["left foot"] == pytest.approx(3)
    kinect = mapped("openni15", right_elbow=1.0, right_hand=2.0, neck=4.0, head=6.0, left_hip=8.0)
    assert kinect["right wrist"] == pytest.approx(1.8)
    assert kinect["right thumb"] == pytest.approx(2)
    assert (kinect["neck"], kinect["spine at shoulders"]) == (pytest.approx(5), pytest.approx(4))
    assert kinect["base of spine"] == pytest.approx(4)


def test_unknown_names_are_refused_by_name():
    with pytest.raises(UsageError, match=r"no layout 'tricorder'; known layouts: ntu25, arkit91"):
        get_layout("tricorder")
    with pytest.raises(UsageError, match=r"no layout 'MediaPipe'; did you mean 'mediapipe33'\?"):
        get_layout("MediaPipe")
    with pytest.raises(UsageError, match="'elbow', needed for 'base of spine'"):
        mixture_matrix({name: {"elbow": 1.0} for name in NTU25.joints}, ("wrist",))


@every_layout
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), before=st.sampled_from(PREFIXES))
def test_a_layout_is_recognized_by_its_names_in_any_order(layout, seed, before):
    random = np.random.default_rng(seed)
    names = [before + name for name in (*layout.joints, "tail", "antenna")]
    order = random.permutation(len(names))
    shuffled = [names[place] for place in order]
    for written in (shuffled, [name.upper().replace(" ", "_") for name in shuffled]):
        found, places = layout_for_names(written)
        assert found == layout
        assert [shuffled[place] for place in places] == [before + name for name in layout.joints]


def test_the_layout_with_most_joints_wins():
    mixamo = get_layout("mixamo")
    names = ["mixamorig:" + name for name in mixamo.joints]
    assert layout_for_names(names)[0].name == "mixamo"
    without_fingers = [name for name in names if "HandMiddle" not in name and "Thumb" not in name]
    assert layout_for_names(without_fingers)[0].name == "mixamo25"
    without_top = [name for name in without_fingers if "HeadTop" not in name]
    assert layout_for_names(without_top)[0].name == "humanik"
    assert layout_for_names(["mixamorigHips", *names[1:]])[0].name == "mixamo"
    assert layout_for_names(names[1:]) is None
    assert layout_for_names([]) is None


def test_names_that_come_twice_are_nobodys():
    names = [f"{who}:{name}" for who in ("Ann", "Bob") for name in get_layout("humanik").joints]
    assert layout_for_names(names) is None


@pytest.mark.parametrize("name", ["cmu", "hdm05", "bandai"])
def test_real_hierarchies_are_recognized(shared, name):
    with np.load(shared / f"data/mocap/{name}.npz") as archive:
        names = archive["joint_names"].tolist()
        positions = archive["positions"][:600].astype(np.float32)
    layout, places = layout_for_names(names)
    assert layout.name == name
    assert [names[place] for place in places] == list(layout.joints)
    mapped = to_ntu25(positions[:, places], name)
    np.testing.assert_allclose(
        bone_lengths(mapped).mean(axis=0)[[5, 6, 13, 14]],
        STANDARD_LENGTHS[[5, 6, 13, 14]],
        atol=0.16,
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "a0"), (2, "a0 and a1"), (4, "a0, a1, a2 and a3"), (9, "a0, a1, a2 and 6 more")],
)
def test_joints_are_listed_shortly(count, text):
    names = [f"a{number}" for number in range(count)]
    assert list_joints(names) == list_joints(names * 2) == text
    assert len(list_joints(["x" * 1000])) < 50
