"""BVH: hierarchies of any channel order against plain matrix arithmetic, and a reader by others."""

import time

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout, layout_for_names
from stars_infer.readers.bvh import read_bvh

MIXAMO = get_layout("mixamo25")
ORDERS = ("Zrotation Xrotation Yrotation", "Xrotation Yrotation Zrotation",
          "Yrotation Zrotation Xrotation", "Zrotation")  # fmt: skip


def skeleton(rng):
    """A random hierarchy: (name, parent, offset, channels) for each joint, and chain ends."""
    joints = [("Hips", None, rng.normal(size=3),
               "Yposition Xposition Zposition Xrotation Zrotation Yrotation")]  # fmt: skip
    for number in range(1, 9):
        parent = int(rng.integers(max(0, number - 3), number))
        joints.append((f"j{number}", parent, rng.normal(size=3), ORDERS[number % len(ORDERS)]))
    joints[3] = (*joints[3][:3], "Xposition Yposition Zposition " + ORDERS[0])
    return joints


def bvh_text(joints, values, frame_time=1 / 60, end="\n"):
    """The file of a hierarchy, and the order in which it names its joints."""
    lines, order = ["HIERARCHY"], []

    def write(index, depth):
        name, parent, offset, channels = joints[index]
        order.append(index)
        pad = "\t" * depth
        lines.extend([f"{pad}{'ROOT' if parent is None else 'JOINT'} {name}", pad + "{",
                      f"{pad}\tOFFSET " + " ".join(repr(float(x)) for x in offset),
                      f"{pad}\tCHANNELS {len(channels.split())} {channels}"])  # fmt: skip
        children = [i for i, joint in enumerate(joints) if joint[1] == index]
        for child in children:
            write(child, depth + 1)
        if not children:
            lines.extend([pad + "\tEnd Site", pad + "\t{", pad + "\t\tOFFSET 0 1 0.5", pad + "\t}"])
        lines.append(pad + "}")

    for root in (i for i, joint in enumerate(joints) if joint[1] is None):
        write(root, 0)
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {frame_time!r}"]
    lines += [" ".join(repr(float(x)) for x in row) for row in values]
    return end.join(lines) + end, order


def turn(axis, degrees):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.eye(4)
    one, two = [(1, 2), (2, 0), (0, 1)]["XYZ".index(axis)]
    matrix[one, one] = matrix[two, two] = cos
    matrix[one, two], matrix[two, one] = -sin, sin
    return matrix


def naive(joints, order, row):
    """Positions of joints and ends of one frame, by name, from 4 x 4 matrices."""
    world, column = {}, 0
    made = {}
    for index in order:
        name, parent, offset, channels = joints[index]
        local = np.eye(4)
        local[:3, 3] = offset
        rotation = np.eye(4)
        for channel in channels.split():
            if channel.endswith("position"):
                local["XYZ".index(channel[0]), 3] = row[column]
            else:
                rotation = rotation @ turn(channel[0], row[column])
            column += 1
        world[index] = (world[parent] if parent is not None else np.eye(4)) @ local @ rotation
        made[name] = world[index][:3, 3]
        if not any(joint[1] == index for joint in joints):
            made[f"{name}_end"] = (world[index] @ [0, 1, 0.5, 1])[:3]
    return made


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_forward_kinematics_is_that_of_matrices(tmp_path, seed, end):
    rng = np.random.default_rng(seed)
    joints = skeleton(rng)
    width = sum(len(joint[3].split()) for joint in joints)
    values = rng.normal(scale=50, size=(7, width))
    text, order = bvh_text(joints, values, end=end)
    path = tmp_path / "x.bvh"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (recording,) = read_bvh(path)
    assert recording.stated.fps == pytest.approx(60)
    for frame, row in enumerate(values):
        expected = naive(joints, order, row)
        assert set(recording.joint_names) == set(expected)
        for joint, name in enumerate(recording.joint_names):
            np.testing.assert_allclose(
                recording.joints[0, frame, joint], expected[name], rtol=1e-4, atol=1e-3
            )


