"""MATLAB files: positions in any order, in structures, of Qualisys and of UTD-MHAD."""

import zlib

import numpy as np
import pytest

pytest.importorskip("scipy")

from scipy.io import savemat

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.readers.mat import read_mat
from tests.stars_infer.readers.mocap_files import moving

KINECT = get_layout("kinect20").joints


@pytest.fixture(scope="module")
def kinect():
    """Positions (T, 20, 3) in meters."""
    return moving("kinect20", frames=30)


def written(tmp_path, **values):
    path = tmp_path / "x.mat"
    savemat(path, values)
    return path


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("compressed", [False, True])
def test_positions_in_any_order(tmp_path, kinect, order, compressed):
    path = tmp_path / "x.mat"
    values = {"data": kinect.transpose(order), "subject": 3, "fps": 60.0, "who": ["Anna", "Bo"]}
    savemat(path, values, do_compression=compressed)
    clip = read_clip(path, layout="kinect20")
    np.testing.assert_allclose(clip.bodies[0], kinect, atol=1e-6)
    assert clip.fps == 60
    with pytest.raises(ClipError, match="pass --layout kinect20"):
        read_clip(path)


def test_utd_mhad_names_its_array_and_orders_its_joints(tmp_path, kinect):
    from_head = kinect[:, [3, 2, 1, 0, *range(4, 20)]]
    path = written(tmp_path, d_skel=from_head.transpose(1, 2, 0))
    clip = read_clip(path)
    assert clip.layout == "kinect20"
    np.testing.assert_allclose(clip.bodies[0], kinect, atol=1e-6)
    np.testing.assert_allclose(
        read_clip(written(tmp_path, d_skel=kinect.transpose(1, 2, 0))).bodies, clip.bodies
    )


def test_names_beside_the_array_decide(tmp_path, kinect):
    names = np.array(KINECT, object)
    for array in (kinect, kinect.transpose(2, 1, 0)):
        inner = {"positions": array, "joint_names": names, "speed": np.zeros((30, 20, 3))}
        path = written(tmp_path, capture={"take": inner, "frame_rate": 50})
        clip = read_clip(path)
        assert (clip.layout, clip.fps) == ("kinect20", 50)
        np.testing.assert_allclose(clip.bodies[0], kinect, atol=1e-6)


def test_a_structure_for_each_frame(tmp_path, kinect):
    frames = [{"skeleton": frame, "time": number} for number, frame in enumerate(kinect)]
    clip = read_clip(written(tmp_path, frames=frames), layout="kinect20")
    np.testing.assert_allclose(clip.bodies[0], kinect, atol=1e-6)


def test_trajectories_of_qualisys(tmp_path, kinect):
    data = np.zeros((20, 4, 30))
    data[:, :3] = (kinect[..., [2, 0, 1]] * 1000).transpose(1, 2, 0)  # z up, millimeters
    data[:, 3] = 0.4
    labeled = {"Count": 20, "Labels": np.array(KINECT, object), "Data": data}
    path = written(tmp_path, take01={"FrameRate": 100.0, "Trajectories": {"Labeled": labeled}})
    clip = read_clip(path)
    assert (clip.layout, clip.fps) == ("kinect20", 100)
    across = np.linalg.norm(clip.bodies[0, :, 4] - clip.bodies[0, :, 8], axis=1)
    np.testing.assert_allclose(
        across, np.linalg.norm(kinect[:, 4] - kinect[:, 8], axis=1), atol=1e-5
    )
    np.testing.assert_allclose(clip.bodies[0, ..., 1], kinect[..., 1], atol=1e-5)


def test_version_7_3(tmp_path, kinect):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["joints"] = kinect.T  # MATLAB's order of axes
        file["fps"] = np.array([[25.0]])
        file["away"] = h5py.ExternalLink("other.h5", "x")
    data = bytearray(path.read_bytes())
    data[:19] = b"MATLAB 7.3 MAT-file"
    path.write_bytes(data)
    clip = read_clip(path, layout="kinect20")
    assert clip.fps == 25
    np.testing.assert_allclose(clip.bodies[0], kinect, atol=1e-6)


def _cell(*arrays):
    cell = np.empty((1, len(arrays)), object)
    for at, array in enumerate(arrays):
        cell[0, at] = array
    return cell


def test_what_is_no_recording_is_told(tmp_path, kinect):
    several = r"several arrays may be positions \(a, b\): name one 'joints'"
    for values, says in (
        ({"x": 3, "y": "text"}, "no array of positions"),
        ({"a": kinect, "b": kinect}, several),
        ({"joints": kinect * 1j}, "no array of positions"),
        ({"clips": _cell(kinect, kinect)}, "arrays of positions lie in cells"),
        ({"joints": kinect, "fps": "fast"}, "fps in the file is not a number"),
    ):
        with pytest.raises(ClipError, match=says):
            read_mat(written(tmp_path, **values))
    path = written(tmp_path, a=kinect, joints=kinect)
    (read,) = read_mat(path)
    assert read.joints.shape == kinect.shape
    whole = path.read_bytes()
    for data in (b"", b"text", whole[:100], whole[:200], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(ClipError, match="save it with -v7|copy or save it again"):
            read_mat(path)


def test_what_unpacks_to_too_much_is_refused(tmp_path):
    packer = zlib.compressobj(9)
    part = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    path = tmp_path / "x.mat"
    path.write_bytes(
        b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
        + (15).to_bytes(4, "little") + len(part).to_bytes(4, "little") + part
    )  # fmt: skip
    with pytest.raises(ClipError, match="too much"):
        read_mat(path)
