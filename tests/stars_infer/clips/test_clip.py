from pathlib import Path

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clips.clip import MAX_FRAMES, check_frame_count
from stars_infer.errors import ClipError, UsageError
from stars_infer.synthetic.actions import perform


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
        (np.zeros((5, 25, 2)), "in 2D: for clips in 2D, pass --flat"),
        (moving(joints=23), "23 joints, but layout 'ntu25' has 25: no known layout"),
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


def test_lists_will_do_unless_they_are_ragged(waving):
    lists = waving[0].tolist()
    np.testing.assert_array_equal(Clip.from_array(lists).bodies, waving)
    with pytest.raises(ClipError, match="differ in length"):
        Clip.from_array([*lists, lists[0][:20]])


def test_a_clip_does_not_change_with_the_array_it_was_made_of(waving):
    kept = waving.copy()
    clip = Clip.from_array(waving)
    waving[:] = 0
    np.testing.assert_array_equal(clip.bodies, kept)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"units": "ft"}, "units 'ft': known are m, cm, mm, in"),
        ({"up": "w"}, "up axis 'w'"),
        ({"handedness": "both"}, "handedness 'both'"),
        ({"fps": 0}, "frame rate 0"),
        ({"fps": "30"}, "frame rate '30': expected a number"),
        ({"units": True}, "units must be text or a number of meters, not True"),
        ({"units": 0}, "above 0"),
        ({"units": "-1"}, "above 0"),
        ({"flat": 1}, "flat 1: expected True or False"),
        ({"layout": 25}, "layout must be text, not 25"),
    ],
)
def test_a_convention_that_means_nothing_is_refused(waving, wrong, says):
    with pytest.raises(UsageError, match=says):
        Clip.from_array(waving, **wrong)


def test_axes_and_units_are_brought_to_meters_and_y_up_in_every_shape(waving):
    pair = np.concatenate([waving, waving + np.float32([1, 0, 0])])
    source = np.stack([pair[..., 0], -pair[..., 2], pair[..., 1]], axis=-1) * 100
    for shaped in (source, np.moveaxis(source, (0, 3), (3, 0))):
        clip = Clip.from_array(shaped, units="cm", up="z")
        np.testing.assert_allclose(clip.bodies, pair, atol=1e-5)
        assert clip.notes == ()


def test_unknown_layout_lists_the_known_ones():
    with pytest.raises(UsageError, match="ntu25, arkit91, azure32"):
        Clip.from_array(moving(), layout="ntu26")


def test_hash_is_of_the_content():
    joints = moving()
    one, same = Clip.from_array(joints, source="a"), Clip.from_array(joints[0], source="b")
    other = Clip.from_array(joints + np.float32(1e-3))
    slower = Clip.from_array(joints, fps=15)
    assert one.content_hash == same.content_hash
    assert len({one.content_hash, other.content_hash, slower.content_hash}) == 3


def test_a_recording_may_be_long():
    joints = np.ones((MAX_FRAMES + 1, 25, 3), np.int8)
    assert Clip.from_array(joints, recording=True).frames == MAX_FRAMES + 1
    with pytest.raises(ClipError, match="more than the 2,000,000 a recording may have"):
        check_frame_count(2_000_001, source="x", recording=True)


def lost_trunk(waving, start, end):
    joints = np.concatenate([waving[0], waving[0]])
    trunk = [0, 4, 8, 12, 16]
    joints[start:end, trunk] = np.nan
    return joints


def test_in_a_recording_a_body_that_nothing_carries_is_absent_meanwhile(waving):
    joints = lost_trunk(waving, 30, 45)
    with pytest.raises(ClipError, match="missing for 15 frames from frame 30"):
        Clip.from_array(joints)
    clip = Clip.from_array(joints, recording=True)
    assert np.flatnonzero(~clip.presence[0]).tolist() == list(range(30, 45))
    assert not clip.bodies[0, 30:45].any()
    assert "not known well enough in 15 frame(s)" in " ".join(clip.notes)


def test_what_nobody_could_complete_is_refused_where_nobody_else_is(waving):
    joints = waving[:1].copy()
    joints[0, :, :20] = np.nan
    for recording in (False, True):
        with pytest.raises(ClipError, match="never seen"):
            Clip.from_array(joints, recording=recording)


def test_a_body_that_cannot_be_mended_does_not_spoil_the_others():
    random = np.random.default_rng(0)
    bodies = random.normal(scale=0.11, size=(2, 30, 25, 3))
    bodies[1, :, :20] = np.nan
    clip = Clip.from_array(bodies)
    np.testing.assert_array_equal(clip.presence, [[True] * 30, [False] * 30])
    np.testing.assert_allclose(clip.bodies[0], bodies[0], rtol=1e-6)
    assert not clip.bodies[1].any()
    assert clip.notes == ("body 1 is not known well enough in 30 frame(s): absent there",)
    with pytest.raises(ClipError, match="20 of 25 joints"):
        Clip.from_array(bodies[1:])


@pytest.mark.parametrize("lost", [1e13, -1e25, 3.4e38])
def test_what_is_impossibly_far_away_is_missing(lost):
    joints = perform("wave", np.random.default_rng(0))[0]
    joints[3, 4, 1] = lost
    clip = Clip.from_array(joints)
    assert np.abs(clip.bodies).max() < 10
    assert "left shoulder of body 0 is missing for 1 frame" in " ".join(clip.notes)
    with pytest.raises(ClipError, match="no body in any frame"):
        Clip.from_array(np.full((20, 25, 3), lost))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32])
def test_masked_values_are_missing(kind):
    joints = (1000 * perform("wave", np.random.default_rng(0))[0]).astype(kind)
    masked = np.ma.masked_array(joints.copy())
    masked[10:13, 5] = np.ma.masked
    masked.data[10:13, 5] = 5000
    clip = Clip.from_array(masked, units="mm")
    assert np.abs(clip.bodies).max() < 3
    assert "left elbow of body 0 is missing for 3 frames" in clip.notes[0]
    with pytest.raises(ClipError, match="no body in any frame"):
        Clip.from_array(np.ma.masked_array(joints, mask=True))


def test_options_that_a_caller_leaves_open_or_gets_wrong():
    joints = moving()
    clip = Clip.from_array(joints, layout=None, units=None, up=None, handedness=None, fps=None)
    assert (clip.layout, clip.fps) == ("ntu25", 30)
    assert Clip.from_array(joints, source=Path("a.npy")).source == "a.npy"
    for wrong in (None, 3, b"a"):
        with pytest.raises(UsageError, match="source must be text"):
            Clip.from_array(joints, source=wrong)
    with pytest.raises(UsageError, match="frame rate True"):
        Clip.from_array(joints, fps=True)
    with pytest.raises(ClipError, match="expected confidence"):
        Clip.from_array(joints, confidence=[[1]])
    with pytest.raises(UsageError, match="least_confidence"):
        Clip.from_array(joints, confidence=np.ones((20, 25)), least_confidence="all")


class OnAnotherDevice:
    shape = (20, 25, 3)

    def __array__(self, *args, **kwargs):
        raise TypeError("can't convert a tensor of another device")


def test_an_array_that_numpy_cannot_read_is_no_clip():
    with pytest.raises(ClipError, match="NumPy cannot read it: can't convert"):
        Clip.from_array(OnAnotherDevice())


def test_a_clip_is_shown_in_one_line():
    clip = Clip.from_array(np.ones((30, 25, 3), np.float32), source="wave.npy", fps=15)
    assert repr(clip) == "<Clip wave.npy: (1, 30, 25, 3) of ntu25 at 15 Hz>"
