import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip, prepare
from stars_infer.preprocessing.normalize import face_camera, level, stand_upright
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.similarity.comparison import NORMALIZED, SequenceConfig
from stars_infer.similarity.modes import JOINTS, MODES
from stars_infer.similarity.sequence import mirror_sequence, posture_sequence, sequence_of
from stars_infer.synthetic.actions import ACTIONS, SOLO_ACTIONS, perform
from tests.postures import lying, rotated, rotation, seated

HOW = SequenceConfig(preprocessing=Preprocessing(), steps=20)
DEFAULT = SequenceConfig()
UPRIGHT, FACING, RECORDED, HIPS = (
    slice(0, 24),
    slice(24, 48),
    slice(48, 72),
    slice(72, 75),
)
"""Numbers of a step: the posture upright and turned, turned, as recorded; and the hips."""


def acted(name, seed=0):
    return perform(name, np.random.default_rng(seed))


def prepared(name):
    return prepare(Clip.from_array(acted(name)))


def modes_by_the_definition(steps):
    """Modes of postures (M, S, 25, 3), one weighted sum of joints after the other."""
    result = np.zeros((*steps.shape[:2], len(MODES), 3))
    for mode, weights in enumerate(MODES.astype(np.float64)):
        for joint, weight in zip(JOINTS, weights, strict=True):
            result[:, :, mode] += weight * (steps[:, :, joint] - steps[:, :, 0])
    return result.reshape(*steps.shape[:2], -1)


