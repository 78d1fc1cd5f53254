import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip
from stars_infer.clip import MAX_FRAMES, MAX_GAP
from stars_infer.errors import ClipError, UsageError


def moving(frames=20, bodies=1, joints=25):
    return np.random.default_rng(0).normal(size=(bodies, frames, joints, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "shaped",
    [
        lambda x: x[0],
        lambda x: x,
        lambda x: np.moveaxis(x, (0, 3), (3, 0)),
        lambda x: x.astype(np.float64),
    ],
)
def test_every_accepted_shape_gives_the_same_bodies(shaped):
    joints = moving()
    clip = Clip.from_array(shaped(joints))
    np.testing.assert_array_equal(clip.bodies, joints)
    assert clip.presence.all()


def test_channel_first_with_two_bodies():
    joints = moving(bodies=2)
    clip = Clip.from_array(np.moveaxis(joints, (0, 3), (3, 0)))
    np.testing.assert_array_equal(clip.bodies, joints)


@pytest.mark.parametrize(
    ("joints", "says"),
    [
        (np.zeros((5, 25)), "expected shape"),
        (np.zeros((5, 25, 2)), "expected shape"),
        (moving(joints=24), "24 joints, but layout 'ntu25' has 25: no known layout"),
        (moving(joints=20), "--layout kinect20"),
        (np.zeros((10, 25, 3)), "no body in any frame"),
        (moving(frames=1), "1 frame(s)"),
        (moving(frames=0), "0 frame(s)"),
        (np.zeros((0, 10, 25, 3)), "no body in any frame"),
        (np.ones((MAX_FRAMES + 1, 25, 3), np.int8), "cut the recording"),
        (np.full((5, 25, 3), "a"), "expected numbers"),
        (np.ones((5, 25, 3), complex), "expected numbers"),
    ],
)
def test_unusable_arrays_are_refused(joints, says):
    with pytest.raises(ClipError, match="camera 3: ") as caught:
        Clip.from_array(joints, source="camera 3")
    assert says in str(caught.value)


def test_unknown_layout_lists_the_known_ones():
    with pytest.raises(UsageError, match="ntu25, kinect20"):
        Clip.from_array(moving(), layout="ntu26")


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_short_gap_is_interpolated(hole):
    joints = moving()
    ramp = np.arange(20, dtype=np.float32)
    joints[0, :, 7, 1] = ramp
    joints[0, 5:9, 7] = hole
    clip = Clip.from_array(joints)
    np.testing.assert_allclose(clip.bodies[0, :, 7, 1], ramp, atol=1e-6)
    assert clip.presence.all()


def test_gap_at_an_end_holds_the_nearest_position():
    joints = moving()
    joints[0, :3, 2] = np.nan
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies[0, :3, 2], np.tile(joints[0, 3, 2], (3, 1)))


def test_long_gap_is_refused_by_joint_and_frame():
    joints = moving(frames=40)
    joints[0, 5 : 5 + MAX_GAP + 1, 7] = np.nan
    with pytest.raises(ClipError, match=r"joint 7 of body 0 .* 11 frame\(s\) from frame 5"):
        Clip.from_array(joints)


def test_gap_is_not_filled_from_frames_without_the_body():
    joints = moving(frames=20, bodies=2)
    joints[1, 10:] = 0
    joints[1, 9, 4] = np.nan
    clip = Clip.from_array(joints)
    np.testing.assert_array_equal(clip.bodies[1, 9, 4], joints[1, 8, 4])
    assert not clip.presence[1, 10:].any()


def test_joint_that_is_never_seen_is_refused():
    joints = moving(frames=5)
    joints[0, :, 3] = np.nan
    with pytest.raises(ClipError, match="joint 3"):
        Clip.from_array(joints)


def test_hash_is_of_the_content():
    joints = moving()
    one, same = Clip.from_array(joints, source="a"), Clip.from_array(joints[0], source="b")
    other = Clip.from_array(joints + np.float32(1e-3))
    slower = Clip.from_array(joints, fps=15)
    assert one.content_hash == same.content_hash
    assert len({one.content_hash, other.content_hash, slower.content_hash}) == 3


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 24)), max_size=30),
    frames=st.integers(12, 30),
)
def test_whatever_is_accepted_is_finite(gaps, frames):
    joints = moving(frames=frames)
    for frame, joint in gaps:
        joints[0, frame % frames, joint] = np.nan
    try:
        clip = Clip.from_array(joints)
    except ClipError:
        return
    assert np.isfinite(clip.bodies).all()
    untouched = np.isfinite(joints)
    np.testing.assert_array_equal(clip.bodies[untouched], joints[untouched])


def test_a_recording_may_be_long():
    joints = np.ones((MAX_FRAMES + 1, 25, 3), np.int8)
    clip = Clip.from_array(joints, recording=True)
    assert clip.frames == MAX_FRAMES + 1


def test_in_a_recording_a_body_with_a_long_gap_is_absent_meanwhile(waving):
    joints = np.concatenate([waving[0], waving[0]])
    joints[30 : 31 + MAX_GAP, 7] = np.nan
    joints[60:63, 4] = np.inf
    with pytest.raises(ClipError, match="joint 7"):
        Clip.from_array(joints)
    clip = Clip.from_array(joints, recording=True)
    assert not clip.presence[0, 30 : 31 + MAX_GAP].any()
    assert clip.presence.sum() == len(joints) - MAX_GAP - 1
    assert not clip.bodies[0, 30 : 31 + MAX_GAP].any()
    assert np.isfinite(clip.bodies).all()


def test_what_one_gap_leaves_may_be_too_little_for_another(waving):
    joints = waving[0].copy()
    joints[:5, 7] = np.nan  # could be held, if the rest were seen
    joints[5:-20, 4] = np.nan
    clip = Clip.from_array(joints, recording=True)
    assert np.flatnonzero(clip.presence[0]).tolist() == [
        *range(5),
        *range(len(joints) - 20, len(joints)),
    ]
    joints[-20:, 4] = np.nan
    with pytest.raises(ClipError, match="joint 4 is NaN or infinite nearly always"):
        Clip.from_array(joints, recording=True)