def person(prefix="", at=(0.0, 90.0, 0.0)):
    """A hierarchy of Mixamo's names, of a person's size in centimeters, and its channels."""
    offsets = {"Hips": at, "LeftUpLeg": (9, -5, 0), "RightUpLeg": (-9, -5, 0), "Neck": (0, 15, 0),
               "LeftShoulder": (5, 10, 0), "RightShoulder": (-5, 10, 0)}  # fmt: skip
    joints = []
    for index, name in enumerate(MIXAMO.joints):
        parent = MIXAMO.parents[index]
        offset = offsets.get(name, (0, -40, 0) if "Leg" in name or "Foot" in name else
                             (12, 0, 0) if "Left" in name else (-12, 0, 0) if "Right" in name
                             else (0, 15, 0))  # fmt: skip
        channels = ORDERS[0] if parent != index else "Xposition Yposition Zposition " + ORDERS[0]
        joints.append((prefix + name, None if parent == index else parent, offset, channels))
    return joints


def file_of(tmp_path, joints, frames=5, seed=0, **options):
    rng = np.random.default_rng(seed)
    width = sum(len(joint[3].split()) for joint in joints)
    values = rng.normal(scale=5, size=(frames, width))
    start = 0
    for joint in joints:
        if joint[1] is None:  # position channels take the place of the offset
            values[:, start : start + 3] = joint[2]
        start += len(joint[3].split())
    path = tmp_path / "person.bvh"
    path.write_text(bvh_text(joints, values, **options)[0])
    return path


def test_a_character_with_a_prefix_in_centimetres(tmp_path):
    clip = read_clip(file_of(tmp_path, person("mixamorig:"), frame_time=0.04))
    assert clip.layout == "mixamo25"
    assert clip.fps == pytest.approx(25)
    hips = MIXAMO.joints.index("Hips")
    np.testing.assert_allclose(clip.bodies[0, :, hips], np.tile([0, 0.9, 0], (5, 1)), atol=1e-6)
    inches = read_clip(tmp_path / "person.bvh", convention=Convention(units="in", fps=12))
    np.testing.assert_allclose(inches.bodies, clip.bodies * 2.54, rtol=1e-5)
    assert inches.fps == 12
    assert any("pass --units cm" in note for note in inches.notes)


def test_every_root_is_a_body(tmp_path):
    one, two = person("Anna:"), person("Ben:", at=(100.0, 95.0, 20.0))
    shifted = [(name, None if parent is None else parent + len(one), *rest)
               for name, parent, *rest in two]  # fmt: skip
    clip = read_clip(file_of(tmp_path, one + shifted))
    assert clip.bodies.shape[:2] == (2, 5)
    hips = MIXAMO.joints.index("Hips")
    np.testing.assert_allclose(clip.bodies[1, 0, hips], [1, 0.95, 0.2], atol=1e-6)
    with pytest.raises(ClipError, match="its 2 roots have different joints"):
        read_clip(file_of(tmp_path, one + shifted[:-1]))


def test_unknown_joints_are_listed_with_the_remedy(tmp_path):
    path = file_of(tmp_path, skeleton(np.random.default_rng(0)))
    with pytest.raises(ClipError, match=r"joints Hips, .* \d+ more are those of no known"):
        read_clip(path)
    with pytest.raises(
        ClipError,
        match="not those of layout 'cmu', of which it lacks hip, abdomen, neck and 23 more",
    ):
        read_clip(path, layout="cmu")


@pytest.mark.parametrize("digits", [300, 5000])
def test_a_number_of_frames_of_very_many_digits(tmp_path, digits):
    path = file_of(tmp_path, person())
    path.write_text(path.read_text().replace("Frames: 5", "Frames: " + "9" * digits))
    with pytest.raises(ClipError) as refused:
        read_clip(path)
    assert len(str(refused.value)) < 300


def test_a_frame_time_of_nothing(tmp_path):
    path = file_of(tmp_path, person())
    path.write_text(path.read_text().replace("Frame Time: 0.0166", "Frame Time: 0.0 #0.0166", 1))
    with pytest.raises(ClipError, match="expected 'Frames: N' and 'Frame Time"):
        read_clip(path)
    clip = read_clip(file_of(tmp_path, person(), frame_time=0.0))
    assert clip.fps == 30
    assert any("a frame time of 0 s cannot be right" in note for note in clip.notes)


