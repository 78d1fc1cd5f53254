"""Bodies that change places in an array are followed."""

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clips.following import follow_bodies
from stars_infer.synthetic.actions import perform
from tests.stars_infer.clips.company import ASIDE, acting, drifting, standing, walking_past


def together(*bodies):
    frames = min(map(len, bodies))
    return np.stack([np.asarray(body[:frames], np.float32) for body in bodies])


def exchanged(bodies, frames, one=0, other=1):
    result = bodies.copy()
    result[one, frames], result[other, frames] = bodies[other, frames], bodies[one, frames]
    return result


@pytest.fixture
def two():
    return together(acting("wave"), acting("kick", 1) + ASIDE)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.5])
@pytest.mark.parametrize("scale", [1, 1000], ids=["m", "mm"])
def test_bodies_that_change_places_are_followed(two, share, scale):
    changed = np.random.default_rng(0).random(two.shape[1]) < share
    changed[0] = False
    mixed = exchanged(two, changed) * np.float32(scale)
    bodies, presence, (note,) = follow_bodies(mixed, np.ones(two.shape[:2], bool), fps=30.0)
    np.testing.assert_array_equal(bodies, two * np.float32(scale))
    assert presence.all()
    assert note == (
        f"bodies 0 and 1 change places in {changed.sum()} of {len(changed)} frames, from frame "
        f"{np.flatnonzero(changed)[0]}: each is followed by where it is"
    )


@pytest.mark.parametrize("fps", [10, 15, 60])
def test_at_other_frame_rates(two, fps):
    bodies = two[:, :: 30 // fps] if fps < 30 else two.repeat(2, axis=1)
    changed = np.arange(bodies.shape[1]) % 3 == 2
    mixed = exchanged(bodies, changed)
    followed, _, _ = follow_bodies(mixed, np.ones(bodies.shape[:2], bool), fps=float(fps))
    np.testing.assert_array_equal(followed, bodies)


def test_three_bodies_in_any_order():
    bodies = together(acting("wave"), acting("squat", 1) + ASIDE, standing(200) + ASIDE)
    random = np.random.default_rng(1)
    mixed = bodies.copy()
    for frame in range(1, bodies.shape[1]):
        mixed[:, frame] = bodies[random.permutation(3), frame]
    followed, _, _ = follow_bodies(mixed, np.ones(bodies.shape[:2], bool), fps=30.0)
    np.testing.assert_array_equal(followed, bodies)


def test_joints_that_are_missing_do_not_matter(two):
    two[:, np.random.default_rng(0).random(two.shape[1:3]) < 0.2] = np.nan
    two[0, 30, :] = np.nan
    changed = np.arange(two.shape[1]) % 4 == 3
    followed, _, _ = follow_bodies(
        exchanged(two, changed), np.isfinite(two).any(axis=(2, 3)), fps=30.0
    )
    np.testing.assert_array_equal(
        followed[:, 1:][~np.isnan(two[:, 1:])], two[:, 1:][~np.isnan(two[:, 1:])]
    )


def test_a_list_closes_ranks_when_the_first_leaves(two):
    there = np.ones(two.shape[:2], bool)
    there[0, 30:50] = False
    bodies = np.where(there[..., None, None], two, np.float32(0))
    listed, seen = bodies.copy(), there.copy()
    listed[0, 30:50], listed[1, 30:50] = bodies[1, 30:50], 0
    seen[0, 30:50], seen[1, 30:50] = True, False
    followed, presence, _ = follow_bodies(listed, seen, fps=30.0)
    np.testing.assert_array_equal(followed, bodies)
    np.testing.assert_array_equal(presence, there)


def test_a_newcomer_may_be_listed_first(two):
    bodies = two.copy()
    bodies[0, :40] = 0
    listed = bodies.copy()
    listed[0, :40], listed[1, :40] = bodies[1, :40], 0
    followed, _, _ = follow_bodies(listed, listed.any(axis=(2, 3)), fps=30.0)
    first, second = followed
    np.testing.assert_array_equal(first, bodies[1])
    np.testing.assert_array_equal(second, bodies[0])


def test_a_body_that_jumps_where_nobody_was_stays_itself(two):
    jumping = two.copy()
    jumping[0, 30:] += 3
    for bodies in (jumping, np.concatenate((jumping, np.zeros_like(two)))):
        bodies[-1, 70:] = two[1, 70:] + 2
        followed, _, notes = follow_bodies(bodies, bodies.any(axis=(2, 3)), fps=30.0)
        assert followed is bodies
        assert notes == ()


def test_one_person_who_changes_the_place_in_the_list_is_one_body():
    joints = acting("wave")
    bodies = np.zeros((2, *joints.shape), np.float32)
    second = np.arange(len(joints)) % 20 >= 10
    bodies[0, ~second], bodies[1, second] = joints[~second], joints[second]
    clip = Clip.from_array(bodies)
    np.testing.assert_array_equal(clip.bodies[0], joints)
    assert not clip.presence[1].any()
    assert "change places" in clip.notes[0]


def test_a_new_identity_for_a_lost_body_stays_as_it_is(two):
    """A Kinect numbers on: people_of and select_actors join such bodies."""
    bodies = np.zeros((2, *two.shape[1:]), np.float32)
    bodies[0, :30], bodies[1, 32:] = two[0, :30], two[0, 32:]
    presence = bodies.any(axis=(2, 3))
    followed, _, notes = follow_bodies(bodies, presence, fps=30.0)
    assert followed is bodies
    assert notes == ()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("distance", [1.0, 0.6, 0.35, 0.2])
def test_two_who_are_close_are_not_torn_apart(seed, distance):
    """People who shake hands, or who stand as close as in a hug."""
    pair = perform("handshake", np.random.default_rng(seed))
    gap = pair[1].mean(axis=(0, 1))[0] - pair[0].mean(axis=(0, 1))[0]
    pair[1, :, :, 0] += distance - gap
    followed, _, notes = follow_bodies(pair, np.ones(pair.shape[:2], bool), fps=30.0)
    assert followed is pair
    assert notes == ()


def test_who_walks_past_behind_or_comes_and_goes_is_left_alone():
    joints = acting("jump", 2)
    ghost = drifting(len(joints))
    ghost[np.arange(len(joints)) % 7 < 3] = 0
    for other in (walking_past(len(joints)), ghost):
        bodies = together(joints, other)
        followed, _, notes = follow_bodies(bodies, bodies.any(axis=(2, 3)), fps=30.0)
        assert followed is bodies
        assert notes == ()


def test_real_pairs_are_left_alone(shared):
    from stars_infer.readers.files import read_clip

    for path in sorted((shared / "data/ntu-samples").glob("*.skeleton")):
        assert not any("change places" in note for note in read_clip(path).notes)


def test_positions_beyond_all_numbers_raise_no_warning(two):
    two[0, 5, 3] = 3e38
    with np.errstate(all="raise"):
        follow_bodies(two, np.ones(two.shape[:2], bool), fps=30.0)
