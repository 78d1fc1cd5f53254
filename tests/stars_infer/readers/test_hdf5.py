"""HDF5 files: 3D points of DeepLabCut and SLEAP."""

import io

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.layouts import get_layout
from stars_infer.readers.hdf5 import read_h5
from tests.stars_infer.readers.mocap_files import deeplabcut, moving, sleap
from tests.stars_infer.readers.test_files import refusal

h5py = pytest.importorskip("h5py", reason="pip install 'stars-infer[mocap]'")

COCO = get_layout("coco17").joints


def write(folder, content):
    path = folder / "points.h5"
    path.write_bytes(content)
    return path


def table(people, parts=("x", "y", "z"), joints=COCO):
    """Columns and values of people (M, T, V, 3), by the names that DeepLabCut gives them."""
    columns, values = [], []
    for number, points in enumerate(people):
        for joint, name in enumerate(joints):
            for part in parts:
                person = (f"individual{number + 1}",) if len(people) > 1 else ()
                columns.append(("DLC_3D", *person, name, part))
                axis = "xyz".find(part)
                values.append(points[:, joint, axis] if axis >= 0 else np.full(len(points), 0.9))
    return columns, np.stack(values, axis=1)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_table_of_deeplabcut(tmp_path, fixed):
    points = moving("coco17")
    clip = read_clip(write(tmp_path, deeplabcut(*table([points]), fixed=fixed)))
    np.testing.assert_allclose(clip.bodies[0], points, atol=1e-6)
    assert (clip.layout, clip.fps) == ("coco17", 30)


def test_two_individuals_and_likelihood(tmp_path):
    one, two = moving("coco17"), moving("coco17", "squat", 1) + np.float32([1.5, 0, 0])
    parts = ("x", "y", "z", "likelihood")
    columns, values = table([one, two], parts)
    unsure = columns.index(("DLC_3D", "individual1", "left wrist", "likelihood"))
    values[4:7, unsure] = 0.01
    values[4:7, unsure - 3] = 50
    clip = read_clip(write(tmp_path, deeplabcut(columns, values)))
    assert clip.bodies.shape[0] == 2
    np.testing.assert_allclose(clip.bodies[0], one, atol=0.06)
    np.testing.assert_allclose(clip.bodies[1], two, atol=1e-5)
    assert "left wrist" in " ".join(clip.notes)


@pytest.mark.parametrize("named", [True, False])
def test_triangulated_tracks_of_sleap(tmp_path, named):
    points = moving("coco17")
    tracks = (points)[:, None]
    path = write(tmp_path, sleap(tracks, COCO if named else None))
    clip = read_clip(path) if named else read_clip(path, layout="coco17")
    np.testing.assert_allclose(clip.bodies[0], points, atol=1e-6)
    if not named:
        assert "pass --layout" in refusal(path)


def test_tracks_in_the_order_of_analysis_files(tmp_path):
    points = moving("coco17")
    tracks = (points)[None].transpose(0, 3, 2, 1)
    clip = read_clip(write(tmp_path, sleap(tracks, COCO)))
    np.testing.assert_allclose(clip.bodies[0], points, atol=1e-6)


def test_points_in_2d_are_refused(tmp_path):
    flat = moving("coco17")[..., :2]
    assert "2D" in refusal(write(tmp_path, sleap(flat[None].transpose(0, 3, 2, 1), COCO)))
    columns, values = table([moving("coco17")], ("x", "y", "likelihood"))
    assert "2D" in refusal(write(tmp_path, deeplabcut(columns, values)))
    (flat_recording,) = read_h5(tmp_path / "points.h5")
    np.testing.assert_allclose(
        flat_recording.joints[0, ..., :2], moving("coco17")[..., :2], atol=1e-6
    )
    assert not flat_recording.joints[..., 2].any()


def test_a_name_that_is_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    points = moving("coco17")
    columns, values = table([points])
    path = write(tmp_path, deeplabcut([*columns[:-1], Evil()], values))
    assert "asks for __builtin__.print, which is not an array" in refusal(path)


def test_nothing_outside_the_file_is_opened(tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(sleap(moving("coco17")[:, None], COCO))
    path = tmp_path / "points.h5"
    with h5py.File(path, "w") as file:
        file["tracks"] = h5py.ExternalLink(str(other), "tracks")
    assert "neither a table of DeepLabCut nor tracks of SLEAP" in refusal(path)
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((24, 1, 17, 3), "f8")
        layout[:] = h5py.VirtualSource(str(other), "tracks", shape=(24, 1, 17, 3))
        file.create_virtual_dataset("tracks", layout)
    assert "neither a table" in refusal(path)


def test_an_array_that_unpacks_to_too_much(tmp_path):
    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        file.create_dataset("tracks", (10**9, 1, 17, 3), "f8", chunks=(1000, 1, 17, 3))
    assert "cut it into parts" in refusal(write(tmp_path, written.getvalue()))


def test_damage_and_other_files_are_told(tmp_path):
    content = sleap(moving("coco17")[:, None], COCO)
    for cut in (4, 100, len(content) // 2):
        assert "not a readable HDF5 file" in refusal(write(tmp_path, content[:cut]))
    assert "tracks of the shape (5,)" in refusal(write(tmp_path, sleap(np.zeros(5))))
    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        file["weights"] = np.zeros(4)
    assert "neither a table" in refusal(write(tmp_path, written.getvalue()))
