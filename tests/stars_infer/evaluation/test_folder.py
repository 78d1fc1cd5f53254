import pytest

from stars_infer.errors import ClipError, UsageError
from stars_infer.evaluation.folder import find_labeled_files


@pytest.fixture
def root(tmp_path):
    for name in ("wave/anna_1.npy", "wave/ben_1.npy", "kick/anna_1.npy", "stray.npy", "a/b/c.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_labels_are_the_folders_of_clips_and_others_are_left_out(root):
    files = find_labeled_files(root)
    assert [files.label(path) for path in files.paths] == ["kick", "wave", "wave"]
    assert all(files.is_exemplar(path) and files.is_query(path) for path in files.paths)


def test_patterns_say_which_clips_serve_for_what(root, monkeypatch):
    monkeypatch.chdir(root)
    files = find_labeled_files(".", exemplars="*/anna_*", queries="wave/ben*")
    assert [str(path) for path in files.paths if files.is_exemplar(path)] == [
        "kick/anna_1.npy", "wave/anna_1.npy",
    ]  # fmt: skip
    assert [str(path) for path in files.paths if files.is_query(path)] == ["wave/ben_1.npy"]


def test_nothing_to_measure(root):
    with pytest.raises(UsageError, match="not a folder"):
        find_labeled_files(root / "nowhere")
    with pytest.raises(UsageError, match="no CLASS/clip file matches"):
        find_labeled_files(root, exemplars="x*", queries="y*")
    (root / "empty").mkdir()
    with pytest.raises(ClipError, match="no clip in this folder"):
        find_labeled_files(root / "empty")
