"""The choice of the actors among the bodies of a clip."""

from dataclasses import replace

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clips.actors import cast_bodies, select_actors


def person(frames, *, speed=0.02, seed=0, tall=True):
    """Joints (T, 25, 3) of an upright (or lying) body that moves."""
    random = np.random.default_rng(seed)
    rest = random.uniform(-0.1, 0.1, (25, 3)) + [1, 1, 3]
    rest[:, 1 if tall else 0] += np.linspace(0, 1.7, 25)
    drift = random.normal(size=3) * speed
    return (rest + np.arange(frames)[:, None, None] * drift).astype(np.float32)


def clip_of(*tracks):
    """A clip from (joints, first frame) tracks, as long as the last of them."""
    frames = max(start + len(joints) for joints, start in tracks)
    bodies = np.zeros((len(tracks), frames, 25, 3), np.float32)
    for body, (joints, start) in zip(bodies, tracks, strict=True):
        body[start : start + len(joints)] = joints
    return Clip.from_array(bodies)


def test_frames_without_anybody_are_dropped():
    early, late = person(20), person(20, seed=1)
    actors = select_actors(clip_of((early, 0), (late, 30)))
    assert actors.shape == (1, 40, 25, 3)


def test_body_seen_in_eleven_frames_is_noise_and_twelve_is_not():
    long = person(40, speed=0.01)
    assert len(select_actors(clip_of((long, 0), (person(11, speed=1), 5)))) == 1
    assert len(select_actors(clip_of((long, 0), (person(12, speed=1), 5)))) == 2


@pytest.mark.parametrize("fps", [15, 25, 60, 120])
def test_how_long_a_body_must_be_seen_is_in_seconds(fps):
    least = round(0.4 * fps)
    long = person(4 * least, speed=0.01)
    for frames, bodies in ((least - 1, 1), (least, 2)):
        clip = clip_of((long, 0), (person(frames, speed=1), 5))
        assert len(select_actors(replace(clip, fps=float(fps)))) == bodies


def test_the_longest_of_only_short_bodies_stays():
    actors = select_actors(clip_of((person(5), 0), (person(8, seed=1), 0)))
    np.testing.assert_array_equal(actors[0], person(8, seed=1))


def test_furniture_is_dropped_but_never_the_last_body():
    standing, lying = person(40, speed=0.001), person(40, tall=False, speed=0.1)
    actors = select_actors(clip_of((lying, 0), (standing, 0)))
    np.testing.assert_array_equal(actors, standing[None])
    two_lying = clip_of((lying, 0), (person(40, tall=False, seed=1), 0))
    assert len(select_actors(two_lying)) == 1
    another = person(40, tall=False, seed=2)
    actors = select_actors(clip_of((standing, 0), (lying, 0), (another, 0)))
    np.testing.assert_array_equal(actors, standing[None])


def test_the_cast_says_which_body_is_which_actor():
    first, second = person(20, speed=0.2), person(20, speed=0.1, seed=1)
    calm = person(45, speed=0.001, seed=2)
    cast = cast_bodies(clip_of((calm, 0), (first, 0), (second, 28)))
    assert cast[0].tolist() == [1] * 20 + [-1] * 8 + [2] * 20
    assert cast[1].tolist() == [0] * 45 + [-1] * 3


def test_the_more_moving_body_is_actor_one():
    calm, lively = person(40, speed=0.001), person(40, speed=0.05, seed=1)
    actors = select_actors(clip_of((calm, 0), (lively, 0)))
    np.testing.assert_array_equal(actors, [lively, calm])


def test_a_lost_and_found_person_stays_one_actor():
    first, second, other = person(20, speed=0.3), person(20, seed=1), person(45, seed=2, speed=0.01)
    actors = select_actors(clip_of((first, 0), (second, 25), (other, 0)))
    np.testing.assert_array_equal(actors[0, :20], first)
    np.testing.assert_array_equal(actors[0, 25:], second)
    np.testing.assert_array_equal(actors[1], other)


def test_a_third_body_does_not_overwrite_the_second():
    bodies = [person(30, speed=s, seed=n) for n, s in enumerate((0.3, 0.2, 0.1))]
    actors = select_actors(clip_of(*((body, 0) for body in bodies)))
    np.testing.assert_array_equal(actors, bodies[:2])
