import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip, prepare
from stars_infer.layouts import NTU25_JOINTS, NTU25_PARENTS
from stars_infer.layouts.bones import STANDARD_LENGTHS
from stars_infer.preprocessing.normalize import (
    CHAIN,
    PACE_FRAMES,
    even_pace,
    face_camera,
    level,
    stand_upright,
    standard_body,
)
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.preprocessing.resample import at_positions, resize
from stars_infer.synthetic.actions import perform
from tests.postures import lying, rotated, rotation, seated

ALL_STEPS = Preprocessing(frames=64, face_camera=True, standard_body=True, pace=0.5)


def acted(name="wave", seed=0):
    return perform(name, np.random.default_rng(seed))


def turned(actors, angle):
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(actors @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T, np.float32)


def grown(actors, factor):
    """A body of another size whose base of the spine goes the same way."""
    base = actors[:, :, :1]
    return base + np.float32(factor) * (actors - base)


def bones(actors):
    return actors - actors[:, :, NTU25_PARENTS]


def mean_of(actors, joint):
    return actors[0, :, NTU25_JOINTS.index(joint)].mean(axis=0)


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(-np.pi, np.pi), name=st.sampled_from(["wave", "walk", "handshake"]))
def test_facing_does_not_depend_on_the_heading(angle, name):
    actors = acted(name)
    facing = face_camera(turned(actors, angle))
    np.testing.assert_allclose(facing, face_camera(actors), atol=1e-4)
    across = sum(
        mean_of(facing, f"right {joint}") - mean_of(facing, f"left {joint}")
        for joint in ("shoulder", "hip")
    )
    assert across[0] > 0.3
    assert abs(across[2]) < 1e-4
    feet = [mean_of(facing, f"{s} foot") - mean_of(facing, f"{s} ankle") for s in ("left", "right")]
    assert all(foot[2] < -0.05 for foot in feet)


def test_only_the_first_actor_decides_the_turn_and_only_where_it_is_seen():
    pair = acted("handshake")
    pair[0, :20] = 0
    alone = face_camera(pair[:1, 20:])
    np.testing.assert_allclose(face_camera(pair)[:1, 20:], alone, atol=1e-5)
    assert not face_camera(pair)[0, :20].any()
    pair[0] = 0
    np.testing.assert_array_equal(face_camera(pair), pair)


def direction(actors, lower, upper):
    """From the mean of some joints of actor 1 to another one, a unit vector (3,)."""
    way = mean_of(actors, upper) - np.mean([mean_of(actors, joint) for joint in lower], axis=0)
    return way / np.linalg.norm(way)


def upright_by_the_definition(actors):
    """Which way somebody is upright (3,), in float64.

    Of who stands it is the way of the whole person, of others that of the trunk and the shanks.
    """

    def unit(vector):
        return vector / np.linalg.norm(vector)

    def mean_direction(lower, upper):
        first, second = (
            np.mean([actors[0].astype(np.float64)[:, NTU25_JOINTS.index(j)] for j in some], axis=0)
            for some in (lower, upper)
        )
        return unit(np.mean([unit(way) for way in second - first], axis=0))

    hips, shoulders = ["base of spine"], ["spine at shoulders"]
    knees, ankles = (
        [f"{side} {joint}" for side in ("left", "right")] for joint in ("knee", "ankle")
    )
    trunk, shanks = mean_direction(hips, shoulders), mean_direction(ankles, knees)
    standing = max(0, mean_direction(knees, hips) @ trunk) ** 2
    whole = mean_direction(ankles, shoulders)
    return unit(standing * whole + (1 - standing) * unit(trunk + shanks))


