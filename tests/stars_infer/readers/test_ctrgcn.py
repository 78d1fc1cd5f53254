"""Archives of CTR-GCN: many clips in one file, read one after the other."""

import io

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.readers.files import holds_many, read_clips
from stars_infer.synthetic.actions import perform
from tests.stars_infer.readers.mocap_files import ctrgcn
from tests.stars_infer.readers.test_files import refusal

CLIPS = [perform(action, np.random.default_rng(n))[:, : 20 + n]
         for n, action in enumerate(("wave", "squat", "kick"))]  # fmt: skip
CLASSES = [22, 7, 59]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "NTU60_CS.npz"
    file.write_bytes(ctrgcn(CLIPS, CLASSES))
    return file


def test_each_row_is_a_clip(path):
    clips = list(read_clips(path))
    assert len(clips) == 6
    for clip, expected in zip(clips, CLIPS * 2, strict=True):
        np.testing.assert_array_equal(clip.bodies[0], expected[0])
        assert clip.layout == "ntu25"
    assert [clip.source.rpartition("#")[2] for clip in clips[:3]] == [
        "train_000000_A023", "train_000001_A008", "train_000002_A060",
    ]  # fmt: skip
    assert clips[3].source == f"{path}#test_000000_A023"


def test_one_clip_by_its_name(path):
    clip = read_clip(f"{path}#test_000001_A008")
    np.testing.assert_array_equal(clip.bodies[0], CLIPS[1][0])
    assert "no clip of the name" in refusal_of(f"{path}#test_000009_A001")
    assert "holds several clips (train_000000_A023" in refusal(path)


def refusal_of(named):
    with pytest.raises(ClipError) as caught:
        read_clip(named)
    return str(caught.value)


def test_such_an_archive_holds_many_and_others_do_not(path, tmp_path, waving):
    np.savez(tmp_path / "one.npz", joints=waving)
    assert holds_many(path)
    assert not holds_many(tmp_path / "one.npz")
    assert not holds_many(tmp_path / "missing.npz")


def test_two_bodies_and_a_row_without_any(tmp_path):
    two = np.concatenate([CLIPS[0], CLIPS[0] + np.float32([1.2, 0, 0])])
    file = tmp_path / "c.npz"
    file.write_bytes(ctrgcn([two, np.zeros_like(two), CLIPS[1]], [0, 1, 2], parts=("test",)))
    told = []
    clips = list(read_clips(file, skip=told.append))
    assert [len(clip.bodies) for clip in clips] == [2, 1]
    assert [str(error) for error in told] == [
        f"{file}#test_000001_A002: fewer than two frames with a body"
    ]


def test_labels_as_numbers(tmp_path):
    file = tmp_path / "c.npz"
    x = np.zeros((1, 30, 150), np.float32)
    x[0, :, :75] = CLIPS[0][0, :20].reshape(20, 75)[np.arange(30) % 20]
    np.savez(file, x_test=x, y_test=np.array([4]))
    (clip,) = read_clips(file)
    assert clip.source.endswith("#test_000000_A005")


def spoilt(**arrays):
    written = io.BytesIO()
    good = {"x_test": np.ones((2, 10, 150), np.float32), "y_test": np.eye(2)}
    np.savez(written, **{**good, **arrays})
    return written.getvalue()


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x_test": np.ones((2, 10, 140), np.float32)}, "expected (N, T, 150) and N"),
        ({"x_test": np.ones((3, 10, 150), np.float32)}, "expected (N, T, 150) and N"),
        ({"y_test": np.zeros((0, 4))}, "y_test has the shape (0, 4)"),
        ({"x_test": np.array(["a"])}, "no plain array of numbers"),
        ({"x_test": np.asfortranarray(np.ones((2, 10, 150)))}, "no plain array of numbers"),
    ],
)
def test_arrays_of_other_shapes(tmp_path, arrays, told):
    path = tmp_path / "c.npz"
    path.write_bytes(spoilt(**arrays))
    with pytest.raises(ClipError) as caught:
        list(read_clips(path))
    assert told in str(caught.value)


def test_a_header_that_promises_too_much(tmp_path):
    path = tmp_path / "c.npz"
    content = spoilt()
    path.write_bytes(content.replace(b"(2, 10, 150)", b"(2, 9999999, 150)"[:12]))
    with pytest.raises(Exception, match=r"c\.npz"):
        list(read_clips(path))
