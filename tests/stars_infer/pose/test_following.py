"""People keep their numbers from picture to picture, and stand where the picture shows them."""

import numpy as np
import pytest

from stars_infer.pose.estimator import SeenPose
from stars_infer.pose.following import FOCAL, LONGEST_LOSS, MOST_IDENTITIES, Follower
from stars_infer.synthetic.actions import perform
from tests.stars_infer.pose.fakes import mediapipe_joints

SIZE = (720, 1280)


@pytest.fixture(scope="module")
def waving():
    return mediapipe_joints(perform("wave", np.random.default_rng(0))[0])


def seen(joints, *, x=0.0, y=0.0, away=3.0, sure=0.9):
    """A person at a place, meters from the camera's axis and from the camera."""
    pixels = FOCAL * max(SIZE) / away
    middle = np.array([SIZE[1], SIZE[0]]) / 2 + pixels * np.array([x, y])
    world = np.concatenate([joints, np.full((33, 1), sure)], axis=1)
    return SeenPose(world=world, image=middle + pixels * joints[:, :2])


def hips(pose):
    return pose.joints[[23, 24], :3].mean(axis=0)


def test_people_keep_their_numbers_in_any_order(waving):
    follower = Follower()
    for number, joints in enumerate(waving[:40]):
        people = [seen(joints, x=-0.8), seen(joints, x=0.8)]
        found = follower.follow(people[:: (-1) ** number], time=number / 30, size=SIZE)
        assert [one.identity for one in found] == [0, 1]
        assert hips(found[0])[0] < 0 < hips(found[1])[0]


def test_people_are_where_the_picture_shows_them(waving):
    (found,) = Follower().follow([seen(waving[0], x=1.2, y=-0.3, away=4.5)], time=0, size=SIZE)
    assert np.allclose(hips(found), (1.2, -0.3, 4.5), atol=0.02)
    assert np.allclose(found.joints[:, :3] - hips(found), waving[0], atol=1e-6)


def test_a_change_of_size_settles_over_time(waving):
    follower = Follower()
    far = [
        hips(follower.follow([seen(waving[0], away=away)], time=number / 30, size=SIZE)[0])[2]
        for number, away in enumerate([3.0] * 5 + [3.6] * 90)
    ]
    assert far[5] < 3.1  # one picture does not tell
    assert far[-1] == pytest.approx(3.6, abs=0.01)


def test_somebody_seen_twice_is_one_person(waving):
    poorly = seen(waving[0] * 1.05, x=0.05, sure=0.5)
    (found,) = Follower().follow([poorly, seen(waving[0])], time=0, size=SIZE)
    assert found.joints[0, 3] == 0.9  # the one that is seen better


def test_who_is_lost_for_a_moment_comes_back(waving):
    follower = Follower()
    follower.follow([seen(waving[0])], time=0.0, size=SIZE)
    assert follower.follow([], time=0.5, size=SIZE) == []
    (back,) = follower.follow([seen(waving[0], x=0.2)], time=0.9, size=SIZE)
    assert back.identity == 0


def test_who_comes_late_or_elsewhere_is_somebody_else(waving):
    follower = Follower()
    follower.follow([seen(waving[0])], time=0.0, size=SIZE)
    (other,) = follower.follow([seen(waving[0], x=2.5)], time=0.1, size=SIZE)
    assert other.identity == 1
    (late,) = follower.follow([seen(waving[0])], time=0.2 + LONGEST_LOSS, size=SIZE)
    assert late.identity == 2


def test_numbers_are_given_again_when_there_are_many(waving):
    follower = Follower()
    for number in range(MOST_IDENTITIES + 20):
        (one,) = follower.follow([seen(waving[0])], time=2.0 * number, size=SIZE)
        assert one.identity == number % MOST_IDENTITIES


def test_a_pose_without_any_extent(waving):
    flat = SeenPose(world=np.zeros((33, 4)), image=np.zeros((33, 2)))
    (found,) = Follower().follow([flat], time=0, size=SIZE)
    assert np.isfinite(found.joints).all()
