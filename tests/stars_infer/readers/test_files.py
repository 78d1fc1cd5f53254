"""Which files are clips, and which reader reads them."""

import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError


def refusal(path, **options):
    with pytest.raises(ClipError) as caught:
        read_clip(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("ending", [".skeleton", ".npy", ".npz"])
def test_empty_file(tmp_path, ending):
    path = tmp_path / f"empty{ending}"
    path.touch()
    assert "the file is empty" in refusal(path)


def test_what_is_no_clip_file(tmp_path):
    assert "is a directory" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "missing.npy")
    (tmp_path / "clip.mp4").write_bytes(b"x")
    assert "unknown file ending '.mp4'" in refusal(tmp_path / "clip.mp4")
