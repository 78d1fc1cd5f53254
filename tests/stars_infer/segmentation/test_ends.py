import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.segmentation.ends import Ends, ends_of, moves_on, spread

FPS = 30
RAISED = np.concatenate([np.zeros(6), 1 - np.cos(np.linspace(0, 2 * np.pi, 48)), np.zeros(6)]) / 2
"""An arm goes up and comes down again, in two seconds."""


def body(heights):
    """A body (T, 25, 3) of which the arms are so high, meters."""
    joints = np.tile(np.random.default_rng(0).uniform(-0.5, 0.5, (25, 3)), (len(heights), 1, 1))
    joints[:, 4:12, 1] += np.asarray(heights)[:, None]
    return joints.astype(np.float32)


def ends(*bodies):
    return ends_of(Clip.from_array(np.stack(bodies), fps=FPS))


def test_an_action_comes_back_and_a_part_of_it_does_not():
    whole = ends(body(RAISED))
    up = ends(body(RAISED[:30]))
    assert whole.apart < -1.5 < -0.5 < up.apart
    assert whole.hurry < -1 < up.hurry


def test_a_window_that_is_off_is_worse():
    twice = np.concatenate([RAISED, RAISED])
    at = [ends(body(twice[shift : shift + 60])) for shift in (0, 8, 16, 24)]
    hurries = [one.hurry for one in at]
    assert hurries == sorted(hurries)
    assert ends(body(RAISED)).apart < min(one.apart for one in at[1:])


def test_a_slow_end_does_not_make_up_for_a_fast_one():
    late, early = ends(body(RAISED[10:])), ends(body(RAISED[:-10]))
    assert late.hurry == pytest.approx(early.hurry, abs=1e-3)
    assert late.hurry > ends(body(RAISED)).hurry + 0.5


def test_the_body_moves_on_within_an_action_and_rests_between_two():
    cycling = ends(body(np.sin(np.linspace(0, 4 * np.pi, 60))))
    assert moves_on(cycling, cycling)
    for at in (18, 30):  # on its way up, and where it turns
        assert moves_on(ends(body(RAISED[:at])), ends(body(RAISED[at:])))
    whole = ends(body(RAISED))
    assert not moves_on(whole, whole)
    assert not moves_on(cycling, whole)
    assert not moves_on(whole, cycling)


def test_the_body_that_moves_most_counts():
    acting, standing = body(RAISED), body(0 * RAISED)
    assert ends(standing, acting) == ends(acting)


def test_who_walks_through_the_room_with_quiet_arms_does_not_move():
    walking = body(RAISED) + np.linspace(0, 2, len(RAISED), dtype=np.float32)[:, None, None]
    assert ends(walking).apart == pytest.approx(ends(body(RAISED)).apart, abs=1e-3)


def test_what_shows_nobody_long_enough_says_nothing():
    assert ends(body(RAISED[:3])) == Ends(apart=0.0, first=0.0, last=0.0)
    briefly = np.stack([body(RAISED[:40])] * 2)
    briefly[1, 3:] = 0
    assert ends(*briefly) == ends(briefly[0])
    still = ends(body(np.zeros(60)))
    assert (still.apart, still.hurry) == pytest.approx((0, 0), abs=0.02)


def test_spread_is_in_meters():
    track = np.zeros((2, 4, 3), np.float32)
    track[1, :, 0] = 2
    assert spread(track) == 1
