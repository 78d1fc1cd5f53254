"""Files of other people's tools, as collected in ../shared/cases: what each must be read as."""

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout

CASES = {
    "names_kinectv2_sdk.csv": ("ntu25", {}, 96),
    "names_kinectv2_long_real.csv": ("ntu25", {}, 31),
    "names_azure_sdk_mm_ydown.csv": ("azure32", {"units": "mm", "up": "-y"}, 96),
    "names_landmark_N_mediapipe_world.csv": (
        "mediapipe33", {"layout": "mediapipe33", "up": "-y"}, 96),
    "names_openpose_RShoulder_body25.csv": ("body25", {}, 96),
    "bvh_perception_neuron_no_toe.bvh": ("neuron", {}, 60),
    "bvh_beat_forefoot_real.bvh": ("beat", {}, 100),
    "bvh_no_neck_real.bvh": ("humanik", {}, 100),
    "smpl22_humanml3d_real.npy": ("smpl22", {}, 170),
    "json_k4abt_offline_processor.json": ("azure32", {}, 40),
    "json_zed_body18.json": ("body18", {}, 40),
    "json_tfjs_estimatePoses_blazepose.json": ("mediapipe33", {}, 24),
    "time_timestamp_seconds_12fps.csv": ("coco17", {}, 131),
    "likelihood_column_wave.csv": ("coco17", {}, 96),
    "table_motive_csv.csv": ("motive", {}, 40),
    "table_deeplabcut_3d_multiheader.csv": ("coco17", {}, 96),
    "table_kimore_no_header.csv": ("ntu25", {"layout": "ntu25"}, 60),
    "table_trailing_comma.csv": ("coco17", {}, 96),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(shared, name):
    layout, options, frames = CASES[name]
    clip = read_clip(shared / "cases" / name, **options)
    assert get_layout(clip.layout).name == layout
    assert clip.bodies.shape[:2] == (1, frames)
    if "12fps" in name:
        assert clip.fps == pytest.approx(12, rel=1e-4)
    if "_real" not in name and "bvh" not in name and clip.layout != "mediapipe33":
        at = get_layout(layout).ntu25_matrix()[0] @ clip.bodies[0, 0]
        # The ZED camera looks along -z.
        expected = np.array([-0.0113, -0.1353, 2.6359]) * ([-1, 1, -1] if "zed" in name else 1)
        near = 0.02 if layout in ("ntu25", "azure32", "motive", "body25") else 0.1
        if "12fps" not in name:
            np.testing.assert_allclose(at, expected, atol=near)


@pytest.mark.parametrize(
    ("name", "joint", "frame", "where", "units"),
    [
        ("bvh_perception_neuron_no_toe.bvh", "RightHand", 10, (-41.61, 105.68, 0), 0.01),
        ("bvh_beat_forefoot_real.bvh", "LeftHand", 10, (-7.13, 2.05, 33.62), 0.01),
        ("bvh_no_neck_real.bvh", "Hips", 10, (-7.47, 35.22, -161.83), 0.01),
        ("names_kinectv2_long_real.csv", "base of spine", 0, (-0.3806, 0.0090, 2.1498), 1),
    ],
)
def test_where_a_joint_is(shared, name, joint, frame, where, units):
    clip = read_clip(shared / "cases" / name)
    at = clip.bodies[0, frame, get_layout(clip.layout).joints.index(joint)]
    np.testing.assert_allclose(at / units, where, atol=0.01 if units < 1 else 1e-4)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cases/table_kimore_no_header.csv", "no header: read as x, y, z and a confidence"),
        ("cases/names_landmark_N_mediapipe_world.csv", "pass --layout mediapipe33"),
        ("faults/json_more_joint_names_than_joints.json", "21 joint names, but 20 joints"),
    ],
)
def test_refusals_say_what_it_is(shared, name, says):
    with pytest.raises(ClipError) as caught:
        read_clip(shared / name)
    assert says in str(caught.value)
