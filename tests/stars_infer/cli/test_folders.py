"""Folders on the command line: what is not read is said, and one without clips stops nothing."""

from shutil import copy


def test_files_of_a_folder_that_are_not_read_are_said(stars, recordings, tmp_path):
    (tmp_path / "wave").mkdir()
    copy(sorted((recordings / "wave").iterdir())[0], tmp_path / "wave")
    (tmp_path / "wave/take.xyz").write_text("x")
    code, _, err = stars("fewshot", "add-class", tmp_path / "wave", "--index", tmp_path / "one.db")
    assert code == 0, err
    assert "1 file of unknown ending: .xyz" in " ".join(err.split())
    code, _, err = stars("data", "inspect", tmp_path / "wave", "--json")
    assert (code, err) == (0, "")


def test_a_folder_without_clips_does_not_stop_the_others(taught, recordings, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out, err = taught("classify", tmp_path / "empty", recordings / "wave", "--quiet")
    assert code == 1
    assert len(out.splitlines()) == len(list((recordings / "wave").iterdir()))
    assert "empty: no clip in this folder" in " ".join(err.split())
    code, out, err = taught("classify", tmp_path / "empty")
    assert (code, out) == (1, "")
    assert "no clip in this folder" in " ".join(err.split())
