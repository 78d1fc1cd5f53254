import numpy as np
import pytest

from stars_infer.errors import ClipError, StarsError, UsageError
from stars_infer.layouts import NTU25_JOINTS, get_layout, layout_names
from stars_infer.preprocessing.normalize import face_camera
from stars_infer.train.datasets.hierarchies import hierarchy_to_ntu25
from stars_infer.train.datasets.pack import Pack, PackWriter, SourceClip
from stars_infer.train.datasets.sources import Windows, clips_of, open_training_data
from stars_infer.train.datasets.splits import add_split

JOINT = {name: place for place, name in enumerate(NTU25_JOINTS)}


def refuse(error):
    raise error


def made(frames, bodies=1, seed=0):
    actors = np.random.default_rng(seed).normal(size=(bodies, frames, 25, 3)).astype(np.float32)
    return SourceClip(actors=actors, label=f"l{seed}", subject=f"s{seed}", source=f"f{seed}")


def test_pack_gives_back_what_was_written(tmp_path):
    clips = [made(5), made(7, bodies=2, seed=1)]
    with PackWriter(tmp_path / "pack", window=4.0) as writer:
        for clip in clips:
            writer.add(clip)
    pack = Pack.open(tmp_path / "pack")
    assert pack.facts["window"] == 4.0
    in_memory = Pack.from_clips(clips)
    assert pack.clips == in_memory.clips
    np.testing.assert_array_equal(pack.joints, in_memory.joints)
    second = pack.clips[1]
    assert (second.start, second.frames, second.bodies, second.label) == (5, 7, 2, "l1")
    np.testing.assert_array_equal(pack.joints[5:12], clips[1].actors[0])
    np.testing.assert_array_equal(pack.joints[12:19], clips[1].actors[1])


def test_unfinished_and_damaged_packs_are_refused(tmp_path):
    folder = tmp_path / "pack"
    with pytest.raises(KeyError), PackWriter(folder) as writer:
        writer.add(made(5))
        raise KeyError
    assert list(folder.iterdir()) == []
    with PackWriter(folder) as writer:
        writer.add(made(5))
    joints = (folder / "joints.f32").read_bytes()
    (folder / "joints.f32").write_bytes(joints[:-300])
    with pytest.raises(StarsError, match=r"joints\.f32 holds 4 rows, pack\.json speaks of 5"):
        Pack.open(folder)
    (folder / "joints.f32").write_bytes(joints[:-1])
    with pytest.raises(StarsError, match="not a readable pack"):
        Pack.open(folder)
    (folder / "pack.json").write_text('{"schema": 7}')
    with pytest.raises(StarsError, match="schema 7, expected 1"):
        Pack.open(folder)
    with pytest.raises(UsageError, match="no clip to train on"):
        Pack.from_clips([])


@pytest.mark.parametrize("name", layout_names())
def test_hierarchies_reach_every_joint_in_any_order(name):
    names = sorted(get_layout(name).joints)
    positions = np.random.default_rng(0).normal(size=(4, len(names), 3)).astype(np.float32)
    mapped = hierarchy_to_ntu25(positions, names)
    assert mapped.shape == (4, 25, 3)
    again = hierarchy_to_ntu25(positions[:, ::-1], names[::-1])
    np.testing.assert_allclose(mapped, again, atol=1e-6)
    moved = hierarchy_to_ntu25(positions + np.float32(5), names)
    np.testing.assert_allclose(moved, mapped + 5, atol=1e-4)


def test_unknown_joint_names_are_refused():
    with pytest.raises(StarsError, match=r"Wurzel.* fit none of the known layouts: ntu25"):
        hierarchy_to_ntu25(np.zeros((1, 1, 3), np.float32), ["Wurzel"])


@pytest.mark.parametrize("name", ["cmu", "hdm05", "bandai"])
def test_real_motion_capture_becomes_human_bodies(shared, name):
    windows = Windows(seconds=4, stride=4, face_camera=True)
    clips = []
    for clip in clips_of(
        shared / f"data/mocap/{name}.npz", layout=None, windows=windows, skip=refuse
    ):
        clips.append(clip)
        if len(clips) == 60:
            break
    for clip in clips:
        joints = clip.actors[0]
        assert 30 <= len(joints) <= 120
        assert clip.label
        np.testing.assert_allclose(joints[0, 1], 0, atol=1e-5)

        def length(a, b, joints=joints):
            apart = np.linalg.norm(joints[:, JOINT[a]] - joints[:, JOINT[b]], axis=1)
            return float(np.median(apart))

        for side in ("left", "right"):
            assert 0.2 < length(f"{side} shoulder", f"{side} elbow") < 0.4
            assert 0.2 < length(f"{side} elbow", f"{side} wrist") < 0.4
            assert 0.3 < length(f"{side} hip", f"{side} knee") < 0.6
            assert 0.3 < length(f"{side} knee", f"{side} ankle") < 0.6
        assert 0.15 < length("left shoulder", "right shoulder") < 0.6
        across = joints[:, JOINT["right hip"]] - joints[:, JOINT["left hip"]]
        assert across[:, 0].mean() > -0.01
    upright = [
        (c.actors[0][:, JOINT["head"], 1] - c.actors[0][:, JOINT["left foot"], 1]).mean() > 1.1
        for c in clips
    ]
    assert np.mean(upright) > 0.5


