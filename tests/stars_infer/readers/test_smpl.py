"""Motions of the SMPL models: turns of joints, against plain matrices, with and without a model."""

import io

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import UsageError
from stars_infer.layouts import get_layout
from stars_infer.readers.smpl import MEAN_OFFSETS, MODEL
from tests.stars_infer.readers.mocap_files import amass
from tests.stars_infer.readers.test_files import refusal

PARENTS = get_layout("smpl22").parents
NAMES = get_layout("smpl22").joints


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.delenv(MODEL, raising=False)


def poses_of(seed=0, frames=5, joints=52, scale=0.4):
    return np.random.default_rng(seed).normal(scale=scale, size=(frames, 3 * joints))


def turn(vector):
    """The matrix of an axis times an angle, by its exponential series."""
    x, y, z = vector
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    made, term = np.eye(3), np.eye(3)
    for n in range(1, 30):
        term = term @ skew / n
        made = made + term
    return made


def placed(offsets, pose, where):
    """Joints of one frame (22, 3), parent after parent."""
    pose = pose.reshape(-1, 3)[:22]
    turns, joints = [np.eye(3)] * 22, np.zeros((22, 3))
    for joint, parent in enumerate(PARENTS):
        if joint == parent:
            turns[joint], joints[joint] = turn(pose[joint]), where + offsets[joint]
        else:
            turns[joint] = turns[parent] @ turn(pose[joint])
            joints[joint] = joints[parent] + turns[parent] @ offsets[joint]
    return joints


def y_up(points):
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def write(folder, content, name="motion.npz"):
    path = folder / name
    path.write_bytes(content)
    return path


def test_turns_move_a_skeleton_of_mean_lengths(tmp_path):
    poses, where = poses_of(), np.random.default_rng(1).normal(size=(5, 3))
    clip = read_clip(write(tmp_path, amass(poses, trans=where)))
    for frame in range(5):
        expected = placed(MEAN_OFFSETS, poses[frame], where[frame])
        np.testing.assert_allclose(clip.bodies[0, frame], y_up(expected), atol=1e-5)
    assert (clip.layout, clip.fps) == ("smpl22", 120)
    assert any(note.startswith("a skeleton of mean lengths was moved") for note in clip.notes)


def test_a_body_that_stands_is_upright_and_as_tall_as_people(tmp_path):
    poses = np.zeros((10, 156))
    poses[:, 0] = np.pi / 2  # y up in the body, z up in the room
    clip = read_clip(write(tmp_path, amass(poses)))
    head, foot, left = (
        clip.bodies[0, 0, NAMES.index(j)] for j in ("head", "left foot", "left wrist")
    )
    assert head[1] - foot[1] == pytest.approx(1.55, abs=0.1)
    assert left[0] > 0.6
    assert len(clip.notes) == 1  # nothing odd about it


