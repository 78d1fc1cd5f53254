"""Folders: what is in them, what is not read, and those of one file a frame."""

import json

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.readers import files
from stars_infer.readers.files import clip_files, read_clips
from tests.bodies import in_layout
from tests.stars_infer.readers.mocap_files import moving
from tests.stars_infer.readers.test_files import refusal


def people(points, confidence=1.0):
    """A frame as OpenPose writes it, of one person (V, 3)."""
    row = np.concatenate([points, np.full((len(points), 1), confidence)], axis=1)
    return {"version": 1.3, "people": [{"person_id": [-1],
                                        "pose_keypoints_3d": row.ravel().tolist()}]}  # fmt: skip


def frames_in(folder, points, pattern="clip_{:012d}_keypoints.json", first=0, leave_out=()):
    folder.mkdir(exist_ok=True, parents=True)
    for number, frame in enumerate(points):
        if number not in leave_out:
            path = folder / pattern.format(number + first)
            path.write_text(json.dumps(people(frame * np.float32([-1, -1, 1]))))
    return folder


PATTERNS = ["clip_{:012d}_keypoints.json", "cam01.{:04d}.json", "{:06d}_keypoints.json",
            "take-2_{}_keypoints.json", "7_{}.JSON"]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_files_of_one_frame_are_one_recording(tmp_path, pattern):
    points = moving("body25")
    folder = frames_in(tmp_path / "wave", points, pattern, first=95)
    assert clip_files([tmp_path]) == [folder]
    clip = read_clip(folder, layout="body25")
    np.testing.assert_allclose(clip.bodies[0], points, atol=1e-6)
    assert clip.source == str(folder)
    assert not any("files" in note or "file(s)" in note for note in clip.notes)
    (folder / "still_7.json").write_text(json.dumps(people(points[0])))
    clip = read_clip(folder, layout="body25")
    assert clip.frames == len(points)
    assert "1 file(s) of a single frame beside it left out" in clip.notes


def test_a_number_that_is_left_out_is_a_gap(tmp_path):
    points = moving("body25")
    folder = frames_in(tmp_path / "wave", points, leave_out=(4, 5))
    clip = read_clip(folder, layout="body25")
    assert clip.frames == len(points)
    assert not clip.presence[0, 4:6].any()
    assert clip.presence[0, [3, 6]].all()


def test_several_cameras_in_one_folder(tmp_path):
    one, two = moving("body25"), moving("body25", "squat", 1)
    folder = frames_in(tmp_path / "wave", one, "cam1_{:04d}_keypoints.json")
    frames_in(folder, two, "cam2_{:04d}_keypoints.json")
    clips = list(read_clips(folder, convention=files.Convention(layout="body25")))
    assert [clip.source for clip in clips] == [f"{folder}#cam1", f"{folder}#cam2"]
    np.testing.assert_allclose(clips[1].bodies[0], two, atol=1e-6)
    clip = read_clip(f"{folder}#cam2", layout="body25")
    np.testing.assert_allclose(clip.bodies[0], two, atol=1e-6)


def test_clips_that_are_numbered_stay_clips(tmp_path):
    for number in range(3):
        content = {"layout": "kinect20", "bodies": moving()[None].tolist()}
        (tmp_path / f"wave_{number:04d}.json").write_text(json.dumps(content))
    assert len(clip_files([tmp_path])) == 3
    assert "is a directory" in refusal(tmp_path)


def test_a_damaged_frame_is_named(tmp_path):
    folder = frames_in(tmp_path / "wave", moving("body25"))
    (folder / "clip_000000000007_keypoints.json").write_text('{"people": [')
    assert "clip_000000000007_keypoints.json: line 1" in refusal(folder)


def test_numbers_far_apart_are_no_recording(tmp_path):
    folder = frames_in(tmp_path / "wave", moving("body25")[:3])
    last = folder / "clip_999999999999_keypoints.json"
    last.write_bytes((folder / "clip_000000000000_keypoints.json").read_bytes())
    assert "are these one recording?" in refusal(folder)


def test_frames_in_2d_are_told_in_one_line(shared):
    told = []
    clips = list(read_clips(shared / "cases/openpose_2d_dir_real", skip=told.append))
    assert not clips
    assert len(told) == 1
    assert "14 files of one frame each" in str(told[0])
    assert "2D" in str(told[0])


def test_what_is_not_read_is_said(tmp_path):
    np.save(tmp_path / "a.npy", in_layout_25())
    for name in ("b.xyz", "c.xyz", "readme.txt", "noend", ".hidden", "01.asf"):
        (tmp_path / name).write_text("x")
    told = []
    assert clip_files([tmp_path], note=told.append) == [tmp_path / "a.npy"]
    assert told == [f"{tmp_path}: 4 files of unknown ending: .txt, .xyz, none"]
    told.clear()
    clip_files([tmp_path / "a.npy"], note=told.append)
    assert not told


def in_layout_25():
    return in_layout(moving("ntu25")[None], "ntu25")


def test_files_that_need_a_package_are_said_and_the_others_read(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", in_layout_25())
    (tmp_path / "b.c3d").write_bytes(b"x")
    find = files.find_spec
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == "c3d" else find(name))
    told = []
    assert clip_files([tmp_path], note=told.append) == [tmp_path / "a.npy"]
    assert told == [f"{tmp_path}: 1 file not read: pip install 'stars-infer[mocap]' (c3d)"]
    (tmp_path / "a.npy").unlink()
    with pytest.raises(ClipError, match=r"no clip in this folder \(1 file not read: pip install"):
        clip_files([tmp_path])


def test_a_folder_without_clips_does_not_stop_the_others(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    np.save(tmp_path / "full/a.npy", in_layout_25())
    both = [tmp_path / "empty", tmp_path / "full"]
    told = []
    assert clip_files(both, skip=told.append) == [tmp_path / "full/a.npy"]
    assert [error.source for error in told] == [str(tmp_path / "empty")]
    with pytest.raises(ClipError, match="no clip in this folder"):
        clip_files(both)
    with pytest.raises(ClipError, match="no clip in this folder"):
        clip_files(both[:1], skip=told.append)