@pytest.mark.parametrize("tilt", [0, 20, 40])
@pytest.mark.parametrize(("name", "bodies"), [("wave", 1), ("handshake", 2)])
def test_a_sequence_is_three_postures_and_the_path_of_the_hips(name, bodies, tilt):
    cosine, sine = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    turn = np.float32([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    clip = prepared(name) @ turn.T
    sequence = posture_sequence(clip, HOW)
    assert sequence.shape == (bodies, 20, 75)
    assert sequence.dtype == np.float32
    assert HOW.fits(sequence)
    steps = clip.astype(np.float64).reshape(bodies, 20, 6, 25, 3).mean(axis=2)
    upright, leveled = face_camera(stand_upright(steps)), level(steps)
    for numbers, expected in (
        (UPRIGHT, modes_by_the_definition(upright)),
        (FACING, modes_by_the_definition(face_camera(leveled))),
        (RECORDED, modes_by_the_definition(leveled)),
        (HIPS, upright[:, :, 0] - upright[:, :1, 0]),
    ):
        np.testing.assert_allclose(sequence[:, :, numbers], expected, atol=1e-5)


def test_a_sequence_is_that_of_the_prepared_clip():
    clip = Clip.from_array(acted("kick"))
    expected = posture_sequence(prepare(clip, NORMALIZED), DEFAULT)
    np.testing.assert_array_equal(sequence_of(clip, DEFAULT), expected)
    assert expected.shape == (1, 32, 75)


def test_a_sequence_does_not_tell_where_somebody_is():
    clip = prepared("kick")
    moved = posture_sequence(clip + np.float32([1, 0, 2]), HOW)
    np.testing.assert_allclose(moved, posture_sequence(clip, HOW), atol=1e-4)
    grown = posture_sequence(1.3 * clip, HOW)
    np.testing.assert_allclose(grown, 1.3 * posture_sequence(clip, HOW), atol=1e-4)


def test_steps_are_means_of_as_many_frames():
    line = np.zeros((1, 40, 25, 3), np.float32)
    line[0, :, 3, 0] = np.arange(40)
    (sequence,) = posture_sequence(line, HOW)
    head = MODES[:, JOINTS.index(3)]
    x = sequence[:, RECORDED].reshape(20, 8, 3)[:, :, 0]
    np.testing.assert_allclose(x, np.outer(0.5 + 2 * np.arange(20), head), rtol=1e-5, atol=1e-5)


def test_a_body_that_is_never_seen_has_a_sequence_of_zeros():
    assert not posture_sequence(np.zeros((1, 40, 25, 3), np.float32), HOW).any()


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("how", [DEFAULT, HOW])
def test_the_sequence_of_a_mirrored_clip_is_the_mirrored_sequence(action, how):
    clip = Clip.from_array(rotated(acted(action), rotation("y", 0.4) @ rotation("z", 0.2)))
    expected = sequence_of(mirror_clip(clip), how)
    plain = sequence_of(clip, how)
    np.testing.assert_allclose(mirror_sequence(plain), expected, atol=2e-4)
    assert np.abs(plain - expected).max() > 0.05
    np.testing.assert_array_equal(mirror_sequence(mirror_sequence(plain)), plain)


TILTS = [
    rotation("x", np.pi / 6),
    rotation("x", -np.pi / 6),
    rotation("z", np.pi / 6),
    rotation("z", -np.pi / 6),
    rotation("x", np.pi / 6) @ rotation("z", np.pi / 6),
]


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(ACTIONS),
    tilt=st.sampled_from(range(len(TILTS))),
    heading=st.floats(-np.pi, np.pi),
)
def test_neither_the_tilt_of_a_camera_nor_the_heading_change_who_stands(name, tilt, heading):
    joints = acted(name)
    seen = rotated(joints, TILTS[tilt] @ rotation("y", heading))
    plain, other = (sequence_of(Clip.from_array(one), DEFAULT) for one in (joints, seen))
    np.testing.assert_allclose(other[:, :, UPRIGHT], plain[:, :, UPRIGHT], atol=1e-3)
    np.testing.assert_allclose(other[:, :, HIPS], plain[:, :, HIPS], atol=1e-3)
    if name != "squat":  # who squats leans backward, by half of some tilts
        np.testing.assert_allclose(other[:, :, FACING], plain[:, :, UPRIGHT], atol=1e-3)


@pytest.mark.parametrize("name", ACTIONS)
def test_whoever_leans_is_upright_in_the_first_posture_only(name):
    joints = acted(name)
    seen = rotated(joints, rotation("x", 0.17))
    plain, other = (sequence_of(Clip.from_array(one), DEFAULT) for one in (joints, seen))
    np.testing.assert_allclose(other[:, :, UPRIGHT], plain[:, :, UPRIGHT], atol=1e-3)
    assert np.abs(other[:, :, FACING] - plain[:, :, FACING]).max() > 0.05
    assert np.abs(other[:, :, RECORDED] - plain[:, :, RECORDED]).max() > 0.05


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(ACTIONS), heading=st.floats(-np.pi, np.pi))
def test_a_heading_changes_the_posture_as_recorded_only(name, heading):
    joints = acted(name)
    seen = rotated(joints, rotation("y", heading))
    plain, other = (sequence_of(Clip.from_array(one), DEFAULT) for one in (joints, seen))
    for numbers in (UPRIGHT, FACING, HIPS):
        np.testing.assert_allclose(other[:, :, numbers], plain[:, :, numbers], atol=1e-3)
    recorded = plain[:, :, RECORDED].reshape(*plain.shape[:2], 8, 3) @ rotation("y", heading).T
    got = other[:, :, RECORDED].reshape(recorded.shape)
    np.testing.assert_allclose(got, recorded, atol=1e-3)


@pytest.mark.parametrize("name", SOLO_ACTIONS)
def test_somebody_who_lies_is_not_turned_upright(name):
    joints = lying(acted(name))
    sequence = sequence_of(Clip.from_array(joints), DEFAULT)
    np.testing.assert_allclose(sequence[:, :, UPRIGHT], sequence[:, :, FACING], atol=1e-5)
    assert np.abs(sequence - sequence_of(Clip.from_array(acted(name)), DEFAULT)).max() > 0.3


@pytest.mark.parametrize("tilt", range(len(TILTS)))
def test_somebody_who_sits_is_upright_whatever_the_tilt(tilt):
    joints = seated()
    plain = sequence_of(Clip.from_array(joints), DEFAULT)
    np.testing.assert_allclose(plain[:, :, UPRIGHT], plain[:, :, FACING], atol=2e-2)
    seen = sequence_of(Clip.from_array(rotated(joints, TILTS[tilt])), DEFAULT)
    np.testing.assert_allclose(seen[:, :, UPRIGHT], plain[:, :, UPRIGHT], atol=1e-3)
