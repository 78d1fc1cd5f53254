"""Arrays in any order of their axes are read as what fits a body, or refused."""

from itertools import permutations

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clips.shapes import as_bodies
from stars_infer.errors import ClipError
from stars_infer.layouts import NTU25
from stars_infer.synthetic.actions import perform

FRAMES = 60


def people(count, frames=FRAMES, action="wave"):
    """Bodies beside each other, (M, T, 25, 3)."""
    return np.concatenate(
        [
            perform(action, np.random.default_rng(seed))[:, :frames] + [1.5 * seed, 0, 0]
            for seed in range(count)
        ]
    ).astype(np.float32)


def read(array, **options):
    return as_bodies(array, layout="ntu25", source="camera", **options)


@pytest.mark.parametrize("order", map("".join, permutations("MTVC")))
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("frames", [2, 25, 60])
def test_any_order_of_four_axes(order, count, frames):
    bodies = people(count, frames=frames)
    found, notes = read(np.transpose(bodies, ["MTVC".index(axis) for axis in order]))
    np.testing.assert_array_equal(found, bodies)
    assert bool(notes) == (order not in ("MTVC", "CTVM"))


@pytest.mark.parametrize("order", map("".join, permutations("TVC")))
@pytest.mark.parametrize("frames", [3, 25, 60])
def test_any_order_of_three_axes(order, frames):
    bodies = people(1, frames=frames)
    found, notes = read(np.transpose(bodies[0], ["TVC".index(axis) for axis in order]))
    np.testing.assert_array_equal(found, bodies)
    assert bool(notes) == (order != "TVC")


def test_the_note_names_the_order():
    _, (note,) = read(people(2).swapaxes(0, 1))
    assert note == "axes (60, 2, 25, 3) were read as (T, M, V, 3)"
    assert note in Clip.from_array(people(2).swapaxes(0, 1)).notes


def test_a_second_body_that_is_mostly_absent():
    bodies = people(2)
    bodies[1, 5:] = 0
    found, _ = read(bodies.swapaxes(0, 1))
    np.testing.assert_array_equal(found, bodies)


@pytest.mark.parametrize("count", [1, 2])
def test_rows_of_coordinates(count):
    bodies = people(count)
    rows = bodies.swapaxes(0, 1).reshape(FRAMES, -1)
    found, _ = read(rows)
    np.testing.assert_array_equal(found, bodies)


def test_a_batch_of_one_clip():
    bodies = people(2)
    np.testing.assert_array_equal(read(bodies[None])[0], bodies)
    channels_first = np.moveaxis(bodies, (0, 3), (3, 0))[None]
    np.testing.assert_array_equal(read(channels_first)[0], bodies)


def test_many_clips_in_one_array_stay_bodies_for_a_note_to_say_so():
    clips = np.concatenate([perform("wave", np.random.default_rng(s))[:, :40] for s in range(50)])
    found, notes = read(clips)
    np.testing.assert_array_equal(found, clips)
    assert not notes


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((60, 20, 3), "20 joints, but layout 'ntu25' has 25: pass --layout kinect20"),
        ((2, 60, 21, 3), "21 joints, but layout 'ntu25' has 25: no known layout has so many"),
        ((60, 25, 2), "in 2D: for clips in 2D, pass --flat"),
        ((60, 50), "in 2D: for clips in 2D, pass --flat"),
        ((60, 25, 4), "expected shape"),
        ((60,), "expected shape"),
        ((), "expected shape"),
        ((25, 60, 3), "no body keeps its bones so: bring it to (M, T, 25, 3)"),
        ((60, 75), "no body keeps its bones so"),
    ],
)
def test_what_fits_no_body_is_refused_with_a_remedy(shape, says):
    noise = np.random.default_rng(0).normal(size=shape)
    with pytest.raises(ClipError, match="^camera: ") as refused:
        read(noise)
    assert says in str(refused.value)


def test_noise_in_a_usual_order_is_read_as_usual():
    noise = np.random.default_rng(0).normal(size=(2, 2, 25, 3))
    noise[1, 0] = 0  # no body has two frames in the usual order, but one has two in the other
    noise[0, 1] = 0
    bodies, notes = read(noise)
    np.testing.assert_array_equal(bodies, noise)
    assert notes == ()


def test_points_in_2d_have_no_depth():
    bodies = people(1)
    found, _ = read(bodies[0, ..., :2], flat=True)
    np.testing.assert_array_equal(found[..., :2], bodies[..., :2])
    assert not found[..., 2].any()
    assert len(NTU25.joints) == found.shape[2]
