import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clip import MAX_FRAMES
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


def test_unknown_layout_lists_the_known_ones():
    with pytest.raises(UsageError, match="ntu25, azure32"):
        Clip.from_array(moving(), layout="ntu26")


def test_hash_is_of_the_content():
    joints = moving()
    one, same = Clip.from_array(joints, source="a"), Clip.from_array(joints[0], source="b")
    other = Clip.from_array(joints + np.float32(1e-3))
    slower = Clip.from_array(joints, fps=15)
    assert one.content_hash == same.content_hash
    assert len({one.content_hash, other.content_hash, slower.content_hash}) == 3
