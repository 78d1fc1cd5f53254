"""PYSKL annotation files: one clip of many, or all of them."""

import json
import pickle

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.readers.files import read_clips
from stars_infer.readers.pkl import _recording
from stars_infer.readers.restricted_pickle import PickledArray
from stars_infer.synthetic.actions import perform


@pytest.fixture
def annotations():
    """Three clips as PYSKL has them."""
    return [
        {"frame_dir": f"S001C001P00{n}R001A023", "label": 22, "total_frames": len(clip[0]),
         "keypoint": clip.astype(np.float16)}
        for n, clip in enumerate(perform("wave", np.random.default_rng(n)) for n in range(3))
    ]  # fmt: skip


def written(folder, annotations, wrap=True):
    path = folder / "anno.pkl"
    names = [one["frame_dir"] for one in annotations]
    content = {"split": {"xsub_train": names}, "annotations": annotations} if wrap else annotations
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.mark.parametrize("wrap", [True, False])
def test_all_clips_and_one(tmp_path, annotations, wrap):
    path = written(tmp_path, annotations, wrap)
    clips = list(read_clips(path))
    assert [clip.source for clip in clips] == [f"{path}#{one['frame_dir']}" for one in annotations]
    for clip, one in zip(clips, annotations, strict=True):
        np.testing.assert_array_equal(clip.bodies, one["keypoint"].astype(np.float32))
    name = annotations[1]["frame_dir"]
    one = read_clip(f"{path}#{name}")
    assert one.content_hash == clips[1].content_hash
    assert [clip.source for clip in read_clips(f"{path}#{name}")] == [one.source]
    with pytest.raises(ClipError, match=r"several clips \(S001C001P000R001A023, .*anno.pkl#NAME"):
        read_clip(path)
    with pytest.raises(ClipError, match="no clip of the name 'nobody'"):
        read_clip(f"{path}#nobody")


def test_a_file_of_one_clip_needs_no_name(tmp_path, annotations):
    path = written(tmp_path, annotations[:1])
    assert read_clip(path).frames == annotations[0]["total_frames"]


def test_a_hash_in_the_name_of_a_file(tmp_path, waving):
    path = tmp_path / "a#b.npy"
    np.save(path, waving)
    assert read_clip(path).source == str(path)


def test_bad_clips_are_skipped(tmp_path, annotations):
    annotations[0]["keypoint"] = annotations[0]["keypoint"][..., :2]
    annotations[2]["keypoint"] = annotations[2]["keypoint"][:, :, :17]
    path = written(tmp_path, annotations)
    failures = []
    (clip,) = read_clips(path, skip=failures.append)
    assert clip.source.endswith("P001R001A023")
    flat, few = map(str, failures)
    assert "P000R001A023: keypoints in 2D, but positions in 3D are needed" in flat
    assert "P002R001A023: 17 joints, but layout 'ntu25' has 25" in few
    with pytest.raises(ClipError, match="keypoints in 2D"):
        list(read_clips(path))
    (*_, named) = read_clips(path, convention=Convention(layout="h36m17"), skip=failures.append)
    assert named.layout == "h36m17"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"annotations": []}, "no PYSKL annotations"),
        ({"other": 1}, "no PYSKL annotations"),
        ([1], "annotation 0 is no dictionary"),
        ([{"frame_dir": "a"}], "annotation 0 has no frame_dir and keypoint"),
        ([{"frame_dir": "a", "keypoint": np.zeros((2, 3))}], r"#a: expected keypoints \(M, T, V"),
        ([{"frame_dir": "a", "keypoint": pytest.fail}], "was not run: do not trust"),
    ],
)
def test_what_is_no_annotation_file(tmp_path, content, says):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ClipError, match=says) as caught:
        read_clip(path)
    assert str(caught.value).count(str(path)) == 1


def test_every_clip_of_a_file_is_embedded(stars, tmp_path, annotations):
    path = written(tmp_path, annotations)
    code, out, err = stars("embed", path, "--out", "x.npz", "--json")
    assert code == 0, err
    names = [f"{path}#{one['frame_dir']}" for one in annotations]
    assert [json.loads(line)["source"] for line in out.splitlines()] == names
    assert np.load(tmp_path / "x.npz")["sources"].tolist() == names
    assert stars("fewshot", "add-class", f"{path}#{annotations[0]['frame_dir']}",
                 "--label", "wave")[0] == 0  # fmt: skip
    (line,) = stars("fewshot", "list", "--json")[1].splitlines()
    assert json.loads(line)["source"] == names[0]


@pytest.mark.parametrize(
    ("shape", "spoilt"), [((0, 2, 3), (0, 2, 2**70)), ((1, 1, 3), (True, True, 3)), (None, None)]
)
def test_a_damaged_array_is_a_clip_that_cannot_be_used(tmp_path, shape, spoilt):
    made = PickledArray()
    if shape is not None:
        made.shape, made.dtype, made.content = spoilt, "<f4", bytes(4 * int(np.prod(shape)))
    with pytest.raises(ClipError, match="x.pkl#a: a damaged array"):
        _recording({"frame_dir": "a", "keypoint": made}, 0, str(tmp_path / "x.pkl"))
