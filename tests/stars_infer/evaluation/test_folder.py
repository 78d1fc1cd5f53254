import shutil

import pytest

from stars_infer.errors import ClipError, UsageError
from stars_infer.evaluation.fewshot import evaluate
from stars_infer.evaluation.folder import find_labeled_files, read_labeled_clips


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


def test_a_folder_is_measured_in_two_calls(recordings, encoder, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(recordings, root)
    (root / "wave" / "bad.npy").write_bytes(b"bad")
    skipped, seen = [], []
    clips = read_labeled_clips(
        find_labeled_files(root, queries="wave/*"),
        encoder=encoder,
        skip=skipped.append,
        progress=seen.append,
    )
    assert [error.source for error in skipped] == [str(root / "wave" / "bad.npy")]
    assert len(seen) == len(clips.labels) == clips.exemplar.sum() == 28
    assert {clips.labels[at] for at in clips.query.nonzero()[0]} == {"wave"}
    assert 0 <= evaluate(clips, shots=(2,), draws=3)[2].mean <= 100
    with pytest.raises(ClipError, match="bad.npy"):
        read_labeled_clips(
            find_labeled_files(root, exemplars="wave/b*", queries="-"), encoder=encoder
        )
