"""Values that trackers write for lost joints: mended as NaN is, whatever they are."""

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.clips.fill_values import clear_lost
from stars_infer.clips.zeros import presence_of
from stars_infer.layouts import NTU25, NTU25_JOINTS, get_layout
from stars_infer.streaming.buffer import FrameBuffer
from stars_infer.synthetic.actions import perform
from tests.bodies import in_layout

LARGEST = float(np.finfo(np.float32).max)
EVERYWHERE = (
    LARGEST, -LARGEST, 1e38, 1e30, 1e25, -1e25, 99999.0, 9999.0, -9999.0, -999.0, 999.0, 1234.5,
    -1.0, 1.0, 9.999, 100.0,
)  # fmt: skip


def acted(action="clap"):
    """A body 2.6 m from the origin, (1, T, 25, 3)."""
    return perform(action, np.random.default_rng(1)).astype(np.float32)


def scattered(joints, share=0.1):
    return np.random.default_rng(2).random(joints.shape[:3]) < share


def check_as_nan(joints, lost, fill, **options):
    filled, missing = joints.copy(), joints.copy()
    filled[lost], missing[lost] = fill, np.nan
    mended, expected = (Clip.from_array(x, **options) for x in (filled, missing))
    np.testing.assert_array_equal(mended.bodies, expected.bodies)
    np.testing.assert_array_equal(mended.presence, expected.presence)
    assert mended.notes[1:] == expected.notes
    assert mended.notes[0].startswith("body 0: ")
    assert mended.notes[0].endswith("taken as missing")


@pytest.mark.parametrize("fill", EVERYWHERE)
@pytest.mark.parametrize("action", ["walk", "squat"])
def test_scattered_fill_values_are_mended_as_nan_is(fill, action):
    joints = acted(action)
    check_as_nan(joints, scattered(joints), fill)


@pytest.mark.parametrize(
    "fill", [(0.0, 0.0, -1.0), (5.0, 5.0, 0.0), (-9999.0, 0.0, 0.0), (1.0, 2.0, 3.0)]
)
def test_any_point_that_repeats_is_mended_where_no_bone_leads(fill):
    joints = acted()
    check_as_nan(joints, scattered(joints), fill)


@pytest.mark.parametrize("units", ["mm", "cm", "in"])
@pytest.mark.parametrize("fill", [-9999.0, -1.0, LARGEST])
def test_fill_values_are_found_in_any_unit_and_along_any_axis(units, fill):
    scale = {"mm": 1000, "cm": 100, "in": 1 / 0.0254}[units]
    joints = acted() * scale
    turned = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)
    check_as_nan(turned, scattered(turned), fill, units=units, up="z")


@pytest.mark.parametrize("fill", [LARGEST, 1e25, -9999.0, 50.0])
def test_a_single_value_is_enough_if_no_body_reaches_there(fill):
    joints = acted()
    lost = np.zeros(joints.shape[:3], bool)
    lost[0, 7, NTU25_JOINTS.index("left wrist")] = True
    check_as_nan(joints, lost, fill)
    only_depth = joints.copy()
    only_depth[lost, 2] = fill
    assert "left wrist of body 0 is missing for 1 frame" in " ".join(
        Clip.from_array(only_depth).notes
    )


def test_depth_that_is_lost_alone_is_found():
    joints = acted()
    lost = scattered(joints, 0.05)
    hollow, missing = joints.copy(), joints.copy()
    hollow[lost, 2], missing[lost] = 0, np.nan
    mended, expected = Clip.from_array(hollow), Clip.from_array(missing)
    np.testing.assert_array_equal(mended.bodies, expected.bodies)


@pytest.mark.parametrize("fill", [-1.0, 9999.0, LARGEST])
def test_where_all_of_a_body_is_at_one_place_it_is_absent(fill):
    joints = acted()
    joints[:, 20:30] = fill
    clip = Clip.from_array(joints)
    assert not clip.presence[0, 20:30].any()
    assert clip.presence[0, :20].all()
    assert clip.presence[0, 30:].all()
    assert not clip.bodies[0, 20:30].any()


def test_zeros_that_were_centered_afterwards_are_found_by_lying_together():
    joints = acted("walk")
    lost = scattered(joints, 0.15)
    lost[:, :, 0] = False
    centered = joints.copy()
    centered[lost] = 0
    centered -= joints[:, :, :1]
    bodies, _, notes = clear_lost(centered, presence_of(centered), layout=NTU25)
    several = lost & (lost.sum(axis=2, keepdims=True) > 2)
    found = np.isnan(bodies).any(axis=3)
    assert found[several].mean() > 0.95
    assert not found[~lost].any()
    assert notes


@pytest.mark.parametrize("name", ["ntu25", "kinect20", "coco17", "mediapipe33", "humanik"])
@pytest.mark.parametrize("decimals", [2, 3, None])
def test_a_body_without_fill_values_is_left_alone(name, decimals):
    for action in ("wave", "walk", "squat"):
        joints = in_layout(acted(action), name)
        if decimals is not None:
            joints = np.round(joints, decimals)
        bodies, _, notes = clear_lost(joints, presence_of(joints), layout=get_layout(name))
        assert bodies is joints
        assert notes == ()


def test_joints_that_are_always_together_and_frames_shown_twice_stay():
    joints = acted().repeat(4, axis=1)
    joints[:, :, NTU25_JOINTS.index("left hip")] = joints[:, :, NTU25_JOINTS.index("right hip")]
    joints[:, :, NTU25_JOINTS.index("left foot")] = joints[:, :1, NTU25_JOINTS.index("left foot")]
    bodies, _, _ = clear_lost(joints, presence_of(joints), layout=NTU25)
    assert bodies is joints


def test_random_numbers_up_to_the_largest_never_crash():
    random = np.random.default_rng(0)
    for power in (5, 10, 20, 30, 37):
        joints = random.normal(size=(2, 30, 25, 3)) * 10.0 ** random.uniform(
            0, power, (2, 30, 25, 1)
        )
        bodies, _, _ = clear_lost(joints.astype(np.float32), np.ones((2, 30), bool), layout=NTU25)
        assert bodies.shape == joints.shape


def test_a_stream_takes_fill_values_as_missing():
    joints = acted()[0]
    wrist = NTU25_JOINTS.index("left wrist")
    for fill in (1e25, -9999.0, -1.0):
        buffer = FrameBuffer(joints=25, seconds=2)
        for number, frame in enumerate(joints[:60]):
            frame = frame.copy()
            if number in (40, 41, 42):
                frame[wrist] = fill
            buffer.add(frame, number / 30)
        bodies, _ = buffer.latest(fps=30, layout=NTU25)
        assert np.abs(bodies[0, :, wrist] - joints[: len(bodies[0]), wrist]).max() < 0.3


@pytest.mark.parametrize("times", [2, 3, 5])
def test_frames_that_are_shown_several_times_are_no_fill_values_where_a_joint_is_lost(times):
    joints = np.repeat(perform("wave", np.random.default_rng(0)), times, axis=1)
    joints[:, 31:40, 7] = np.nan
    (note,) = Clip.from_array(joints, fps=30.0 * times).notes
    assert note.startswith("left hand of body 0 is missing for 9 frames")
