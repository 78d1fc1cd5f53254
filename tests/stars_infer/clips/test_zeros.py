"""Joints at exactly (0, 0, 0): lost ones are mended as NaN is, the body's own origin stays."""

import json

import numpy as np
import pytest

from stars_infer import Clip, read_clip
from stars_infer.errors import ClipError
from stars_infer.layouts import NTU25, NTU25_JOINTS, get_layout
from stars_infer.readers.bvh import read_bvh
from stars_infer.streaming.buffer import FrameBuffer
from stars_infer.streaming.classifier import StreamClassifier
from stars_infer.streaming.options import StreamOptions
from stars_infer.synthetic.actions import perform
from tests.bodies import in_layout
from tests.stars_infer.cli.streaming import FPS, filled_index, recording

ACTIONS = ("walk", "clap", "squat")
HAND = ("left hand", "tip of left hand", "left thumb")


def place(*names):
    return [NTU25_JOINTS.index(name) for name in names]


def acted(action="clap"):
    """A body 2.6 m from the origin, (1, T, 25, 3)."""
    return perform(action, np.random.default_rng(1)).astype(np.float32)


def about(joints, joint=0):
    """Positions relative to a joint, the base of the spine unless said otherwise."""
    return joints - joints[:, :, joint : joint + 1]


def tenth(joints, *, but=()):
    lost = np.random.default_rng(2).random(joints.shape[:3]) < 0.1
    lost[:, :, list(but)] = False
    return lost


def check_as_nan(joints, lost, **options):
    zero, missing = joints.copy(), joints.copy()
    zero[lost], missing[lost] = 0, np.nan
    mended, expected = (Clip.from_array(x, **options) for x in (zero, missing))
    np.testing.assert_array_equal(mended.bodies, expected.bodies)
    np.testing.assert_array_equal(mended.presence, expected.presence)
    assert mended.notes[1:] == expected.notes
    return mended.notes[0]


@pytest.mark.parametrize("action", ACTIONS)
def test_lost_joints_are_mended_as_nan_is_and_a_note_says_so(action):
    joints = acted(action)
    lost = tenth(joints)
    note = check_as_nan(joints, lost)
    frames = int(lost.any(axis=2).sum())
    assert note == (
        f"body 0: 25 joints at exactly (0, 0, 0) in {frames} of {joints.shape[1]} frames, taken as "
        "missing"
    )


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("joint", [*HAND[:1], "spine at shoulders", "base of spine"])
def test_the_joint_that_positions_are_relative_to_stays(action, joint):
    (at,) = place(joint)
    joints = about(acted(action), at)
    if joint == "left hand":  # nothing tells that from a hand that is never seen but its bones
        joints = joints[:, :20]
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies, joints)
    assert clip.notes == ()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_noisy_root_stays_and_others_are_mended(action):
    joints = about(acted(action))
    joints[:, :, 1:] += np.random.default_rng(3).normal(0, 0.02, joints[:, :, 1:].shape)
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies, joints)
    lost = tenth(joints, but=[0])
    zero, missing = joints.copy(), joints.copy()
    zero[lost], missing[lost] = 0, np.nan
    mended = Clip.from_array(zero)
    assert not mended.bodies[0, :, 0].any()
    # A joint whose neighbors happen to be a bone from the origin may stay there: no harm done.
    away = np.linalg.norm(mended.bodies - Clip.from_array(missing).bodies, axis=3)
    assert (away > 1e-6).mean() < 0.01
    assert away.max() < 0.12


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("center", [lambda x: x, about])
def test_a_joint_that_is_never_seen_is_placed(action, center):
    joints = center(acted(action))
    lost = np.zeros(joints.shape[:3], bool)
    lost[:, :, place(*HAND, "head")] = True
    assert "4 joints" in check_as_nan(joints, lost)


def test_hips_that_are_never_seen_are_refused_as_with_nan():
    joints = about(acted())
    joints[:, :, place("left hip")] = 0
    with pytest.raises(ClipError, match="the left hip of body 0 is never seen"):
        Clip.from_array(joints)


def test_joints_that_lie_on_the_root_stay_with_it():
    layout = get_layout("cmu-mb")
    joints = in_layout(acted("walk"), "cmu-mb")
    root, *others = map(layout.joints.index, ("Hips", "LHipJoint", "RHipJoint", "LowerBack"))
    joints[:, :, others] = joints[:, :, [root]]
    for centered in (about(joints, root), joints - joints[:, :1, root : root + 1]):
        clip = Clip.from_array(centered, layout="cmu-mb")
        np.testing.assert_array_equal(clip.bodies, centered)
        assert clip.notes == ()
    lost = np.zeros(joints.shape[:3], bool)
    lost[0, 5:9, [root, *others]] = True
    assert "4 joints" in check_as_nan(joints, lost, layout="cmu-mb")


@pytest.mark.parametrize("action", ACTIONS)
def test_a_root_that_begins_at_the_origin_stays(action):
    joints = acted(action)
    joints -= joints[:, :1, :1]
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies, joints)
    assert clip.notes == ()


def test_a_foot_that_is_lost_where_a_walk_begins_is_missing():
    joints = acted("walk")
    joints[..., 2] += np.linspace(0, 3, joints.shape[1], dtype=np.float32)[:, None]
    joints -= joints[:, :1, place("left foot")]
    lost = np.zeros(joints.shape[:3], bool)
    lost[:, :, place("left foot")] = True
    check_as_nan(joints, lost)


