"""Notes on bodies that are no person's, and the remedies they name."""

import re

import numpy as np
import pytest

from stars_infer import Clip, read_clip
from stars_infer.clips.anatomy import standing_height
from stars_infer.clips.convention import Convention
from stars_infer.synthetic.actions import ACTIONS, perform


def clip_of(joints, **options):
    return Clip.from_array(np.asarray(joints, np.float32), **options)


@pytest.mark.parametrize("action", ACTIONS)
def test_ordinary_people_raise_no_doubt(action):
    clip = clip_of(perform(action, np.random.default_rng(1)))
    assert clip.notes == ()
    assert 1.4 < standing_height(clip.bodies[clip.presence]) < 2.0


@pytest.mark.parametrize(("unit", "scale"), [("cm", 100), ("mm", 1000), ("in", 1 / 0.0254)])
def test_wrong_units_name_the_right_ones(tmp_path, waving, unit, scale):
    (note,) = clip_of(waving * scale).notes
    assert re.search(
        rf'm tall if the positions are in m: .* pass --units {unit} \(in Python units="{unit}"\)$',
        note,
    )
    np.save(tmp_path / "c.npy", waving * scale)
    assert read_clip(tmp_path / "c.npy").notes == (note,)
    right = read_clip(tmp_path / "c.npy", convention=Convention(units=unit))
    assert right.notes == ()
    np.testing.assert_allclose(right.bodies, waving, atol=1e-5)


def test_a_size_in_no_unit():
    giant = perform("wave", np.random.default_rng(1)) * 30_000
    (note,) = clip_of(giant).notes
    assert "no person's in m, cm, mm, in either" in note


# Where the up axis of a clip that is y up goes in the file: the inverse of the turn to y.
FILES = {
    "-y": lambda x: np.stack([-x[..., 0], -x[..., 1], x[..., 2]], axis=-1),
    "z": lambda x: np.stack([x[..., 0], -x[..., 2], x[..., 1]], axis=-1),
    "-z": lambda x: np.stack([x[..., 0], x[..., 2], -x[..., 1]], axis=-1),
    "x": lambda x: np.stack([x[..., 1], -x[..., 0], x[..., 2]], axis=-1),
    "-x": lambda x: np.stack([-x[..., 1], x[..., 0], x[..., 2]], axis=-1),
}


@pytest.mark.parametrize("up", FILES)
def test_the_note_names_the_axis_that_is_up(tmp_path, waving, up):
    np.save(tmp_path / "c.npy", FILES[up](waving))
    wrong = read_clip(tmp_path / "c.npy")
    (note,) = wrong.notes
    passed, in_python = re.search(r'pass --up[ =](\S+) \(in Python up="(\S+)"\)$', note).groups()
    assert passed == in_python == up
    right = read_clip(tmp_path / "c.npy", convention=Convention(up=passed))
    assert right.notes == ()
    np.testing.assert_allclose(right.bodies, waving, atol=1e-6)
    assert clip_of(FILES[up](waving)).notes == wrong.notes
    np.testing.assert_array_equal(clip_of(FILES[up](waving), up=up).bodies, right.bodies)


@pytest.mark.parametrize("assumed", FILES)
@pytest.mark.parametrize("handedness", ["right", "left"])
def test_the_axis_is_the_file_s_whatever_was_assumed(waving, assumed, handedness):
    (note, *_) = clip_of(waving, up=assumed, handedness=handedness).notes
    assert re.search(r"""pass --up[ =]y \(in Python up="y"\)$""", note)


def test_a_mirrored_person(tmp_path, waving):
    mirrored = waving * np.array([-1, 1, 1], np.float32)
    np.save(tmp_path / "c.npy", mirrored)
    (note,) = read_clip(tmp_path / "c.npy").notes
    assert note.endswith('pass --left-handed (in Python handedness="left")')
    assert read_clip(tmp_path / "c.npy", convention=Convention(handedness="left")).notes == ()


def test_a_nose_tells_the_front_too():
    joints = np.zeros((1, 10, 17, 3), np.float32)
    place = {
        0: (0, 1.6, -0.1), 3: (-0.07, 1.6, 0), 4: (0.07, 1.6, 0), 5: (-0.2, 1.4, 0),
        6: (0.2, 1.4, 0), 7: (-0.25, 1.15, 0), 8: (0.25, 1.15, 0), 9: (-0.25, 0.9, 0),
        10: (0.25, 0.9, 0), 11: (-0.1, 0.9, 0), 12: (0.1, 0.9, 0), 13: (-0.1, 0.5, 0),
        14: (0.1, 0.5, 0), 15: (-0.1, 0.1, 0), 16: (0.1, 0.1, 0), 1: (-0.03, 1.63, -0.08),
        2: (0.03, 1.63, -0.08),
    }  # fmt: skip
    for joint, at in place.items():
        joints[:, :, joint] = at
    assert clip_of(joints, layout="coco17").notes == ()
    joints[..., 2] *= -1
    (note,) = clip_of(joints, layout="coco17").notes
    assert note.startswith("toes or nose point backwards")


def test_a_person_who_lies_down_for_a_part_of_the_clip(waving):
    lying = waving.copy()
    third = lying.shape[1] // 3
    lying[:, :third] = FILES["z"](lying[:, :third])
    assert clip_of(lying).notes == ()


def test_a_body_in_one_point():
    (note,) = clip_of(np.ones((1, 10, 25, 3))).notes
    assert "in one place" in note


def test_real_clips_raise_no_doubt(shared):
    sets = {"ntu-samples/*.skeleton": None, "utd-mhad/*/s1_t1.npy": "kinect20",
            "msr-action3d/*/s1_e1.npy": "kinect20", "gtu-3dactions/*/1.npy": "ntu25",
            "bvh/*.bvh": None}  # fmt: skip
    for pattern, layout in sets.items():
        files = sorted((shared / "data").glob(pattern))
        assert files
        for path in files:
            notes = read_clip(path, layout=layout).notes
            assert not [note for note in notes if "pass" in note], path
