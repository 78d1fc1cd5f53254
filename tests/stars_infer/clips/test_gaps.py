"""Missing joints: bridged in time, carried by the body, or placed; and never in silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip
from stars_infer.clips.gaps import MAX_GAP
from stars_infer.errors import ClipError
from stars_infer.layouts import NTU25, NTU25_JOINTS, NTU25_PARENTS, get_layout, layout_names
from stars_infer.layouts.bones import STANDARD_LENGTHS
from stars_infer.preprocessing.prepare import to_ntu25
from stars_infer.synthetic.actions import perform
from tests.bodies import in_layout

FRAMES = 60
NAN = np.float32(np.nan)


def place(*names):
    return [NTU25_JOINTS.index(name) for name in names]


def random(frames=20, bodies=1):
    """Bodies (M, T, 25, 3) as large as people, whose joints are anywhere."""
    joints = np.random.default_rng(0).normal(scale=0.11, size=(bodies, frames, 25, 3))
    return joints.astype(np.float32)


def walking(bodies=1):
    """Bodies that go along, each its own way, (M, 60, 25, 3)."""
    return np.concatenate(
        [perform("walk", np.random.default_rng(seed))[:, :FRAMES] for seed in range(bodies)]
    )


def bones(joints, parents=NTU25_PARENTS):
    return joints - joints[..., parents, :]


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_short_gap_is_interpolated(hole):
    joints = random()
    ramp = np.arange(20, dtype=np.float32) / 40
    joints[0, :, 7, 1] = ramp
    joints[0, 5:9, 7] = hole
    clip = Clip.from_array(joints)
    np.testing.assert_allclose(clip.bodies[0, :, 7, 1], ramp, atol=1e-6)
    assert clip.presence.all()
    assert clip.notes == ("left hand of body 0 is missing for 4 frames from frame 5: interpolated",)


def test_a_clip_without_gaps_is_left_alone_and_nothing_is_said():
    joints = random()
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies, joints)
    assert clip.notes == ()


def test_gap_at_an_end_holds_the_nearest_position():
    joints = random()
    joints[0, :3, 2] = NAN
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies[0, :3, 2], np.tile(joints[0, 3, 2], (3, 1)))


def test_gap_is_not_filled_from_frames_without_the_body():
    joints = random(bodies=2)
    joints[1, 10:13] = 0
    joints[1, 9, 4] = NAN
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies[1, 9, 4], joints[1, 8, 4])
    assert not clip.presence[1, 10:13].any()


def test_a_joint_that_is_lost_when_a_body_comes_back_is_carried():
    joints = walking()
    joints[0, 20:50] = 0
    joints[0, 50:, 7] = NAN
    clip = Clip.from_array(joints)
    bone = joints[0, 19, 7] - joints[0, 19, 6]
    np.testing.assert_allclose(clip.bodies[0, 50:, 7], joints[0, 50:, 6] + bone, atol=1e-6)


def test_a_long_gap_is_carried_by_the_body():
    joints = walking()
    whole = joints.copy()
    gap = slice(20, 43)
    joints[0, gap, 7] = NAN
    clip = Clip.from_array(joints)
    assert clip.notes == (
        "left hand of body 0 is missing for 23 frames from frame 20: carried by the left wrist",
    )
    known = np.ones((FRAMES, 25), bool)
    known[gap, 7] = False
    np.testing.assert_array_equal(clip.bodies[0][known], whole[0][known])
    length = np.linalg.norm(bones(clip.bodies[0])[:, 7], axis=1)[19:44]
    assert length.min() > min(length[0], length[-1]) - 1e-4
    assert length.max() < max(length[0], length[-1]) + 1e-4
    # It moves with the wrist, so it stays far nearer than a straight line in space would.
    away = np.linalg.norm(clip.bodies[0, gap, 7] - whole[0, gap, 7], axis=1)
    assert away.max() < 0.08
    turned = bones(clip.bodies[0])[[19, 20, 31, 42, 43], 7]
    steps = np.linalg.norm(np.diff(turned, axis=0), axis=1)
    assert steps[0] < steps[1] + 0.01
    assert steps[3] < steps[2] + 0.01


def test_a_gap_that_reaches_the_end_keeps_the_last_bone():
    joints = walking()
    joints[0, 30:, 15] = NAN
    joints[0, :20, 19] = NAN
    clip = Clip.from_array(joints)
    left = joints[0, 29, 15] - joints[0, 29, 14]
    right = joints[0, 20, 19] - joints[0, 20, 18]
    np.testing.assert_allclose(clip.bodies[0, 30:, 15], joints[0, 30:, 14] + left, atol=1e-5)
    np.testing.assert_allclose(clip.bodies[0, :20, 19], joints[0, :20, 18] + right, atol=1e-5)


def test_a_whole_limb_follows():
    joints = walking()
    arm = place("left elbow", "left wrist", "left hand", "tip of left hand", "left thumb")
    joints[0, 10:40, arm] = NAN
    clip = Clip.from_array(joints)
    lengths = np.linalg.norm(bones(clip.bodies[0])[9:41, arm], axis=2)
    assert (lengths > lengths[[0, -1]].min(axis=0) - 1e-4).all()
    assert (lengths < lengths[[0, -1]].max(axis=0) + 1e-4).all()
    assert clip.notes == (
        "left elbow, left wrist, left hand and 2 more of body 0 are missing in 5 gaps of up "
        "to 30 frames: carried by the joints before them",
    )


def test_bones_that_turn_right_round_keep_their_length():
    joints = np.tile(walking()[:, :1], (1, FRAMES, 1, 1))
    across = np.float32([0.1, 0, 0])
    joints[0, :, 7] = joints[0, :, 6] + across
    joints[0, 30:, 7] = joints[0, 30:, 6] - 0.98 * across + np.float32([0, 0.02, 0])
    joints[0, 20:40, 7] = NAN
    clip = Clip.from_array(joints)
    length = np.linalg.norm(bones(clip.bodies[0])[:, 7], axis=1)
    assert length.max() < 0.101
    assert np.median(length[20:40]) > 0.09


@pytest.mark.parametrize("root_lost", [False, True])
def test_the_body_is_carried_by_what_is_known_of_it(root_lost):
    joints = walking()
    whole = joints.copy()
    lost = place("base of spine", "middle of spine") if root_lost else place("middle of spine")
    joints[0, 15:45, lost] = NAN
    clip = Clip.from_array(joints)
    away = np.linalg.norm(clip.bodies - whole, axis=3).max()
    assert 0 < away < 0.06


def test_a_joint_that_is_never_seen_is_placed_a_bone_away():
    joints = walking()
    joints[0, :, place("left hand", "tip of left hand", "left thumb")] = NAN
    clip = Clip.from_array(joints)
    wrist, hand, tip, thumb = (
        clip.bodies[0, :, place(name)[0]]
        for name in ("left wrist", "left hand", "tip of left hand", "left thumb")
    )
    forearm = wrist - joints[0, :, place("left elbow")[0]]
    forearm /= np.linalg.norm(forearm, axis=1, keepdims=True)
    other = np.linalg.norm(bones(joints[0])[:, place("right hand")[0]], axis=1)
    np.testing.assert_allclose(hand - wrist, np.median(other) * forearm, atol=1e-5)
    assert (((tip - hand) * forearm).sum(1) > 0.03).all()
    assert (((thumb - wrist) * forearm).sum(1) > 0.03).all()
    assert clip.notes == (
        "left hand, tip of left hand and left thumb of body 0 are never seen: placed at the joints "
        "before them",
    )


def test_what_neither_side_shows_has_standard_bones():
    joints = walking()
    never = place("left knee", "left ankle", "left foot", "right knee", "right ankle", "right foot")
    head = place("neck", "head")
    joints[0, :, never + head] = NAN
    clip = Clip.from_array(joints)
    lengths = np.linalg.norm(bones(clip.bodies[0])[:, never + head], axis=2)
    np.testing.assert_allclose(lengths, np.tile(STANDARD_LENGTHS[never + head], (FRAMES, 1)), 1e-3)
    height = clip.bodies[0, :, :, 1]
    for side in ("left", "right"):
        hip, knee, ankle = (place(f"{side} {name}")[0] for name in ("hip", "knee", "ankle"))
        assert (height[:, hip] > height[:, knee]).all()
        assert (height[:, knee] > height[:, ankle]).all()
    assert (height[:, 3] > height[:, 2]).all()
    assert (height[:, 2] > height[:, 20]).all()
    across = clip.bodies[0][:, place("right hip")[0]] - clip.bodies[0][:, place("left hip")[0]]
    ahead = np.cross([0, 1, 0], across)
    foot = bones(clip.bodies[0])[:, place("left foot")[0]]
    assert ((foot * ahead).sum(axis=1) > 0).all()


def test_a_joint_of_no_role_lies_on_its_neighbor():
    joints = in_layout(walking(), "azure32")
    layout = get_layout("azure32")
    eye, head = layout.joints.index("nose"), layout.joints.index("head")
    joints[0, :, eye] = NAN
    clip = Clip.from_array(joints, layout="azure32")
    np.testing.assert_array_equal(clip.bodies[0, :, eye], joints[0, :, head])


def test_absent_frames_stay_absent():
    joints = walking()
    joints[0, 20:30] = NAN
    joints[0, 40:45] = 0
    joints[0, :, place("left hand")] = NAN
    clip = Clip.from_array(joints)
    expected = np.ones(FRAMES, bool)
    expected[20:30] = expected[40:45] = False
    np.testing.assert_array_equal(clip.presence[0], expected)
    assert not clip.bodies[0, ~expected].any()
    assert clip.bodies[0, expected].any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("lost", "frames", "says"),
    [
        (
            NTU25_JOINTS[2:20:1],
            slice(None),
            r"18 of 25 joints \(neck, head, left shoulder and 15 more\) of body 0 are never "
            r"seen in its 60 frame\(s\), but at most half may be missing: record the whole body",
        ),
        (("left hip",), slice(None), "the left hip of body 0 is never seen in its 60 frame"),
        (("right shoulder",), slice(None), "the right shoulder of body 0 is never seen"),
        (("base of spine",), slice(None), "the base of spine of body 0 is never seen"),
        (
            ("base of spine", "left hip", "right hip", "left shoulder", "right shoulder"),
            slice(8, 31),
            r"the base of spine of body 0 is missing for 23 frames from frame 8, the other hip and "
            r"shoulder joints for as long or longer \(at most 10 are interpolated\): cut these",
        ),
    ],
)
def test_what_nobody_could_complete_is_refused(lost, frames, says):
    joints = walking()
    for joint in place(*lost):
        joints[0, frames, joint] = NAN
    with pytest.raises(ClipError, match=f"camera 3: {says}"):
        Clip.from_array(joints, source="camera 3")


def test_low_confidence_is_missing():
    joints = walking(bodies=2)
    sure = np.ones((2, FRAMES, 25))
    sure[1, 10:13, 7] = 0.2
    sure[1, 30:50, 11] = np.nan
    clip = Clip.from_array(joints, confidence=sure)
    np.testing.assert_array_equal(clip.bodies[0], joints[0])
    moved = (clip.bodies[1] != joints[1]).any(axis=2)
    assert moved[10:13, 7].all()
    assert moved[30:50, 11].all()
    assert moved.sum() == 23
    assert clip.notes == (
        "left hand of body 1 is missing or uncertain for 3 frames from frame 10: interpolated",
        "right hand of body 1 is missing or uncertain for 20 frames from frame 30: carried by the "
        "right wrist",
    )
    trusting = Clip.from_array(joints, confidence=np.nan_to_num(sure), least_confidence=0)
    np.testing.assert_array_equal(trusting.bodies, joints)
    one = Clip.from_array(joints[1], confidence=sure[1])
    np.testing.assert_array_equal(one.bodies[0], clip.bodies[1])
    nobody = sure.copy()
    nobody[1, 20:] = 0.1
    assert not Clip.from_array(joints, confidence=nobody).presence[1, 20:].any()


def test_confidence_of_another_shape_is_refused():
    with pytest.raises(ClipError, match=r"expected confidence \(2, 60, 25\), got \(60, 25\)"):
        Clip.from_array(walking(bodies=2), confidence=np.ones((FRAMES, 25)))


def test_notes_of_several_gaps_are_summarized():
    joints = walking(bodies=2)
    for start in range(0, 50, 10):
        joints[0, start : start + 3, 7] = NAN
        joints[1, start, 5:9] = NAN
    clip = Clip.from_array(joints)
    assert clip.notes == (
        "left hand of body 0 is missing in 5 gaps of up to 3 frames: interpolated",
        "left elbow, left wrist, left hand and right shoulder of body 1 are missing in 20 gaps of "
        "up to 1 frame: interpolated",
    )


@pytest.mark.parametrize("name", layout_names())
def test_a_hidden_arm_and_leg_do_little_harm_in_any_layout(name):
    joints = in_layout(walking(), name)
    whole = to_ntu25(joints, name).copy()
    layout = get_layout(name)
    hidden = {
        next(iter(layout.ntu25[target]))
        for target in ("left elbow", "right knee")
        for _ in layout.ntu25[target]
    }
    while True:
        outer = {layout.joints[c] for p, c in layout.bones if layout.joints[p] in hidden}
        if outer <= hidden:
            break
        hidden |= outer
    places = [layout.joints.index(joint) for joint in hidden]
    joints[0, 20:45, places] = NAN
    clip = Clip.from_array(joints, layout=name)
    away = np.linalg.norm(to_ntu25(clip.bodies, name) - whole, axis=3)[0, 20:45]
    others = [j for j, target in enumerate(NTU25.joints) if not set(layout.ntu25[target]) & hidden]
    assert not away[:, others].any()
    assert 0.05 < away.max() < 0.6
    (note,) = clip.notes
    assert "carried" in note


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(
        st.tuples(st.integers(0, 59), st.integers(1, 60), st.integers(0, 24)), max_size=20
    ),
    away=st.lists(st.integers(0, 59), max_size=5),
)
def test_whatever_is_accepted_is_finite_and_keeps_what_was_seen(gaps, away):
    joints = walking()
    joints[0, away] = 0
    for start, length, joint in gaps:
        joints[0, start : start + length, joint] = NAN
    try:
        clip = Clip.from_array(joints)
    except ClipError:
        return
    assert np.isfinite(clip.bodies).all()
    seen = np.isfinite(joints) & clip.presence[:, :, None, None]
    np.testing.assert_array_equal(clip.bodies[seen], joints[seen])
    assert not clip.bodies[~clip.presence].any()
    mended = (~np.isfinite(joints).all(axis=3) & clip.presence[..., None]).any()
    assert bool(clip.notes) == mended
    if not gaps or max(length for _, length, _ in gaps) <= MAX_GAP:
        assert not any("placed" in note for note in clip.notes)


@pytest.mark.parametrize("fps", [15, 30, 60, 120])
def test_how_long_a_gap_is_bridged_is_in_seconds(waving, fps):
    most = round(fps / 3)
    for frames, how in ((most, "interpolated"), (most + 1, "carried")):
        joints = np.repeat(waving, 3, axis=1)
        joints[:, 20 : 20 + frames, NTU25_JOINTS.index("left hand")] = np.nan
        (note,) = Clip.from_array(joints, fps=float(fps)).notes
        assert how in note
