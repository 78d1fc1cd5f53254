import numpy as np
import pytest

from stars_infer.layouts import NTU25, get_layout, layout_names
from stars_infer.similarity.differences import (
    LIMBS,
    largest_differences,
    limb_distances,
    limb_of_joints,
)
from stars_infer.synthetic.actions import perform


@pytest.fixture
def postures():
    """A person who stands, (1, 30, 25, 3)."""
    return np.repeat(perform("wave", np.random.default_rng(0))[:, :1], 30, axis=1)


def named(first, second):
    seconds = np.arange(first.shape[1]) / 10
    return largest_differences(first, second, seconds, 2 * seconds)


@pytest.mark.parametrize(
    ("joints", "axis", "by", "limb", "direction"),
    [
        ((9, 10, 11), 1, 0.3, "right arm", "higher"),
        ((9, 10, 11), 0, 0.3, "right arm", "further out"),
        ((5, 6, 7), 0, 0.3, "left arm", "further in"),
        ((13, 14), 2, -0.3, "left leg", "further forward"),
        ((3, 20), 2, 0.3, "trunk and head", "further back"),
        ((3, 20), 0, 0.3, "trunk and head", "further to the right"),
    ],
)
def test_where_a_limb_is_instead_is_named(postures, joints, axis, by, limb, direction):
    changed = postures.copy()
    changed[:, 10:20, joints, axis] += by
    (found, *_) = named(changed, postures)
    assert (found.limb, found.direction, found.person) == (limb, direction, 0)
    assert found.amount == pytest.approx(30, abs=1)
    assert found.start == pytest.approx(1.0, abs=0.11)
    assert found.end == pytest.approx(1.9, abs=0.11)
    assert (found.other_start, found.other_end) == (2 * found.start, 2 * found.end)


def test_hips_are_measured_from_the_floor(postures):
    low = postures.copy()
    low[:, 10:20] -= np.float32([0, 0.4, 0])
    low[:, 10:20, 12:20] = postures[:, 10:20, 12:20]  # the feet stay where they were
    found = {one.limb: one for one in named(low, postures)}
    assert found["hips"].direction == "lower"
    assert found["hips"].words() == "the hips, 1.0 to 1.9 s, 40 cm lower"


def test_a_turn_is_told_in_degrees(postures):
    angle = np.radians(80)
    turn = np.float32(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    found = [one for one in named(postures @ turn, postures) if one.unit == "°"]
    assert [round(one.amount) for one in found] == [80]
    assert "turned 80° further to the right" in found[0].words()


def test_a_full_turn_is_no_difference(postures):
    angles = np.linspace(0, 2 * np.pi, postures.shape[1])
    turns = np.stack([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
                      for a in angles]).astype(np.float32)  # fmt: skip
    spinning = np.einsum("mtvc,tcd->mtvd", postures, turns)
    assert not named(spinning, spinning)
    assert max(one.amount for one in named(spinning, postures) if one.unit == "°") <= 181


def test_what_is_short_or_small_is_not_told(postures):
    brief, small = postures.copy(), postures.copy()
    brief[:, 10:11, 9:12, 1] += 0.3
    small[:, :, 9:12, 1] += 0.05
    assert named(brief, postures) == ()
    assert named(small, postures) == ()


def test_who_is_absent_differs_in_nothing(postures):
    gone = postures.copy()
    gone[:, 5:] = 0
    distances = limb_distances(gone, postures + np.float32([1, 0, 0]))
    assert not distances[:, 6:].any()


def test_the_second_person_is_named(postures):
    both = np.concatenate((postures, postures))
    changed = both.copy()
    changed[1, :, 9:12, 1] += 0.3
    (found, *_) = named(changed, both)
    assert found.words() == "the right arm of person 2, 0.0 to 2.9 s, 30 cm higher"


@pytest.mark.parametrize("name", layout_names())
def test_every_joint_belongs_to_a_limb(name):
    layout = get_layout(name)
    limbs = limb_of_joints(layout)
    assert len(limbs) == len(layout.joints)
    assert set(limbs) <= set(range(len(LIMBS)))
    assert {0, 1, 2, 3} <= set(limbs)
    for left, right in layout.mirror:
        pair = {LIMBS[limbs[left]], LIMBS[limbs[right]]}
        assert len(pair) == 1 or pair in ({"left arm", "right arm"}, {"left leg", "right leg"}), (
            layout.joints[left]
        )


def test_limbs_of_ntu():
    limbs = dict(zip(NTU25.joints, (LIMBS[limb] for limb in limb_of_joints(NTU25)), strict=True))
    assert limbs["left thumb"] == limbs["left elbow"] == "left arm"
    assert limbs["right foot"] == limbs["right knee"] == "right leg"
    assert limbs["base of spine"] == limbs["left hip"] == "hips"
    assert limbs["left shoulder"] == limbs["head"] == "trunk and head"