FORMS = {
    "SMPL, 24 joints": lambda p: {"poses": p[:, :72], "trans": np.zeros((5, 3))},
    "SMPL-X of AMASS": lambda p: {
        "root_orient": p[:, :3], "pose_body": p[:, 3:66], "pose_hand": p[:, :90],
        "trans": np.zeros((5, 3)), "mocap_frame_rate": np.array(60.0),
        "surface_model_type": np.array("smplx"),
    },
    "smplx package": lambda p: {
        "global_orient": p[:, :3], "body_pose": p[:, 3:66], "transl": np.zeros((5, 3)),
    },
    "AIST++": lambda p: {"smpl_poses": p[:, :72], "smpl_trans": np.zeros((5, 3))},
    "joints apart": lambda p: {"poses": p[:, :72].reshape(5, 24, 3), "trans": np.zeros((5, 3))},
    "float32, fixed width text": lambda p: {
        "poses": p.astype(np.float32), "trans": np.zeros((5, 3), np.float32),
        "gender": np.array(b"male"), "betas": np.zeros(10), "fps": np.array([25]),
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_motion(tmp_path, form):
    poses = poses_of()
    written = io.BytesIO()
    np.savez(written, **FORMS[form](poses))
    clip = read_clip(write(tmp_path, written.getvalue()))
    same = read_clip(write(tmp_path, amass(poses), "same.npz"))
    np.testing.assert_allclose(clip.bodies, same.bodies, atol=1e-5)


def model(seed=0, joints=52, vertices=40, shapes=16):
    """A body model with joints anywhere, and its joints at rest for some betas."""
    rng = np.random.default_rng(seed)
    arrays = {
        "J_regressor": rng.dirichlet(np.ones(vertices), size=joints),
        "v_template": rng.normal(size=(vertices, 3)),
        "shapedirs": rng.normal(scale=0.1, size=(vertices, 3, shapes)),
    }

    def rest(betas):
        shaped = arrays["v_template"] + arrays["shapedirs"][..., : len(betas)] @ betas
        return (arrays["J_regressor"] @ shaped)[:22]

    return arrays, rest


def test_the_users_body_model_gives_the_joints(tmp_path, monkeypatch):
    arrays, rest = model()
    (tmp_path / "smplh").mkdir()
    np.savez(tmp_path / "smplh/SMPLH_FEMALE.npz", **arrays)
    np.savez(tmp_path / "smplh/SMPLH_MALE.npz", **model(1)[0])
    betas = np.random.default_rng(2).normal(size=16)
    poses = poses_of()
    path = write(tmp_path, amass(poses, betas=betas))
    monkeypatch.setenv(MODEL, str(tmp_path / "smplh"))
    clip = read_clip(path)
    joints = rest(betas)
    offsets = np.array([joints[n] - (joints[p] if n != p else 0) for n, p in enumerate(PARENTS)])
    expected = [placed(offsets, pose, np.zeros(3)) for pose in poses]
    np.testing.assert_allclose(clip.bodies[0], y_up(np.array(expected)), atol=1e-4)
    assert "joints of the body model SMPLH_FEMALE.npz" in clip.notes
    monkeypatch.setenv(MODEL, str(tmp_path / "smplh/SMPLH_FEMALE.npz"))
    assert read_clip(path).content_hash == clip.content_hash


def test_a_body_model_that_is_none(tmp_path, monkeypatch):
    path = write(tmp_path, amass(poses_of()))
    monkeypatch.setenv(MODEL, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="STARS_SMPL_MODEL=.*no file of a body model"):
        read_clip(path)
    for spoilt in ({"v_template": np.zeros(3)}, {**model()[0], "v_template": np.zeros((3, 3))},
                   {**model()[0], "J_regressor": np.array([{}])}):  # fmt: skip
        other = tmp_path / "other_model.npz"
        np.savez(other, **spoilt)
        monkeypatch.setenv(MODEL, str(other))
        with pytest.raises(UsageError, match=r"other_model\.npz: (no body model|a body model of)"):
            read_clip(path)


def test_many_frames_are_computed_in_parts(tmp_path, monkeypatch):
    poses = poses_of(frames=50)
    whole = read_clip(write(tmp_path, amass(poses)))
    monkeypatch.setattr("stars_infer.readers.smpl._CHUNK", 7)
    np.testing.assert_array_equal(read_clip(tmp_path / "motion.npz").bodies, whole.bodies)


def test_damage_is_told(tmp_path):
    def told(**arrays):
        return refusal(write(tmp_path, amass(arrays.pop("poses", poses_of()), **arrays)))

    assert "poses of the shape (5, 30)" in told(poses=np.zeros((5, 30)))
    assert "poses of the shape" in told(poses=np.zeros(5))
    assert "poses of the shape" in told(poses=np.array(["x"] * 5))
    assert "5 poses, but places of the shape (4, 3)" in told(trans=np.zeros((4, 3)))
    assert "never unpickled" in told(betas=np.array([{}]))
    content = amass(poses_of())
    for cut in (10, len(content) // 2, len(content) - 5):
        refusal(write(tmp_path, content[:cut]))


def test_other_archives_are_what_they_were(tmp_path, waving):
    path = tmp_path / "c.npz"
    np.savez(path, joints=waving, trans=np.zeros(3), poses=np.zeros(3))
    np.testing.assert_array_equal(read_clip(path).bodies, waving)
