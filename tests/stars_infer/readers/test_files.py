"""Which files are clips, and which reader reads them."""

import warnings

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, StarsError, UsageError
from stars_infer.readers.files import read_clips


def refusal(path, **options):
    with pytest.raises(ClipError) as caught:
        read_clip(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


def read_or_refuse(folder, ending, content):
    """Read the clips of a file, or check that what refuses it is one line that names it."""
    path = folder / f"c{ending}"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            clips = list(read_clips(path))
        except StarsError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
        else:
            for clip in clips:
                assert np.isfinite(clip.bodies).all()


@pytest.mark.parametrize("ending", [".skeleton", ".npy", ".npz"])
def test_empty_file(tmp_path, ending):
    path = tmp_path / f"empty{ending}"
    path.touch()
    assert "the file is empty" in refusal(path)


def test_what_is_no_clip_file(tmp_path):
    assert "is a directory" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "missing.npy")
    (tmp_path / "clip.xyz").write_bytes(b"x")
    assert "unknown file ending '.xyz'" in refusal(tmp_path / "clip.xyz")


def test_what_is_known_of_a_file_is_said_by_keywords_or_in_one(tmp_path, waving):
    np.save(
        tmp_path / "c.npy", np.stack([waving[..., 0], -waving[..., 2], waving[..., 1]], -1) * 100
    )
    clip = read_clip(tmp_path / "c.npy", units="cm", up="z", fps=15)
    np.testing.assert_allclose(clip.bodies, waving, atol=1e-5)
    assert (clip.fps, clip.notes) == (15, ())
    same = read_clip(tmp_path / "c.npy", up="z", convention=Convention(units="cm", up="y", fps=15))
    assert same.content_hash == clip.content_hash
    with pytest.raises(UsageError, match="units 'ft'"):
        read_clip(tmp_path / "c.npy", units="ft")
