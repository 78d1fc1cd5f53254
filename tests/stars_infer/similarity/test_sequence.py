import numpy as np
import pytest

from stars_infer import Clip, prepare
from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.sequence import JOINTS, SequenceConfig, motion_sequence
from stars_infer.synthetic.actions import perform

HOW = SequenceConfig(preprocessing=Preprocessing(), steps=20, motion=0.3)
WIDTH = 3 * len(JOINTS)


def prepared(name):
    return prepare(Clip.from_array(perform(name, np.random.default_rng(0))))


@pytest.mark.parametrize(("name", "bodies"), [("wave", 1), ("handshake", 2)])
def test_a_sequence_is_posture_and_motion_of_size_one(name, bodies):
    sequence = motion_sequence(prepared(name), HOW)
    assert sequence.shape == (bodies, 20, 2 * WIDTH)
    assert sequence.dtype == np.float32
    squares = np.square(sequence).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(squares, 1, rtol=1e-5)
    of_motion = np.square(sequence[:, :, WIDTH:]).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(of_motion, 0.3, rtol=1e-5)
    assert HOW.fits(sequence)


def test_a_sequence_does_not_tell_where_somebody_is_nor_how_large():
    clip = prepared("kick")
    moved = motion_sequence(1.3 * clip + np.float32([1, 0, 2]), HOW)
    np.testing.assert_allclose(moved, motion_sequence(clip, HOW), atol=1e-4)


def test_steps_are_means_of_as_many_frames_and_motion_their_slope():
    line = np.zeros((1, 40, 25, 3), np.float32)
    line[0, :, 3, 0] = np.arange(40)
    (sequence,) = motion_sequence(line, HOW)
    head = 3 * JOINTS.index(3)
    x, speed = sequence[:, head], sequence[:, WIDTH + head]
    np.testing.assert_allclose(x / x[0], (0.5 + 2 * np.arange(20)) / 0.5, rtol=1e-5)
    np.testing.assert_allclose(speed, 0.3**0.5, rtol=1e-5)


def test_a_body_that_never_moves_has_no_motion():
    statue = np.tile(prepared("wave")[:, :1], (1, 40, 1, 1))
    sequence = motion_sequence(statue, HOW)
    assert np.isfinite(sequence).all()
    assert not sequence[:, :, WIDTH:].any()
    assert not motion_sequence(np.zeros_like(statue), HOW).any()


def test_frames_that_cannot_be_cut_are_refused():
    with pytest.raises(UsageError, match="120 frames cannot be cut into 32 equal steps"):
        SequenceConfig(preprocessing=Preprocessing(frames=120))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 1}, "steps must be at least 2, not 1"),
        ({"motion": 1.1}, "motion must be at least 0 and at most 1, not 1.1"),
        ({"motion": -0.1}, "motion must be at least 0 and at most 1, not -0.1"),
        ({"temperature": 0}, "temperature must be above 0, not 0"),
        ({"temperature": -1}, "temperature must be above 0, not -1"),
        ({"kernel_width": 0}, "kernel_width must be above 0, not 0"),
    ],
)
def test_impossible_comparisons_are_refused(wrong, says):
    with pytest.raises(UsageError, match=says):
        SequenceConfig(**wrong)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((1, 20, 2 * WIDTH), True),
        ((2, 20, 2 * WIDTH), True),
        ((3, 20, 2 * WIDTH), False),
        ((0, 20, 2 * WIDTH), False),
        ((1, 21, 2 * WIDTH), False),
        ((1, 20, WIDTH), False),
        ((20, 2 * WIDTH), False),
        ((1,), False),
    ],
)
def test_sequences_that_fit(shape, fits):
    assert HOW.fits(np.zeros(shape, np.float32)) is fits
    if fits:
        assert not HOW.fits(np.full(shape, np.nan, np.float32))


def test_the_noise_of_a_sensor_is_not_made_a_motion():
    random = np.random.default_rng(0)
    still = np.tile(prepared("wave")[:, :1], (1, 120, 1, 1))[:, :120]
    noisy = still + random.normal(0, 1e-4, still.shape).astype(np.float32)
    motion = motion_sequence(noisy, HOW)[:, :, WIDTH:]
    assert np.square(motion).sum(axis=2).mean() < 0.01 * HOW.motion