def test_facing_the_camera_turns_about_the_vertical_only():
    body = np.random.default_rng(0).normal(size=(1, 10, 25, 3)).astype(np.float32)
    body[:, :, JOINT["right shoulder"]] = body[:, :, JOINT["left shoulder"]] + [0.2, 0.0, 0.3]
    body[:, :, JOINT["right hip"]] = body[:, :, JOINT["left hip"]] + [0.1, 0.0, 0.15]
    turned = face_camera(body)
    across = turned[0, :, JOINT["right hip"]] - turned[0, :, JOINT["left hip"]]
    np.testing.assert_allclose(across, np.tile([np.hypot(0.1, 0.15), 0, 0], (10, 1)), atol=1e-5)
    np.testing.assert_array_equal(turned[..., 1], body[..., 1])
    np.testing.assert_allclose(
        np.linalg.norm(turned[0, 0, 5] - turned[0, 0, 9]),
        np.linalg.norm(body[0, 0, 5] - body[0, 0, 9]),
        rtol=1e-5,
    )


def test_windows():
    windows = Windows(seconds=4, stride=1, shortest=1)
    assert list(windows.cut(29, 30)) == []
    assert list(windows.cut(60, 30)) == [slice(0, 60)]
    assert list(windows.cut(120, 30)) == [slice(0, 120)]
    assert list(windows.cut(150, 30)) == [slice(0, 120), slice(30, 150)]
    assert list(windows.cut(151, 30))[-1] == slice(60, 151)
    assert list(Windows(seconds=0, shortest=1).cut(500, 30)) == [slice(0, 500)]
    assert list(Windows(seconds=0, shortest=1).cut(29, 30)) == []
    with pytest.raises(UsageError, match="longer than 0"):
        Windows(stride=0)


def test_folder_of_clips_with_a_bad_one(tmp_path, recordings):
    folder = tmp_path / "clips" / "broken"
    folder.mkdir(parents=True)
    (folder / "bad.skeleton").write_text("nonsense")
    (tmp_path / "clips" / "wave").symlink_to(recordings / "wave")
    for path in (recordings / "clap").iterdir():
        (tmp_path / "clips" / path.name).write_bytes(path.read_bytes())
    skipped = []
    pack = open_training_data(tmp_path / "clips", layout=None, skip=skipped.append)
    assert len(skipped) == 1
    assert "bad.skeleton" in str(skipped[0])
    assert {clip.label for clip in pack.clips} >= {"clips"}


def test_sources_that_are_none(tmp_path):
    with pytest.raises(ClipError, match="no clip in this folder"):
        open_training_data(tmp_path, layout=None, skip=refuse)
    with pytest.raises(ClipError, match="a folder of clips or a motion-capture"):
        open_training_data(tmp_path / "x.bvh", layout=None, skip=refuse)
    np.savez(tmp_path / "x.npz", positions=np.zeros(3))
    with pytest.raises(ClipError, match="not a motion-capture archive"):
        open_training_data(tmp_path / "x.npz", layout=None, skip=refuse)


def test_a_split_by_patterns_gives_parts_of_a_pack(tmp_path):
    with PackWriter(tmp_path, window=4.0) as writer:
        for seed in range(5):
            writer.add(made(3 + seed, seed=seed))
    parts = add_split(tmp_path, "halves", train=["f[02]", "f4"], test=["f[13]"])
    assert parts == {"train": [0, 2, 4], "test": [1, 3]}
    pack = Pack.open(tmp_path)
    assert pack.facts["window"] == 4.0
    assert [clip.source for clip in pack.part("halves", "test").clips] == ["f1", "f3"]
    add_split(tmp_path, "halves", train=["f0"], test=["f1"])
    assert Pack.open(tmp_path).splits == {"halves": {"train": [0], "test": [1]}}
    with pytest.raises(UsageError, match="no clip for test: x and y fit no source"):
        add_split(tmp_path, "none", train=["f0"], test=["x", "y"])
    with pytest.raises(UsageError, match=r"3 clip\(s\) would be in both parts, the first 'f0'"):
        add_split(tmp_path, "both", train=["f*"], test=["f[012]"])
    with pytest.raises(UsageError, match=r"no 'test' part of a split 'xsub'.*halves \(train, test"):
        pack.part("xsub", "test")
