import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip
from stars_infer.similarity.comparison import (
    CONTENTS,
    DEVIATION,
    MOVING,
    PARTS,
    UNTURNED,
    SequenceConfig,
)
from stars_infer.similarity.contents import STIFF, STILL, content_of, part_of
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import perform
from tests.plain_comparison import POSTURES, plain_content, plain_part

WIDTHS = {MOVING: 24 + 24 + 2, UNTURNED: 24 + 24, DEVIATION: 24}


def drawn(seed, count=3, steps=16, *, size=0.5):
    """Bodies that move smoothly, (N, S, 75)."""
    random = np.random.default_rng(seed)
    time = np.linspace(0, 1, steps)[None, :, None]
    pace, phase = random.uniform(0.5, 2, (count, 1, 75)), random.uniform(0, 6, (count, 1, 75))
    bodies = random.normal(size=(count, 1, 75)) + np.sin(2 * np.pi * pace * time + phase)
    return (size * bodies).astype(np.float32)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("steps", [4, 16, 32])
def test_parts_are_those_of_the_definition(part, steps):
    bodies = drawn(0, steps=steps)
    expected = [plain_part(body, part) for body in bodies]
    np.testing.assert_allclose(part_of(bodies, part), expected, atol=1e-6)
    assert part_of(bodies, part).shape == bodies.shape


@settings(max_examples=60, deadline=None)
@given(
    content=st.sampled_from(CONTENTS),
    part=st.sampled_from(PARTS),
    steps=st.sampled_from([4, 8, 16, 32]),
    size=st.sampled_from([1.0, 0.3, 0.02, 0.005]),
    seed=st.integers(0, 999),
)
def test_contents_are_those_of_the_definition(content, part, steps, size, seed):
    bodies = drawn(seed, steps=steps, size=size)
    got = content_of(part_of(bodies, part), content)
    assert got.dtype == np.float32
    assert got.shape[2] == WIDTHS[content]
    for body, one in zip(bodies.astype(np.float64), got, strict=True):
        expected = plain_content(plain_part(body, part), content)
        np.testing.assert_allclose(one, expected, atol=2e-5)


def test_whoever_moves_enough_has_size_one():
    squares = {
        content: np.square(content_of(drawn(1), content)).sum(axis=2).mean(axis=1)
        for content in CONTENTS
    }
    np.testing.assert_allclose(squares[UNTURNED], 1, rtol=1e-5)
    np.testing.assert_allclose(squares[DEVIATION], 1, rtol=1e-5)
    path = np.square(content_of(drawn(1), MOVING)[:, :, 48:]).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(squares[MOVING], 0.9 + path, rtol=1e-5)
    assert (path < 2 * 0.1).all()


def unmoved(steps=32):
    """A posture that is held, and nearly held."""
    return np.repeat(drawn(2, 1, 1), steps, axis=1)


@pytest.mark.parametrize(
    ("content", "least"), [(MOVING, STILL), (UNTURNED, STILL), (DEVIATION, STIFF)]
)
@pytest.mark.parametrize("part", PARTS)
def test_little_motion_stays_little(content, least, part):
    """Half of what is noise counts half; what hardly moves has hardly a motion."""
    still = part_of(unmoved(), part)
    pace = 1 if content == DEVIATION else 32 / still.shape[1]
    direction = np.zeros(75, np.float32)
    direction[POSTURES[content].start] = 1
    way = np.arange(still.shape[1], dtype=np.float32) - (still.shape[1] - 1) / 2
    if content == DEVIATION:  # which is the size itself, not its change with time
        way /= np.sqrt(np.square(way).mean())
    bent = {
        share: content_of(still + share * least * pace * np.outer(way, direction), content)
        for share in (0.0, 0.01, 0.5, 0.99, 1.0, 5.0)
    }
    size = {share: moving_size(one, content) for share, one in bent.items()}
    full = size[1.0]
    assert size[0.0] < 1e-4
    for share in (0.01, 0.5, 0.99):
        assert size[share] == pytest.approx(share * full, rel=1e-3)
    assert size[5.0] == pytest.approx(full, rel=1e-3)
    share = {MOVING: 0.252, UNTURNED: 0.28, DEVIATION: 1.0}[content]
    assert full == pytest.approx(share**0.5, rel=1e-3)


def moving_size(compared, content):
    """Root mean square norm of the motion, or of the deviation, of one body."""
    motion = compared if content == DEVIATION else compared[:, :, 24:48]
    return float(np.sqrt(np.square(motion).sum(axis=2).mean()))


def test_a_body_that_is_not_seen_has_no_content():
    for content in CONTENTS:
        assert not content_of(np.zeros((1, 8, 75), np.float32), content).any()


def test_the_noise_of_a_sensor_is_not_made_a_motion():
    joints = np.repeat(perform("wave", np.random.default_rng(0))[:, :1], 80, axis=1)
    noise = np.random.default_rng(1).normal(0, 0.002, joints.shape)
    how = SequenceConfig()
    sequence = sequence_of(Clip.from_array(np.float32(joints + noise)), how)
    for content in CONTENTS:
        assert moving_size(content_of(sequence, content), content) < 0.25


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("part", PARTS)
def test_a_larger_body_that_moves_more_is_the_same(content, part):
    """Only the path of the hips is in meters."""
    bodies = part_of(drawn(3), part)
    larger = bodies.copy()
    larger[:, :, :72] *= 1.4
    np.testing.assert_allclose(content_of(larger, content), content_of(bodies, content), atol=1e-5)


@pytest.mark.parametrize("content", CONTENTS)
def test_where_somebody_is_does_not_matter(content):
    bodies = drawn(4)
    moved = bodies.copy()
    moved[:, :, 72:] += np.float32([1.5, -0.7, 3])
    np.testing.assert_allclose(content_of(moved, content), content_of(bodies, content), atol=1e-5)


def test_the_heading_of_a_path_does_not_matter():
    bodies = drawn(5)
    turned = bodies.copy()
    turned[:, :, 72], turned[:, :, 74] = -bodies[:, :, 74], bodies[:, :, 72]
    np.testing.assert_allclose(content_of(turned, MOVING), content_of(bodies, MOVING), atol=1e-6)


@pytest.mark.parametrize("action", ["walk", "squat", "handshake"])
def test_neither_size_nor_place_of_a_person_matter(action):
    joints = perform(action, np.random.default_rng(0))
    hips = joints[:, :, :1]
    grown = Clip.from_array(np.float32(hips + 1.25 * (joints - hips)))
    moved = Clip.from_array(joints + np.float32([1.0, 0.4, -0.5]))
    how = SequenceConfig()
    plain = sequence_of(Clip.from_array(joints), how)
    for other in (grown, moved):
        for content in CONTENTS:
            np.testing.assert_allclose(
                content_of(sequence_of(other, how), content), content_of(plain, content), atol=2e-3
            )


def test_each_content_looks_at_its_own_numbers():
    bodies = drawn(6)
    for content in CONTENTS:
        for other, numbers in POSTURES.items():
            changed = bodies.copy()
            changed[:, :, numbers] = drawn(7)[:, :, numbers]
            same = np.array_equal(content_of(changed, content), content_of(bodies, content))
            assert same == (other != content)
        walked = bodies.copy()
        walked[:, :, 72:] = drawn(7)[:, :, 72:]
        same = np.array_equal(content_of(walked, content), content_of(bodies, content))
        assert same == (content != MOVING)
