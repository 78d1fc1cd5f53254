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


def test_unknown_names_are_refused_by_name():
    with pytest.raises(UsageError, match="no layout 'coco17'"):
        get_layout("coco17")
    with pytest.raises(UsageError, match="'elbow', needed for 'base of spine'"):
        mixture_matrix({name: {"elbow": 1.0} for name in NTU25.joints}, ("wrist",))
