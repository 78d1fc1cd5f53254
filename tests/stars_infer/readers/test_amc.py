"""Acclaim skeletons and motions, against plain matrices, and which file goes with which."""

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.readers.amc import read_amc
from stars_infer.readers.asf import read_asf
from tests.stars_infer.readers.mocap_files import PERSON, amc, asf, turning
from tests.stars_infer.readers.test_bvh import turn
from tests.stars_infer.readers.test_files import refusal

UNIT = 0.0254 / 0.45
STANDING = {"root": [0, 17, 0, 0, 0, 0], **{name: [0] * len(dof.split())
            for name, (_, _, _, dof) in PERSON.items()}}  # fmt: skip


def pair(folder, values, bones=PERSON, order="XYZ", name="01_02", skeleton="01"):
    (folder / f"{skeleton}.asf").write_text(asf(bones, order))
    path = folder / f"{name}.amc"
    path.write_text(amc(values, bones))
    return path


def rotation(angles, letters):
    """The turns about fixed axes, one after the other."""
    made = np.eye(4)
    for letter in letters:
        made = turn(letter, angles["XYZ".index(letter)]) @ made
    return made


def naive(frame, bones, order):
    """The ends of the bones in one frame, by name, from 4 x 4 matrices."""
    x, y, z, *angles = frame["root"]
    root = np.eye(4)
    root[:3, 3] = x, y, z
    world = {"root": root @ rotation(angles, "XYZ")}
    for name, (parent, offset, axes, dof) in bones.items():
        values = np.zeros(3)
        for channel, value in zip(dof.split(), frame[name], strict=True):
            values["xyz".index(channel[1])] = value
        frame_of_bone = rotation(axes, order)
        own = frame_of_bone @ rotation(values, order) @ np.linalg.inv(frame_of_bone)
        step = np.eye(4)
        step[:3, 3] = offset
        world[name] = world[parent] @ own @ step
    return {name: matrix[:3, 3] for name, matrix in world.items()}


@pytest.mark.parametrize("order", ["XYZ", "ZYX", "YZX"])
def test_ends_of_bones_are_where_matrices_put_them(tmp_path, order):
    values = turning(np.random.default_rng(0))
    (recording,) = read_amc(pair(tmp_path, values, order=order))
    for number, frame in enumerate(values):
        expected = naive(frame, PERSON, order)
        for joint, name in enumerate(recording.joint_names):
            bone = name.rpartition("_@_")[2]
            np.testing.assert_allclose(
                recording.joints[0, number, joint], expected[bone] * UNIT, atol=1e-5
            )


def test_a_clip_has_the_lengths_of_the_skeleton(tmp_path):
    clip = read_clip(pair(tmp_path, turning(np.random.default_rng(1), frames=6)))
    assert (clip.layout, clip.fps) == ("hdm05", 120)
    from stars_infer.layouts import get_layout

    joints = get_layout("hdm05").joints
    shin = clip.bodies[0, :, joints.index("lfemur_@_ltibia")] - clip.bodies[
        0, :, joints.index("lhipjoint_@_lfemur")
    ]  # fmt: skip
    expected = np.linalg.norm(PERSON["ltibia"][1]) * UNIT
    np.testing.assert_allclose(np.linalg.norm(shin, axis=1), expected, rtol=1e-5)
    assert any("120 Hz" in note for note in clip.notes)


def test_units_and_radians(tmp_path):
    values = turning(np.random.default_rng(2))
    path = pair(tmp_path, values)
    (one,) = read_amc(path)
    text = (tmp_path / "01.asf").read_text()
    (tmp_path / "01.asf").write_text(text.replace("length 0.45\n", "length 1.0\n"))
    (inches,) = read_amc(path)
    np.testing.assert_allclose(inches.joints, one.joints * 0.45, rtol=1e-5)
    skeleton = read_asf(tmp_path / "01.asf")
    assert skeleton.meters == pytest.approx(0.0254)
    assert len(skeleton.bones) == len(PERSON) + 1


