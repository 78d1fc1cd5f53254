import numpy as np
import pytest

from stars_infer.errors import UsageError
from stars_infer.layouts import KINECT20, LAYOUTS, NTU25, get_layout, mixture_matrix
from stars_infer.preparation import to_ntu25


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_bones_join_all_joints_into_one_tree(layout):
    assert len(set(layout.joints)) == len(layout.joints)
    assert len(layout.bones) == len(layout.joints) - 1
    reached = {layout.bones[0][0]}
    for parent, child in layout.bones:
        assert parent in reached
        reached.add(child)
    assert reached == set(range(len(layout.joints)))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_ntu_joint_is_a_mixture_that_sums_to_one(layout):
    np.testing.assert_allclose(layout.ntu25_matrix().sum(axis=1), 1, atol=1e-6)


def test_kinect20_lands_where_it_should():
    joints = np.random.default_rng(0).normal(size=(2, 5, 20, 3)).astype(np.float32)
    mapped = to_ntu25(joints, "kinect20")

    def ntu(name):
        return mapped[..., NTU25.joints.index(name), :]

    def kinect(name):
        return joints[..., KINECT20.joints.index(name), :]

    assert mapped.shape == (2, 5, 25, 3)
    for side in ("left", "right"):
        for name in ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot"):
            np.testing.assert_array_equal(ntu(f"{side} {name}"), kinect(f"{side} {name}"))
        for name in (f"tip of {side} hand", f"{side} thumb"):
            np.testing.assert_array_equal(ntu(name), kinect(f"{side} hand"))
    between = (kinect("shoulder centre") + kinect("head")) / 2
    np.testing.assert_allclose(ntu("neck"), between, atol=1e-6)
    np.testing.assert_array_equal(ntu("spine at shoulders"), kinect("shoulder centre"))
    np.testing.assert_array_equal(ntu("base of spine"), kinect("hip centre"))


def swapped(joints):
    """For each joint its counterpart on the other side of the body."""
    sides = {"left": "right", "right": "left"}
    names = [" ".join(sides.get(word, word) for word in joint.split()) for joint in joints]
    return [joints.index(name) for name in names]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_mirror_image_of_a_body_maps_to_the_mirror_image(layout):
    joints = np.random.default_rng(0).normal(size=(4, len(layout.joints), 3)).astype(np.float32)
    flip = np.float32([-1, 1, 1])
    mirrored = to_ntu25(joints[:, swapped(layout.joints)] * flip, layout.name)
    expected = to_ntu25(joints, layout.name)[:, swapped(NTU25.joints)] * flip
    np.testing.assert_allclose(mirrored, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("layout", "elsewhere", "shared"), [("h36m17", set(), 14), ("openni15", {"neck"}, 13)]
)
def test_joints_of_the_same_name_land_unchanged(layout, elsewhere, shared):
    names = get_layout(layout).joints
    joints = np.random.default_rng(0).normal(size=(4, len(names), 3)).astype(np.float32)
    mapped = to_ntu25(joints, layout)
    same = [name for name in names if name in NTU25.joints and name not in elsewhere]
    assert len(same) == shared
    for name in same:
        np.testing.assert_array_equal(
            mapped[:, NTU25.joints.index(name)], joints[:, names.index(name)]
        )


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
    with pytest.raises(UsageError, X:
        get_layout("coco17")
    with pytest.raises(UsageError, match="'elbow', needed for 'base of spine'"):
        mixture_matrix({name: {"elbow": 1.0} for name in NTU25.joints}, ("wrist",))
