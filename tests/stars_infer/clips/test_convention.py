"""Units, axes and frame rate: from whatever a file is in to meters, y up, right-handed."""

import numpy as np
import pytest

from stars_infer import Clip, read_clip
from stars_infer.clips.convention import UNITS, Convention, to_standard
from stars_infer.errors import UsageError
from stars_infer.synthetic.actions import perform

UP = {"x": (1, 0, 0), "-x": (-1, 0, 0), "y": (0, 1, 0), "-y": (0, -1, 0), "z": (0, 0, 1),
      "-z": (0, 0, -1)}  # fmt: skip


@pytest.mark.parametrize("up", UP)
def test_the_up_axis_is_turned_to_y_by_a_rotation(up):
    basis = to_standard(np.eye(3, dtype=np.float32), Convention(up=up))
    assert np.linalg.det(basis) == pytest.approx(1)
    np.testing.assert_array_equal(to_standard(np.array([UP[up]]), Convention(up=up)), [[0, 1, 0]])


@pytest.mark.parametrize("up", UP)
def test_left_handed_axes_are_mirrored(up):
    convention = Convention(up=up, handedness="left")
    basis = to_standard(np.eye(3, dtype=np.float32), convention)
    assert np.linalg.det(basis) == pytest.approx(-1)
    np.testing.assert_array_equal(to_standard(np.array([UP[up]]), convention), [[0, 1, 0]])


def test_a_camera_whose_y_points_down_keeps_its_depth():
    got = to_standard(np.array([[1.0, 2.0, 3.0]]), Convention(up="-y"))
    np.testing.assert_array_equal(got, [[-1, -2, 3]])


def test_units():
    meters = {"m": 1.7, "cm": 170, "mm": 1700, "in": 1.7 / 0.0254}
    assert set(meters) == set(UNITS)
    for unit, length in meters.items():
        got = to_standard(np.array([[0, length, 0]]), Convention(units=unit))
        np.testing.assert_allclose(got, [[0, 1.7, 0]], rtol=1e-6)


def test_what_needs_no_change_is_not_copied():
    joints = np.zeros((2, 3))
    assert to_standard(joints, Convention(units="m", up="+Y", handedness="right")) is joints


def test_nan_stays_in_its_joint():
    joints = np.array([[np.nan, 1, 2], [1, 2, 3]])
    got = to_standard(joints, Convention(up="z", units="cm"))
    assert np.isfinite(got).all(axis=1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"units": "feet"}, "units 'feet': known are m, cm, mm, in"),
        ({"up": "w"}, "up axis 'w': expected one of y, -y"),
        ({"handedness": "both"}, "expected right or left"),
        ({"fps": 0.0}, "frame rate 0: expected 0.1 to 1000 frames per second"),
        ({"fps": float("nan")}, "frame rate nan"),
        ({"fps": 1e9}, r"frame rate 1e\+09"),
    ],
)
def test_what_is_no_convention(wrong, says):
    with pytest.raises(UsageError, match=says):
        Convention(**wrong)


def test_words_for_units():
    assert Convention(units="Centimeters").units == Convention(units="centimetres").units == "cm"
    assert Convention(units="inches").units == "in"


def test_one_convention_over_another():
    one, two = Convention(up="z"), Convention(up="y", units="mm", fps=60)
    assert one.over(two) == Convention(up="z", units="mm", fps=60)
    assert two.over(one) == two


def test_the_caller_counts_more_than_the_file(tmp_path, waving):
    path = tmp_path / "c.npz"
    np.savez(path, joints=waving * 100, units="cm", up="y", fps=60)
    clip = read_clip(path)
    np.testing.assert_allclose(clip.bodies, waving, atol=1e-6)
    assert (clip.fps, clip.notes) == (60, ())
    clip = read_clip(path, convention=Convention(fps=15, units="mm"))
    np.testing.assert_allclose(clip.bodies, waving / 10, atol=1e-6)
    assert clip.fps == 15


def test_all_shapes_of_arrays_are_turned(tmp_path, waving):
    path = tmp_path / "c.npy"
    turned = to_standard(waving, Convention(up="z"))
    for shaped in (waving[0], waving, np.moveaxis(waving, (0, 3), (3, 0))):
        np.save(path, shaped)
        clip = read_clip(path, convention=Convention(up="z"))
        np.testing.assert_array_equal(clip.bodies, turned)


def test_a_file_cannot_name_a_layout_file(tmp_path, waving):
    path = tmp_path / "c.npz"
    np.savez(path, joints=waving, layout="../other.toml")
    with pytest.raises(Exception, match="an own layout is named by --layout"):
        read_clip(path)


@pytest.mark.parametrize("units", [0.0564, "0.0564", " 5.64e-2 "])
def test_units_may_be_a_number_of_meters(units):
    joints = perform("wave", np.random.default_rng(0)).astype(np.float32)
    assert Convention(units=units).units == 0.0564
    clip = Clip.from_array(joints / np.float32(0.0564), units=units)
    np.testing.assert_allclose(clip.bodies, joints, rtol=1e-5, atol=1e-6)
    assert clip.notes == ()


def test_a_note_tells_the_meters_in_a_unit_that_has_no_name():
    joints = perform("wave", np.random.default_rng(0)) / 7.5
    (note,) = Clip.from_array(joints).notes
    assert "no person's in m, cm, mm, in either" in note
    meters = float(note.split("--units ")[1].split()[0])
    assert 6 < meters < 9
    assert Clip.from_array(joints, units=meters).notes == ()