TURNS = {
    "none": np.eye(3),
    "ahead": rotation("x", np.pi / 6),
    "back": rotation("x", -np.pi / 6),
    "aside": rotation("z", np.pi / 6),
    "askew": rotation("z", -0.4) @ rotation("x", 0.6),
    "with heading": rotation("x", 0.5) @ rotation("y", 2.0),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", ["wave", "squat", "kick", "handshake", "seated"])
def test_whoever_is_tilted_becomes_upright(turn, name):
    actors = rotated(seated(lean=0.3) if name == "seated" else acted(name), TURNS[turn])
    upright = stand_upright(actors)
    assert upright.dtype == np.float32
    np.testing.assert_allclose(upright_by_the_definition(upright), [0, 1, 0], atol=1e-5)
    # The turn is the smallest one, about one axis, and the same for all actors and frames.
    up = upright_by_the_definition(actors)
    axis = np.cross(up, [0, 1, 0])
    np.testing.assert_allclose(upright @ axis, actors @ axis, atol=1e-5)
    for one, other in ((actors, upright), (bones(actors), bones(upright))):
        np.testing.assert_allclose(
            np.linalg.norm(other, axis=3), np.linalg.norm(one, axis=3), atol=1e-5
        )


@pytest.mark.parametrize("turn", TURNS)
def test_the_trunk_of_somebody_who_sits_becomes_upright(turn):
    actors = rotated(seated(), TURNS[turn])
    trunk = direction(stand_upright(actors), ["base of spine"], "spine at shoulders")
    np.testing.assert_allclose(trunk, [0, 1, 0], atol=1e-3)
    ankles = ["left ankle", "right ankle"]
    # The line by which somebody who stands is upright is not upright here.
    whole = direction(stand_upright(actors), ankles, "spine at shoulders")
    assert whole[1] < np.cos(np.deg2rad(15))


@pytest.mark.parametrize("turn", TURNS)
def test_whoever_stands_is_upright_from_the_ankles_to_the_shoulders(turn):
    upright = stand_upright(rotated(acted("wave"), TURNS[turn]))
    whole = direction(upright, ["left ankle", "right ankle"], "spine at shoulders")
    np.testing.assert_allclose(whole, [0, 1, 0], atol=np.deg2rad(0.5))


@pytest.mark.parametrize("name", ["wave", "squat", "walk", "handshake"])
def test_whoever_lies_is_not_turned(name):
    actors = lying(acted(name))
    np.testing.assert_array_equal(stand_upright(actors), actors)


@pytest.mark.parametrize("axis", ["x", "z"])
@pytest.mark.parametrize(("beyond", "turns"), [(-0.02, True), (0.02, False)])
def test_from_some_tilt_on_somebody_lies(axis, beyond, turns):
    standing = stand_upright(acted("wave"))
    tilted = rotated(standing, rotation(axis, np.deg2rad(60) + beyond))
    upright = stand_upright(tilted)
    assert np.array_equal(upright, tilted) is not turns
    if turns:
        np.testing.assert_allclose(upright_by_the_definition(upright), [0, 1, 0], atol=1e-5)


@pytest.mark.parametrize("axis", ["x", "z"])
@pytest.mark.parametrize(
    ("degrees", "left"), [(0, 0), (10, 10), (15, 15), (20, 10), (25, 0), (40, 0), (59, 0), (61, 61)]
)
def test_people_may_lean_but_a_camera_is_leveled(axis, degrees, left):
    """Between 15 and 25 degrees, a share that grows from nothing to all is taken out."""
    standing = stand_upright(acted("wave"))
    leveled = level(rotated(standing, rotation(axis, np.deg2rad(degrees))))
    expected = rotated(standing, rotation(axis, np.deg2rad(left)))
    np.testing.assert_allclose(bones(leveled), bones(expected), atol=1e-4)


def test_only_the_first_actor_decides_what_is_upright_and_only_where_it_is_seen():
    pair = rotated(acted("handshake"), TURNS["askew"])
    pair[0, :20] = 0
    alone = stand_upright(pair[:1, 20:])
    np.testing.assert_allclose(stand_upright(pair)[:1, 20:], alone, atol=1e-5)
    assert not stand_upright(pair)[0, :20].any()
    pair[0] = 0
    np.testing.assert_array_equal(stand_upright(pair), pair)


def test_every_bone_but_the_base_has_a_standard_length():
    base = NTU25_JOINTS.index("base of spine")
    assert (np.delete(STANDARD_LENGTHS, base) > 0.04).all()
    assert STANDARD_LENGTHS[base] == 0
    swapped = {"left": "right", "right": "left"}
    for joint, length in zip(NTU25_JOINTS, STANDARD_LENGTHS, strict=True):
        other = " ".join(swapped.get(word, word) for word in joint.split())
        assert length == STANDARD_LENGTHS[NTU25_JOINTS.index(other)]


def test_chain_adds_bones_up_to_joints():
    actors = acted("walk")
    np.testing.assert_allclose(actors[:, :, :1] + CHAIN @ bones(actors), actors, atol=1e-5)


def test_standard_body_has_standard_lengths_and_moves_the_same_way():
    actors = acted("jump")
    standard = standard_body(actors)
    lengths = np.linalg.norm(bones(standard), axis=3)[0]
    middle = np.sort(lengths, axis=0)[(len(lengths) - 1) // 2]
    np.testing.assert_allclose(middle, STANDARD_LENGTHS, atol=1e-5)
    np.testing.assert_allclose(standard[:, :, 0], actors[:, :, 0], atol=1e-6)
    before = np.linalg.norm(bones(actors), axis=3, keepdims=True)
    after = np.linalg.norm(bones(standard), axis=3, keepdims=True)
    np.testing.assert_allclose(bones(standard) * before, bones(actors) * after, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(0.6, 1.6))
def test_standard_body_does_not_depend_on_the_size(factor):
    actors = acted("handshake")
    np.testing.assert_allclose(
        standard_body(grown(actors, factor)), standard_body(actors), atol=1e-4
    )


def test_absent_frames_stay_empty_and_do_not_count():
    actors = acted("handshake")
    gone = actors.copy()
    gone[1, :50] = 0
    standard = standard_body(gone)
    assert not standard[1, :50].any()
    np.testing.assert_allclose(standard[0], standard_body(actors)[0], atol=1e-6)
    np.testing.assert_allclose(standard[1:, 50:], standard_body(actors[1:, 50:]), atol=1e-6)
    assert not standard_body(np.zeros_like(actors)).any()


def test_a_joint_that_lies_on_its_parent_stays_there_and_others_stretch_at_most_threefold():
    actors = acted()
    tip, hand, head, neck = (
        NTU25_JOINTS.index(joint) for joint in ("tip of left hand", "left hand", "head", "neck")
    )
    actors[:, :, tip] = actors[:, :, hand]
    actors[:, :, head] = actors[:, :, neck] + np.float32([0, 0.01, 0])
    standard = standard_body(actors)
    np.testing.assert_allclose(standard[:, :, tip], standard[:, :, hand], atol=1e-6)
    stretched = standard[:, :, head] - standard[:, :, neck]
    np.testing.assert_allclose(stretched, np.broadcast_to([0, 0.03, 0], stretched.shape), atol=1e-5)


def test_fractional_frames_are_interpolated_and_held_at_the_ends():
    line = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)
    got = at_positions(line, np.array([-1.0, 0.25, 2.5, 9.0])).ravel()
    np.testing.assert_allclose(got, [0, 0.25, 2.5, 3])


@pytest.mark.parametrize("frames", [32, 120])
def test_pace_of_no_share_is_plain_resampling(frames):
    actors = acted("kick")
    even = even_pace(actors, frames, 0.0)
    assert even.shape == (1, frames, 25, 3)
    assert even.dtype == np.float32
    # The two differ by at most half of the 128 frames in between.
    fine = resize(actors, PACE_FRAMES)
    half_a_step = np.abs(np.diff(fine, axis=1)).max() / 2
    difference = np.abs(even - resize(fine, frames))
    assert difference.max() < half_a_step + 1e-5
    assert difference.mean() < half_a_step / 4


def raised(frames_of_pause):
    """An arm goes up, waits, and goes on."""
    actors = np.tile(acted()[:, :1], (1, 80 + frames_of_pause, 1, 1))
    height = np.concatenate(
        (np.linspace(0, 0.5, 40), np.full(frames_of_pause, 0.5), np.linspace(0.5, 1, 40))
    )
    arm = [NTU25_JOINTS.index(f"right {joint}") for joint in ("elbow", "wrist", "hand")]
    actors[0][:, arm, 1] += height[:, None].astype(np.float32)
    return actors


def test_a_pause_counts_little_where_time_follows_the_motion():
    change = {
        share: np.abs(even_pace(raised(60), 64, share) - even_pace(raised(0), 64, share)).max()
        for share in (0.0, 1.0)
    }
    assert change[1.0] < 0.03
    assert change[0.0] > 0.15


def test_going_along_without_moving_a_limb_is_no_motion():
    walker = raised(0)
    carried = walker + np.linspace(0, 5, 80, dtype=np.float32)[:, None, None] * np.float32(
        [1, 0, 0]
    )
    still, moving = (even_pace(a, 64, 1.0) for a in (walker, carried))
    np.testing.assert_allclose(still - still[:, :, :1], moving - moving[:, :, :1], atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_body_that_never_moves_has_a_pace(share):
    statue = np.tile(acted()[:, :1], (1, 50, 1, 1))
    paced = even_pace(statue, 32, share)
    np.testing.assert_allclose(paced, statue[:, :32], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    angle=st.floats(-np.pi, np.pi),
    factor=st.floats(0.7, 1.4),
    name=st.sampled_from(["wave", "squat", "walk"]),
)
def test_a_prepared_clip_shows_neither_heading_nor_size(angle, factor, name):
    joints = acted(name)
    expected = prepare(Clip.from_array(joints), ALL_STEPS)
    assert expected.shape == (1, 64, 25, 3)
    other = Clip.from_array(turned(grown(joints, factor), angle))
    np.testing.assert_allclose(prepare(other, ALL_STEPS), expected, atol=2e-3)
    assert np.abs(prepare(other) - prepare(Clip.from_array(joints))).max() > 0 or angle == 0


def test_steps_that_are_left_out_change_nothing():
    clip = Clip.from_array(acted("walk"))
    np.testing.assert_array_equal(
        prepare(clip), prepare(clip, Preprocessing(face_camera=False, standard_body=False, pace=0))
    )
