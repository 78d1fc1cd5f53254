import numpy as np

from stars_infer.layouts import NTU25_JOINTS, get_layout
from stars_infer.similarity.modes import JOINTS, MODE_COUNT, MODES, SIDES


def mirror_image(posture):
    """A posture (25, 3) seen in a mirror, x to the side: its left hand is the right one."""
    pairs = get_layout("ntu25").mirror
    image = posture * [-1, 1, 1]
    for left, right in pairs:
        image[[left, right]] = image[[right, left]]
    return image


def modes_of(posture):
    return MODES.astype(np.float64) @ posture[list(JOINTS)]


def test_modes_are_orthonormal():
    assert MODES.shape == (MODE_COUNT, len(JOINTS)) == (8, 19)
    np.testing.assert_allclose(MODES.astype(np.float64) @ MODES.T, np.eye(8), atol=1e-2)


def test_a_mirrored_posture_changes_the_signs_of_some_modes():
    assert len(get_layout("ntu25").mirror) == 10
    random = np.random.default_rng(0)
    for _ in range(20):
        posture = random.normal(size=(25, 3))
        expected = SIDES[:, None] * modes_of(posture) * [-1, 1, 1]
        np.testing.assert_allclose(modes_of(mirror_image(posture)), expected, atol=1e-6)
    assert set(SIDES.tolist()) == {1, -1}


def test_the_joints_are_those_that_a_kinect_v1_sees_too_less_the_base_of_the_spine():
    names = [NTU25_JOINTS[joint] for joint in JOINTS]
    made = get_layout("kinect20").synthesized
    assert set(names) == set(NTU25_JOINTS) - set(made) - {"base of spine"}
    for first, limb in ((3, "shoulder elbow wrist hand"), (11, "hip knee ankle foot")):
        for number, joint in enumerate(limb.split()):
            assert names[first + number] == f"left {joint}"
            assert names[first + 4 + number] == f"right {joint}"
