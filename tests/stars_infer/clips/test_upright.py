"""The axis that points up is found from the bodies."""

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clips.convention import UP_AXES, Convention, turn_of
from stars_infer.clips.upright import SteadyUp, find_up
from stars_infer.layouts import NTU25, get_layout
from stars_infer.streaming.classifier import StreamClassifier
from stars_infer.streaming.options import StreamOptions
from stars_infer.synthetic.actions import ACTIONS, perform
from tests.bodies import in_layout
from tests.stars_infer.cli.streaming import filled_index


def turned(joints, up, handedness="right"):
    """Joints as a source has them in which this axis points up."""
    axes, signs = turn_of(Convention(up=up, handedness=handedness))
    result = np.zeros_like(joints)
    for axis, (of, sign) in enumerate(zip(axes, signs, strict=True)):
        result[..., of] = sign * joints[..., axis]
    return result


def acted(action="walk"):
    return perform(action, np.random.default_rng(1)).astype(np.float32)[:1]


def lying_down(frames=90):
    """Somebody who stands, lies down within a second, and stays, (1, T, 25, 3)."""
    body = acted("wave")[:, :1].repeat(frames, axis=1)
    angles = np.interp(np.arange(frames), (50, 70), (0, np.pi / 2))
    cosine, sine = (f(angles)[None, :, None] for f in (np.cos, np.sin))
    feet = body[:, :1, [14, 18]].mean(axis=2, keepdims=True)
    x, y, z = np.moveaxis(body - feet, -1, 0)
    return (np.stack((x, cosine * y - sine * z, sine * y + cosine * z), -1) + feet).astype("f4")


@pytest.mark.parametrize("up", UP_AXES)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_with_every_axis(up, action):
    joints = turned(acted(action), up)
    assert find_up(joints, np.ones(joints.shape[:2], bool), layout=NTU25) == up


@pytest.mark.parametrize("up", UP_AXES)
def test_somebody_who_lies_down_is_told_from_axes_that_are_turned(up):
    joints = turned(lying_down(), up)
    assert find_up(joints, np.ones(joints.shape[:2], bool), layout=NTU25) == up


@pytest.mark.parametrize("name", ["kinect20", "coco17", "mediapipe33", "openni15"])
@pytest.mark.parametrize("up", ["z", "-y"])
def test_a_clip_is_turned_and_a_note_says_so(name, up):
    joints = in_layout(acted("squat"), name)
    clip = Clip.from_array(turned(joints, up), layout=name, up="auto")
    np.testing.assert_allclose(clip.bodies, joints, atol=1e-6)
    assert clip.notes[0] == f"{up} points up, as the bodies stand"
    assert not [note for note in clip.notes if "pass" in note]


def test_left_handed_axes_are_mirrored_once():
    joints = acted()
    given = turned(joints, "z", "left")
    clip = Clip.from_array(given, up="auto", handedness="left")
    np.testing.assert_allclose(clip.bodies, joints, atol=1e-6)


def test_missing_joints_do_not_matter():
    joints = turned(acted("kick"), "z")
    joints[np.random.default_rng(0).random(joints.shape[:3]) < 0.1] = 0
    joints[:, 10:15] = 0
    clip = Clip.from_array(joints, up="auto", units="m")
    assert clip.notes[0].startswith("z points up")


@pytest.mark.parametrize("up", ["z", "-z", "x", "-y"])
def test_a_wrong_axis_is_doubted_and_the_note_names_the_right_one(up):
    joined = "=" if up.startswith("-") else " "
    notes = Clip.from_array(turned(acted(), up)).notes
    assert any(f"pass --up{joined}{up} " in note for note in notes)


def test_flat_bodies_stand_along_y_only():
    joints = acted()[..., [1, 0, 2]] * np.float32([1, 1, 0])
    present = np.ones(joints.shape[:2], bool)
    assert find_up(joints, present, layout=NTU25, flat=True) in ("y", "-y")


def test_a_stream_remembers_how_people_stood():
    steady = SteadyUp(Convention(up="auto"), layout=NTU25)
    joints = turned(lying_down(), "z")
    present = np.ones((1, 30), bool)
    found = [steady.convention(joints[:, at : at + 30], present).up for at in (0, 30, 60)]
    assert found == ["z", "z", "z"]


def test_a_stream_is_turned(tmp_path, encoder):
    joints = acted("squat")[0]
    with filled_index(tmp_path / "stars.db", encoder) as index:
        how = StreamOptions(live=False)  # a busy machine skips answers
        plain = StreamClassifier(encoder, index, how=how)
        found = StreamClassifier(encoder, index, up="auto", how=how)
        for number, frame in enumerate(joints):
            one, other = (
                stream.push(given, number / 30)
                for stream, given in ((plain, frame), (found, turned(frame, "z")))
            )
            if one is not None and other is not None and number > 10:
                assert other.candidate == one.candidate
                assert "z points up, as the bodies stand" in other.notes
    assert get_layout("ntu25") is NTU25
