"""Joints that jump away for a moment are taken out."""

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clips.spikes import take_out_spikes
from stars_infer.layouts import NTU25, NTU25_JOINTS
from stars_infer.synthetic.actions import SOLO_ACTIONS
from tests.stars_infer.clips.company import acting


def taken_out(joints, fps=30.0):
    (body,), notes = take_out_spikes(
        joints[None], np.ones((1, len(joints)), bool), layout=NTU25, fps=fps
    )
    return np.isnan(body).all(axis=2), notes


@pytest.mark.parametrize("action", SOLO_ACTIONS)
@pytest.mark.parametrize("fps", [15, 30, 120])
def test_people_who_act_have_none(action, fps):
    joints = acting(action)[:: 2 if fps == 15 else 1]
    off, notes = taken_out(joints, float(fps))
    assert not off.any()
    assert notes == ()


@pytest.mark.parametrize("joint", [0, 3, 11, 24])
@pytest.mark.parametrize("frame", [0, 1, 40, -2, -1])
@pytest.mark.parametrize("meters", [1, 3, 50])
def test_one_joint_off_in_one_frame_is_interpolated_with_a_note(joint, frame, meters):
    joints = acting("wave")
    moved = joints.copy()
    moved[frame, joint, 1] += meters
    off, (note,) = taken_out(moved)
    assert np.argwhere(off).tolist() == [[frame % len(joints), joint]]
    assert note == (
        f"{NTU25_JOINTS[joint]} of body 0 jumps away in 1 frame, from frame "
        f"{frame % len(joints)}: taken as missing there"
    )
    clip = Clip.from_array(moved)
    np.testing.assert_allclose(clip.bodies[0], joints, atol=0.15)


@pytest.mark.parametrize(("frames", "fps"), [(3, 30), (6, 60)])
def test_for_up_to_a_tenth_of_a_second(frames, fps):
    joints = acting("squat")
    joints[20 : 20 + frames, 5] += [0, 0, 2]
    off, _ = taken_out(joints, float(fps))
    assert np.flatnonzero(off[:, 5]).tolist() == list(range(20, 20 + frames))
    longer = acting("squat")
    longer[20 : 21 + frames, 5] += [0, 0, 2]
    assert not taken_out(longer, float(fps))[0].any()


def test_the_unit_does_not_matter():
    joints = acting("kick")
    joints[30, 0] += 2
    off, _ = taken_out(1000 * joints)
    assert np.argwhere(off).tolist() == [[30, 0]]


def test_a_whole_body_that_jumps_and_a_noisy_one_are_left():
    joints = acting("kick")
    joints[30] += 2
    assert not taken_out(joints)[0].any()
    random = np.random.default_rng(0)
    assert not taken_out(random.normal(size=(60, 25, 3)).astype(np.float32))[0].any()
    often = acting("kick")
    often[::4, 7] += 1
    assert not taken_out(often)[0].any()


def test_joints_that_are_missing_are_no_spikes():
    joints = acting("wave")
    joints[10:14, 4] = np.nan
    joints[:, 20] = np.nan
    joints[30, 8] += 2
    off, (note,) = taken_out(joints)
    assert off[30, 8]
    assert "from frame 30" in note