GOOD = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 3 Xposition Yposition Zposition
  End Site
  {
    OFFSET 0 1 0
  }
}
MOTION
Frames: 2
Frame Time: 0.1
0 0 0
0 0 0
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("HIERARCHY", "HIERARCHIE", "line 1: expected HIERARCHY"),
        ("MOTION", "MOTOIN", "no line MOTION"),
        ("ROOT", "TOOR", "line 2: expected ROOT, JOINT, End Site or '}'"),
        ("OFFSET 0 0 0", "OFFSET 0 zero 0", "line 4: expected a number, found 'zero'"),
        ("OFFSET 0 0 0", "OFFSET 0 0 nan", "line 4: expected a number, found 'nan'"),
        ("CHANNELS 3", "CHANNELS 9", "line 5: 9 channels: expected 0 to 6"),
        ("Xposition", "Wposition", "line 5: expected a channel such as Xrotation"),
        ("Xposition", "Yposition", "line 5: a channel of 'Hips' comes twice"),
        ("  }\n}\n", "  }\n", "cut short: the braces of 'Hips' are not closed"),
        ("  }\n}\n", "  }\n}\n}\n", "line 11: a '}' that closes nothing"),
        ("Frames: 2", "Frames: 3", "6 values, 2 frames of 3, but the file says 3"),
        ("Frames: 2", "Frames: two", "line 12: the frames or their time are not numbers"),
        ("Frames: 2", "Frames: 99999999999", "more than the 2,000,000 a recording may have"),
        ("Frames: 2", "Frames: 1", "a motion needs at least 2"),
        ("Frames: 2\n", "", "line 12: expected 'Frames: N'"),
        ("0.1\n0 0 0\n", "0.1\n0 x 0\n", "line 14: 'x' is not a number"),
        ("0.1\n0 0 0\n", "0.1\n0 nan 0\n", "frame 0: a channel is NaN or infinite"),
    ],
)
def test_spoilt_files_say_where(tmp_path, old, new, says):
    path = tmp_path / "x.bvh"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_endless_hierarchies_fail_fast(tmp_path):
    path = tmp_path / "x.bvh"
    path.write_text("HIERARCHY\nROOT a {\nOFFSET 0 0 0\n" + "JOINT b {\nOFFSET 0 0 0\n" * 200_000
                    + "MOTION\nFrames: 2\nFrame Time: 1\n")  # fmt: skip
    began = time.process_time()
    with pytest.raises(ClipError, match="more than 500 joints"):
        read_clip(path)
    assert time.process_time() - began < 10


def test_bvhio_places_joints_alike(tmp_path):
    bvhio = pytest.importorskip("bvhio", reason="pip install bvhio, to compare with its reader")
    # Position channels only at the root, as bvhio adds those of other joints to their offset.
    path = file_of(tmp_path, person(), frames=4)
    (recording,) = read_bvh(path)
    hierarchy = bvhio.readAsHierarchy(str(path))
    for frame in range(4):
        hierarchy.loadPose(frame)
        for joint, _, _ in hierarchy.layout():
            place = recording.joint_names.index(joint.Name)
            np.testing.assert_allclose(
                recording.joints[0, frame, place], list(joint.PositionWorld), atol=1e-2
            )


@pytest.mark.parametrize(
    ("name", "archive"),
    [("02_01", "cmu"), ("02_05", "cmu"), ("dataset-1_bow_active_001", "bandai")],
)
def test_files_of_motion_capture_hold_what_the_archives_hold(shared, name, archive):
    with np.load(shared / f"data/mocap/{archive}.npz") as data:
        (clip_id,) = (at for at, known in enumerate(data["clip_ids"]) if str(known) == name)
        known = data["positions"][slice(*data["starts"][clip_id : clip_id + 2])].astype(np.float32)
        layout, places = layout_for_names([str(joint) for joint in data["joint_names"]])
    clip = read_clip(shared / f"data/bvh/{name}.bvh")
    assert clip.layout == layout.name == archive
    got = clip.bodies[0, :: round(clip.fps / 30)][: len(known)]
    known = known[:, places]
    assert len(got) == len(known)
    scale = (got * known).sum() / (got * got).sum()  # CMU's archive has one size of body
    assert 0.99 < scale < 1.2
    np.testing.assert_allclose(got * scale, known, atol=1e-4)
