"""glTF and FBX: the same motion in every form, and what each form has of its own."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

from stars_infer import read_clip
from stars_infer.embedding.additions import label_of
from stars_infer.errors import ClipError
from stars_infer.readers.fbx import read_fbx
from stars_infer.readers.files import holds_many, read_clips
from stars_infer.readers.gltf import read_gltf
from tests.stars_infer.readers.scene_files import (
    NAMES,
    PARENTS,
    TICKS,
    Fbx,
    Gltf,
    fbx_of,
    gltf_of,
    motion,
)

FORMS = {
    "numbers within.glb": lambda *moves: gltf_of(*moves).binary(),
    "numbers as text.gltf": lambda *moves: gltf_of(*moves).text(),
    "text.fbx": lambda *moves: fbx_of(*moves).text(),
    "version 7400.fbx": lambda *moves: fbx_of(*moves).binary(7400),
    "version 7500.fbx": lambda *moves: fbx_of(*moves).binary(7500),
}


def recordings(path):
    return list((read_fbx if path.suffix == ".fbx" else read_gltf)(path))


def joints(read, body=0):
    """Positions (T, V, 3) in the order of the motion."""
    names = [name.removeprefix("mixamorig:") for name in read.joint_names]
    return read.joints[body][:, [names.index(name) for name in NAMES]]


@pytest.fixture(params=FORMS)
def form(request, tmp_path):
    def write(*moves):
        path = tmp_path / request.param
        path.write_bytes(FORMS[request.param](*moves))
        return path

    return write


def test_the_joints_are_where_they_were(form):
    move = motion()
    path = form(move)
    (read,) = recordings(path)
    assert set(read.joint_names) == {f"mixamorig:{name}" for name in NAMES}
    assert read.stated.fps == pytest.approx(25)
    np.testing.assert_allclose(joints(read), move.positions(), atol=1e-5)
    assert (read.source, read.name, read.computed) == (str(path), "", True)
    assert not holds_many(path)
    clip = read_clip(path)
    assert (clip.layout, clip.source, clip.fps) == ("lafan1", str(path), pytest.approx(25))


def test_a_take_is_a_clip_and_a_pose_is_none(form):
    walk, jump = motion(), motion(1, 30, "jump, high")
    jump.offsets = walk.offsets
    pose = motion(2, 2, "T-pose")
    pose.turns[:], pose.path[:], pose.offsets = 0, 0, walk.offsets
    path = form(walk, pose, jump)
    assert holds_many(path)
    clips = list(read_clips(path))
    assert [clip.source for clip in clips] == [f"{path}#walk", f"{path}#jump, high"]
    assert [clip.frames for clip in clips] == [20, 30]
    one = read_clip(f"{path}#jump, high")
    np.testing.assert_array_equal(one.bodies, clips[1].bodies)
    with pytest.raises(ClipError, match=r"holds several clips \(walk, jump, high, …\): name one"):
        read_clip(path)


def test_takes_of_one_name_are_told_apart(form):
    walk = motion()
    names = [read.name for read in recordings(form(walk, walk, walk))]
    assert names == ["walk", "walk (2)", "walk (3)"]
    names = [read.name for read in recordings(form(walk, motion(name="walk (3)"), walk))]
    assert names == ["walk", "walk (3)", "walk (4)"]


def test_a_take_is_as_long_as_its_keys(tmp_path):
    """A take may be said to begin long before anything moves."""
    made = fbx_of(motion())
    made.objects = [
        (kind, number, name, what, properties, [
            (title, array + 100 * TICKS if title == "KeyTime" else array)
            for title, array in records
        ])
        for kind, number, name, what, properties, records in made.objects
    ]  # fmt: skip
    stop = next(each[4] for each in made.objects if each[0] == "AnimationStack")
    stop[:] = [("LocalStart", 0), ("LocalStop", 200 * TICKS)]
    path = tmp_path / "late.fbx"
    path.write_bytes(made.text())
    (read,) = recordings(path)
    np.testing.assert_allclose(joints(read), motion().positions(), atol=1e-3)


def test_a_clip_lies_in_a_file_or_folder_that_has_a_mark_in_its_name(tmp_path):
    folder = tmp_path / "take #2"
    folder.mkdir()
    path = folder / "a#b.glb"
    path.write_bytes(gltf_of(motion(name="x#y"), motion(seed=1, name="z")).binary())
    assert holds_many(path)
    assert [clip.source for clip in read_clips(path)] == [f"{path}#x#y", f"{path}#z"]
    assert read_clip(f"{path}#x#y").frames == 20
    assert label_of(Path(f"{path}#x#y"), None) == "take #2"


def test_without_motion_or_skeleton_that_is_said(tmp_path, form):
    still = motion()
    still.turns[:], still.path[:] = 0, 1
    with pytest.raises(ClipError, match="no animation that moves the skeleton"):
        recordings(form(still))
    empty = Gltf()
    empty.facts["nodes"] = [{"name": "table", "mesh": 0}]
    path = tmp_path / "table.glb"
    path.write_bytes(empty.binary())
    with pytest.raises(ClipError, match="no skeleton: export the bones"):
        recordings(path)


@pytest.mark.parametrize("ending", ["glb", "fbx"])
def test_two_skeletons_of_the_same_joints_are_two_bodies(tmp_path, ending):
    one, other = motion(), motion(1)
    path = tmp_path / f"two.{ending}"
    made = Gltf() if ending == "glb" else Fbx()
    ours, theirs = made.skeleton(one), made.skeleton(other, prefix="anna:")
    if ending == "glb":
        made.animate(other, theirs, animation=made.animate(one, ours))
    else:
        made.take(one, ours)
        (layer,) = (number for kind, number, *_ in made.objects if kind == "AnimationLayer")
        times = np.round(other.times * TICKS).astype(np.int64)
        for joint, number in enumerate(theirs):
            made.curves(layer, number, "Lcl Rotation", times, other.turns[:, joint])
        made.curves(layer, theirs[0], "Lcl Translation", times, other.path)
    path.write_bytes(made.binary())
    (read,) = recordings(path)
    np.testing.assert_allclose(joints(read), one.positions(), atol=1e-5)
    np.testing.assert_allclose(joints(read, 1), other.positions(), atol=1e-5)
    assert not read.notes


def test_another_skeleton_is_told(tmp_path):
    made = gltf_of(motion())
    made.facts["nodes"] += [{"name": "tail 1", "children": [len(NAMES) + 1]}, {"name": "tail 2"}]
    made.facts["skins"].append({"joints": [len(NAMES), len(NAMES) + 1]})
    path = tmp_path / "dog.glb"
    path.write_bytes(made.binary())
    (read,) = recordings(path)
    assert read.joints.shape[:1] == (1,)
    assert read.notes == ("1 more skeleton of other joints: not read",)


def keyed(how, values, *, path="rotation", times=(0.0, 0.5, 2.0)):
    """A glTF file in which a node has a few keys and carries another one."""
    made = Gltf()
    made.facts["nodes"] = [
        {"name": "arm", "children": [1]},
        {"name": "hand", "translation": [1, 2, 3]},
    ]
    made.facts["skins"] = [{"joints": [0, 1]}]
    animation = {"channels": [], "samplers": []}
    made.facts["animations"].append(animation)
    made.channel(animation, 0, path, made.accessor(times), made.accessor(values), how)
    return made


TURNS = Rotation.from_euler("xyz", [[0, 0, 0], [90, 20, 0], [-60, 0, 170]], degrees=True)


def test_keys_now_and_then_are_interpolated_as_the_format_says(tmp_path):
    path, times = tmp_path / "x.glb", np.arange(61) / 30
    turns = TURNS.as_quat()
    turns[1] *= -1  # the same turn
    path.write_bytes(keyed("LINEAR", turns).binary())
    (read,) = recordings(path)
    between = Slerp([0, 0.5, 2], TURNS)(times)
    np.testing.assert_allclose(read.joints[0, :, 1], between.apply([1, 2, 3]), atol=1e-5)
    path.write_bytes(keyed("STEP", turns).binary())
    (read,) = recordings(path)
    held = TURNS[(times >= 0.5).astype(int) + (times >= 2)]
    np.testing.assert_allclose(read.joints[0, :, 1], held.apply([1, 2, 3]), atol=1e-5)
    random = np.random.default_rng(0)
    values, slopes = random.normal(size=(2, 3, 3))
    keys = np.stack([slopes, values, slopes], axis=1).reshape(9, 3)
    path.write_bytes(keyed("CUBICSPLINE", keys, path="translation").binary())
    (read,) = recordings(path)
    curve = CubicHermiteSpline([0, 0.5, 2], values, slopes)(times)
    np.testing.assert_allclose(read.joints[0, :, 0], curve, atol=1e-5)
    path.write_bytes(keyed("LINEAR", values, path="scale").binary())
    (read,) = recordings(path)
    scale = np.stack([np.interp(times, [0, 0.5, 2], column) for column in values.T], axis=1)
    np.testing.assert_allclose(read.joints[0, :, 1], scale * [1, 2, 3], atol=1e-5)


def test_keys_that_are_years_apart_are_refused(tmp_path):
    path = tmp_path / "x.glb"
    path.write_bytes(keyed("LINEAR", TURNS.as_quat(), times=(0, 1, 1e9)).binary())
    with pytest.raises(ClipError, match="frames"):
        recordings(path)


def test_numbers_beside_and_matrices_and_short_and_sparse_numbers(tmp_path):
    made = gltf_of(motion())
    whole = made.binary()
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    turn[:3, 3] = 1, 2, 3
    made.facts["nodes"].append({"matrix": turn.T.ravel().tolist(), "children": [0]})
    (tmp_path / "the numbers.bin").write_bytes(made.data)
    path = tmp_path / "x.gltf"
    path.write_bytes(made.text("the%20numbers.bin"))
    (read,) = recordings(path)
    (tmp_path / "x.glb").write_bytes(whole)
    (plain,) = recordings(tmp_path / "x.glb")
    np.testing.assert_allclose(read.joints, plain.joints @ turn[:3, :3].T + turn[:3, 3], atol=1e-5)
    made = keyed("LINEAR", TURNS.as_quat())
    short = np.round(TURNS.as_quat() * 32767).astype("<i2")
    start = len(made.data)
    made.data += short.tobytes() + b"\x01\x00" + np.float32([0, 0, 0, 1]).tobytes()
    made.facts["bufferViews"] += [
        {"buffer": 0, "byteOffset": start, "byteLength": 24},
        {"buffer": 0, "byteOffset": start + 24, "byteLength": 2},
        {"buffer": 0, "byteOffset": start + 26, "byteLength": 16},
    ]
    made.facts["accessors"][1] |= {"bufferView": 2, "componentType": 5122, "normalized": True}
    path = tmp_path / "short.glb"
    path.write_bytes(made.binary())
    (read,) = recordings(path)
    np.testing.assert_allclose(read.joints[0, 15, 1], TURNS[1].apply([1, 2, 3]), atol=1e-3)
    made.facts["accessors"][1] |= {
        "bufferView": 1, "componentType": 5126, "normalized": False,
        "sparse": {"count": 1, "indices": {"bufferView": 3, "componentType": 5121},
                   "values": {"bufferView": 4}},
    }  # fmt: skip
    path.write_bytes(made.binary())
    (read,) = recordings(path)
    np.testing.assert_allclose(read.joints[0, 15, 1], [1, 2, 3], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda facts: facts["asset"].update(version="1.0"), "glTF 1.0: export it as glTF 2.0"),
        (lambda facts: facts.pop("asset"), "no 'asset'"),
        (lambda facts: facts.update(nodes=3), "'nodes' is no list"),
        (lambda facts: facts["nodes"][1].update(children=[0]), "circle"),
        (lambda facts: facts["nodes"][3].update(children=[2]), "two parents"),
        (lambda facts: facts["accessors"][1].update(count=10**9), "too much"),
        (lambda facts: facts["accessors"][1].update(count=10**4), "cut short"),
        (lambda facts: facts["accessors"][1].update(count=3), "3 values for 20 keys"),
        (lambda facts: facts["accessors"][1].update(byteOffset=-4), "cut short"),
        (lambda facts: facts["accessors"][1].update(componentType=1), "damaged"),
        (lambda facts: facts["accessors"][1].update(type="VEC9"), "damaged"),
        (lambda facts: facts["animations"][0].update(channels=[{}]), "damaged"),
        (
            lambda facts: facts["bufferViews"][1].update(
                extensions={"EXT_meshopt_compression": {}}
            ),
            "compressed by meshopt",
        ),
    ],
)
def test_damage_in_gltf_is_told(tmp_path, change, says):
    made = gltf_of(motion())
    change(made.facts)
    path = tmp_path / "x.glb"
    path.write_bytes(made.binary())
    with pytest.raises(ClipError, match=says):
        recordings(path)


@pytest.mark.parametrize("uri", ["../x.bin", "/etc/hostname", "https://a.b/c.bin", "", "no.bin"])
def test_only_files_beside_a_gltf_are_opened(tmp_path, uri):
    (tmp_path / "x.bin").write_bytes(bytes(100_000))
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/x.gltf"
    path.write_bytes(gltf_of(motion()).text(uri))
    with pytest.raises(ClipError, match=r"export it as \.glb|put it beside"):
        recordings(path)


def test_a_file_that_is_cut_short_is_told(form):
    path = form(motion())
    data = path.read_bytes()
    for size in (0, 10, 100, len(data) // 2, len(data) - 40):
        path.write_bytes(data[:size])
        with pytest.raises(ClipError, match=str(path)):
            recordings(path)


def test_units_and_axes_of_fbx(tmp_path):
    move, path = motion(), tmp_path / "x.fbx"
    path.write_bytes(fbx_of(move).binary())
    plain = read_clip(path)
    flipped = motion()
    flipped.path = move.path[:, [0, 2, 1]] * [1, -1, 1] * 1000  # z up, millimeters
    flipped.offsets = move.offsets[:, [0, 2, 1]] * [1, -1, 1] * 1000
    flipped.turns[:] = 0
    move.turns[:] = 0
    path.write_bytes(fbx_of(move).binary())
    plain = read_clip(path)
    path.write_bytes(fbx_of(flipped, unit=0.1, up=2).binary())
    np.testing.assert_allclose(read_clip(path).bodies, plain.bodies, atol=1e-4)


def test_a_joint_of_fbx_may_have_turns_before_and_after_and_pivots(tmp_path):
    move, path = motion(), tmp_path / "x.fbx"
    random = np.random.default_rng(3)
    names = ("RotationPivot", "ScalingPivot", "RotationOffset", "ScalingOffset", "Lcl Scaling")
    drawn = {name: random.normal(1, 0.3, 3) for name in names}
    before, after = random.uniform(-90, 90, (2, 3))
    more = [(name, *map(float, values)) for name, values in drawn.items()]
    more += [("PreRotation", *map(float, before)), ("PostRotation", *map(float, after))]
    for active in (0, 1):
        made = Fbx()
        extra = [*more, ("RotationActive", active), ("RotationOrder", 4)]  # z, x, y
        numbers = made.skeleton(
            move, properties=lambda joint, extra=extra: extra if joint == 1 else ()
        )
        made.take(move, numbers)
        path.write_bytes(made.binary())
        (read,) = recordings(path)
        child = PARENTS.index(1)
        axes = "zxy" if active else "xyz"
        turns = move.turns[:, 1][:, ["xyz".index(axis) for axis in axes]]
        own = Rotation.from_euler(axes, turns, degrees=True)
        if active:
            own = (Rotation.from_euler("xyz", before, degrees=True) * own
                   * Rotation.from_euler("xyz", after, degrees=True).inv())  # fmt: skip
        root = Rotation.from_euler("xyz", move.turns[:, 0], degrees=True)

        def within(point, own=own):
            scaled = (point - drawn["ScalingPivot"]) * drawn["Lcl Scaling"] + drawn["ScalingPivot"]
            turned = own.apply(scaled + drawn["ScalingOffset"] - drawn["RotationPivot"])
            return move.offsets[1] + drawn["RotationOffset"] + drawn["RotationPivot"] + turned

        for joint, point in ((1, np.zeros(3)), (child, move.offsets[child])):
            expected = move.path + root.apply(within(point))
            np.testing.assert_allclose(joints(read)[:, joint], expected, atol=1e-5)


def test_keys_of_fbx_now_and_then(tmp_path):
    made, path = Fbx(), tmp_path / "x.fbx"
    numbers = made.skeleton(motion())
    stack = made.add("AnimationStack", "t", "", [("LocalStop", 2 * TICKS)])
    layer = made.add("AnimationLayer", "base", "")
    made.links.append(("OO", layer, stack))
    keys, random = np.array([0, 0.5, 2]), np.random.default_rng(0)
    values, leaves, arrives = random.normal(size=(3, 3)), 2.0, -1.0
    times = (keys * TICKS).astype(np.int64)
    shape = [
        ("KeyAttrFlags", np.array([0x8, 0x4, 0x2], "<i4")),
        ("KeyAttrDataFloat", np.array([leaves, arrives, 0, 0] * 3, "<f4")),
        ("KeyAttrRefCount", np.array([1, 1, 1], "<i4")),
    ]
    made.curves(layer, numbers[0], "Lcl Translation", times, values, shape=shape)
    path.write_bytes(made.binary())
    (read,) = recordings(path)
    assert read.joints.shape[1] == 61
    at = np.arange(61) / 30
    for axis in range(3):
        bent = CubicHermiteSpline(keys[:2], values[:2, axis], [leaves, arrives])(at[:15])
        straight = np.interp(at[15:], keys, values[:, axis])
        found = read.joints[0, :, 0, axis]
        np.testing.assert_allclose(found, np.concatenate((bent, straight)), atol=1e-4)


def test_fbx_that_is_old_or_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "x.fbx"
    path.write_bytes(fbx_of(motion()).binary(6100))
    with pytest.raises(ClipError, match=r"FBX of version 6.1: export it as FBX 2011 or later"):
        recordings(path)
    path.write_bytes(b"; FBX\nFBXHeaderExtension: {\n FBXVersion: 6100\n}\n")
    with pytest.raises(ClipError, match="version 6.1"):
        recordings(path)
    bomb = Fbx()
    zeros = np.zeros(1001, "<i8")
    bomb.add("AnimationCurve", "", "", (), [("KeyTime", zeros), ("KeyValueFloat", zeros)])
    said = [struct.pack("<II", count, 1) for count in (1001, 60_000_000)]
    path.write_bytes(bomb.binary().replace(*said))
    with pytest.raises(ClipError, match="too much"):
        recordings(path)
    path.write_bytes(b"some text")
    with pytest.raises(ClipError, match="not an FBX file"):
        recordings(path)


def test_text_that_is_no_gltf_is_told(tmp_path):
    path = tmp_path / "x.gltf"
    for text in (b"{", b"[" * 100_000, json.dumps([1]).encode(), struct.pack("<I", 7)):
        path.write_bytes(text)
        with pytest.raises(ClipError, match="not a"):
            recordings(path)