def test_whole_numbers_and_signed_zeros():
    whole = np.rint(acted() * 1000).astype(np.int32)
    whole[:, 10:14, place("head")] = 0
    clip = Clip.from_array(whole)
    assert clip.notes[0].startswith("body 0: 1 joint at exactly (0, 0, 0) in 4 of ")
    centered = np.rint(about(acted()) * 1000).astype(np.int32)
    assert Clip.from_array(centered, units="mm").notes == ()
    signed = acted()
    signed[:, 10:14, place("head")] = -0.0
    assert "in 4 of" in Clip.from_array(signed).notes[0]


def test_one_coordinate_at_zero_is_nothing_odd():
    joints = acted()
    joints -= joints[:, 3:9, 2].mean(axis=1) * np.array([1, 0, 0], np.float32)
    joints[:, 3:9, 2, 0] = 0
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies, joints)
    assert clip.notes == ()


def test_a_body_is_there_while_some_joint_is_neither_zero_nor_missing():
    joints = acted()
    joints[0, 5:8] = 0
    joints[0, 5:8, 3] = np.nan
    joints[0, 12:15, 1:] = 0
    tracked = np.ones(joints.shape[:2], bool)
    for clip in (Clip.from_array(joints), Clip.from_tracks(joints, tracked)):
        assert np.flatnonzero(~clip.presence[0]).tolist() == [5, 6, 7]
        assert "24 joints at exactly (0, 0, 0) in 3 of" in clip.notes[0]
        assert not clip.bodies[0, 5:8].any()
        assert clip.bodies[0, 12:15].any(axis=2).all()


def test_each_body_has_its_own_origin():
    joints = np.concatenate([about(acted("walk"))[:, :60], acted("walk")[:, :60]])
    joints[1, 10:13, 0] = 0
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies[0], joints[0])
    assert clip.notes[0] == (
        "body 1: 1 joint at exactly (0, 0, 0) in 3 of 60 frames, taken as missing"
    )
    assert np.linalg.norm(clip.bodies[1, 10:13, 0], axis=1).min() > 1


def test_computed_positions_are_left_alone():
    joints = acted()
    joints[:, 10:14, place("head")] = 0
    np.testing.assert_array_equal(Clip.from_array(joints, computed=True).bodies, joints)


def test_files_of_any_format_pass_the_same_way(tmp_path):
    joints = acted()
    joints[0, 10:14, place("left hand")[0]] = 0
    expected = Clip.from_array(joints)
    np.save(tmp_path / "a.npy", joints)
    np.savez(tmp_path / "b.npz", joints=joints, joint_names=np.array(NTU25_JOINTS), layout="ntu25")
    rows = {"layout": "ntu25", "fps": 30, "bodies": joints.astype(float).tolist()}
    (tmp_path / "c.json").write_text(json.dumps(rows))
    names = ",".join(f"{joint}_{axis}" for joint in NTU25_JOINTS for axis in "xyz")
    lines = [",".join(map(repr, row)) for row in joints[0].reshape(-1, 75).astype(float).tolist()]
    (tmp_path / "d.csv").write_text("\n".join([names, *lines]))
    for path in sorted(tmp_path.iterdir()):
        clip = read_clip(path)
        np.testing.assert_array_equal(clip.bodies, expected.bodies)
        assert (
            f"body 0: 1 joint at exactly (0, 0, 0) in 4 of {joints.shape[1]} frames, taken as "
            "missing"
        ) in clip.notes


def test_bvh_has_no_lost_joints(tmp_path):
    chain = "".join(
        f"{'  ' * at}JOINT j{at}\n{{\nOFFSET 0 1 0\nCHANNELS 1 Xrotation\n" for at in range(2)
    )
    (tmp_path / "a.bvh").write_text(
        "HIERARCHY\nROOT hips\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n"
        f"{chain}End Site\n{{\nOFFSET 0 1 0\n}}\n}}\n}}\n}}\n"
        "MOTION\nFrames: 2\nFrame Time: 0.033\n0 0 0 0 0\n5 0 0 0 0\n"
    )
    (found,) = read_bvh(tmp_path / "a.bvh")
    assert found.computed


def test_a_stream_mends_before_it_interpolates():
    joints = acted()[0]
    zero, missing = joints.copy(), joints.copy()
    zero[10:14, place("left hand")[0]], missing[10:14, place("left hand")[0]] = 0, np.nan
    made = []
    for frames in (zero, missing):
        buffer = FrameBuffer(joints=25, seconds=4.0)
        for number, frame in enumerate(frames):
            buffer.add(frame, number / 25)
        made.append(buffer.latest(fps=30.0, layout=NTU25))
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stream_with_zeros_is_named_as_one_with_nan(tmp_path, encoder):
    joints, _ = recording("squat", "wave")
    lost = np.random.default_rng(0).random(joints.shape[:2]) < 0.1
    said = []
    with filled_index(tmp_path / "stars.db", encoder) as index:
        for hole in (0, np.nan):
            frames = joints.copy()
            frames[lost] = hole
            classifier = StreamClassifier(encoder, index, how=StreamOptions(live=False))
            answers = [classifier.push(f, n / FPS) for n, f in enumerate(frames)]
            said.append([a.answer for a in answers if a is not None and a.changed])
    assert said[0] == said[1]
    assert [label for label in said[0] if label != "unknown"] == ["squat", "wave"]