def test_which_skeleton_goes_with_a_motion(tmp_path):
    values = [STANDING] * 3
    path = pair(tmp_path, values, name="HDM_bd_cartwheel_001_120", skeleton="HDM_bd")
    assert read_clip(path).frames == 3
    (tmp_path / "HDM_mm.asf").write_text("another person")
    assert read_clip(path).frames == 3
    other = tmp_path / "HDM_tr_walk_001_120.amc"
    other.write_bytes(path.read_bytes())
    assert "2 .asf skeletons beside it" in refusal(other)
    (tmp_path / "HDM_mm.asf").unlink()
    assert read_clip(other).frames == 3  # the only one
    (tmp_path / "HDM_bd.asf").unlink()
    assert "no .asf skeleton beside it: put the skeleton" in refusal(path)


def test_a_skeleton_alone_names_what_it_lacks(tmp_path):
    path = tmp_path / "01.asf"
    path.write_text(asf())
    assert "name the .amc beside it" in refusal(path)


def test_damage_is_told_with_its_line(tmp_path):
    path = pair(tmp_path, [STANDING] * 3)
    good, lines = path.read_text(), path.read_text().split("\n")

    def told(text):
        path.write_text(text)
        return refusal(path)

    assert "line 6: expected 3 number(s) for 'lfemur'" in told(
        good.replace("lfemur 0 0 0", "lfemur 0 0", 1)
    )
    assert "'wing' is no bone of the skeleton beside it" in told(
        good.replace("lfemur 0 0 0", "wing 0 0 0", 1)
    )
    assert "line 7: 'lfemur' comes twice in frame 0" in told(
        good.replace("ltibia 0\n", "lfemur 0 0 0\n", 1)
    )
    assert "line 22: frame 0 has 17 of 27 bones" in told("\n".join(lines[:20] + lines[30:]))
    path.write_text("\n".join(lines[:-5]))
    assert any("frame 2 is not whole" in note for note in read_clip(path).notes)
    path.write_text(good)
    skeleton = tmp_path / "01.asf"
    text = skeleton.read_text()
    for spoilt in (
        text[: len(text) // 3],
        text.replace("direction", "heading", 1),
        text.replace("XYZ", "XXZ"),
        text.replace("name lfemur", "name ltibia"),
        text.replace("root lhipjoint", "root wing"),
        "",
    ):
        skeleton.write_text(spoilt)
        with pytest.raises(Exception, match=r"01\.asf"):
            read_clip(path)


def test_bones_that_go_in_a_circle_end(tmp_path):
    path = pair(tmp_path, [STANDING] * 3)
    skeleton = tmp_path / "01.asf"
    skeleton.write_text(skeleton.read_text().replace("lfemur ltibia", "lfemur lhipjoint"))
    with pytest.raises(Exception, match="comes twice"):
        read_clip(path)


def test_a_real_motion_of_cmu(shared):
    clip = read_clip(shared / "cases/amc_01_01_cut_real.amc")
    from stars_infer.layouts import get_layout

    joints = get_layout("hdm05").joints
    knee, ankle = (
        clip.bodies[0, :, joints.index(name)] for name in ("lhipjoint_@_lfemur", "lfemur_@_ltibia")
    )
    np.testing.assert_allclose(np.linalg.norm(knee - ankle, axis=1), 7.49137 * UNIT, rtol=1e-4)
    np.testing.assert_allclose(
        clip.bodies[0, 0, 0], np.array([9.37216, 17.8693, -17.3198]) * UNIT, atol=1e-4
    )
    # The same motion as BVH, on another skeleton: the shins point the same way.
    with np.load(shared / "data/mocap/cmu.npz") as archive:
        start = archive["starts"][archive["clip_ids"].tolist().index("01_01")]
        names = archive["joint_names"].tolist()
        frames = archive["positions"][start : start + clip.frames // 4]
    theirs = frames[:, names.index("lFoot")] - frames[:, names.index("lShin")]
    ours = (ankle - knee)[::4][: len(theirs)]
    cos = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.degrees(np.arccos(cos)).mean() < 5
