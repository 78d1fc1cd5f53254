"""What commands write never costs a user a file: inputs, other files, what others have made."""

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from stars_infer.index.index import ExemplarIndex
from stars_infer.index.large.cache import CacheFolder

unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def clip(recordings, tmp_path):
    """A clip as `clip.npy`, `clip.npz` and `clip.skeleton` in the folder of the call."""
    from stars_infer.readers.files import read_clip

    source = sorted((recordings / "wave").iterdir())[0]
    shutil.copy(source, tmp_path / "clip.skeleton")
    joints = read_clip(source).bodies
    np.save(tmp_path / "clip.npy", joints)
    np.savez(tmp_path / "clip.npz", joints=joints, layout="ntu25")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("embed", "clip.npz", "--out", "clip.npz"),
        ("embed", ".", "--out", "clip.npz"),
        ("embed", "clip.skeleton", "--out", "clip.skeleton"),
        ("data", "inspect", "clip.skeleton", "--html", "clip.skeleton"),
        ("segment", "clip.npy", "--layout", "ntu25", "--svg", "clip.npy"),
        ("segment", "clip.npy", "--layout", "ntu25", "--html", "clip.npy"),
        ("segment", "clip.npy", "--layout", "ntu25", "--svg", "none/clip.svg"),
        ("fewshot", "eval", ".", "--unknown", "40", "--plot", "clip.skeleton"),
        ("fewshot", "eval", ".", "--plot", "plot.svg"),
    ],
)
def test_outputs_are_refused_before_work_begins(stars, clip, monkeypatch, command):
    from stars_infer.encoder.encoder import Encoder

    monkeypatch.setattr(Encoder, "load", None)  # nothing is loaded, let alone embedded
    before = contents(clip)
    code, _, err = stars(*command)
    assert (code, "--" in err) == (2, True), err
    assert contents(clip) == before


@unix
def test_watch_leaves_what_lies_at_its_path(stars, recordings, tmp_path):
    assert stars("fewshot", "add-class", recordings / "wave", recordings / "squat")[0] == 0
    path = tmp_path / "precious.npy"
    path.write_bytes(b"precious")
    code, _, err = stars("watch", "--unix", path, "--layout", "ntu25")
    assert (code, "not a socket" in " ".join(err.split())) == (2, True)
    assert path.read_bytes() == b"precious"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind("s")
        other.listen()
        code, _, err = stars("watch", "--unix", "s", "--layout", "ntu25")
        assert (code, "another process listens there" in " ".join(err.split())) == (2, True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect("s")


@unix
def test_a_socket_of_another_process_is_not_removed(tmp_path, monkeypatch):
    from stars_infer.streaming.feed import remove_socket, unix_socket

    monkeypatch.chdir(tmp_path)  # a path may be too long for a socket
    path = Path("s")
    with unix_socket(path):
        bound = os.lstat(path)
        path.rename("moved")
        path.write_text("precious", encoding="utf-8")
        remove_socket(path, bound)
        assert path.read_text(encoding="utf-8") == "precious"
        remove_socket(Path("moved"), bound)
        assert not (tmp_path / "moved").exists()


def test_demo_leaves_an_index_and_recordings_alone(stars, recordings, tmp_path):
    assert stars("fewshot", "add-class", recordings / "squat")[0] == 0
    before = contents(tmp_path)
    code, _, err = stars("demo", "--performers", 4, "--out", ".")
    told = " ".join(err.split())
    assert (code, "examples of your own" in told, "name another folder" in told) == (2, True, True)
    assert contents(tmp_path) == before
    mine = tmp_path / "mine/wave/S001C001P001R001A001.skeleton"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious", encoding="utf-8")
    code, _, err = stars("demo", "--performers", 4, "--out", "mine")
    assert (code, "another recording lies here" in " ".join(err.split())) == (2, True)
    assert mine.read_text(encoding="utf-8") == "precious"


def test_the_cache_of_an_index_is_swept_of_its_own_files(tmp_path, encoder):
    with ExemplarIndex.open(tmp_path / "stars.db", encoder.info) as index:
        folder = CacheFolder(index._file)
        folder.path.mkdir()
        for name in ("notes.txt", "0123456789abcdef.npz", "0123456789abcdef.faiss"):
            (folder.path / name).write_text("", encoding="utf-8")
            os.utime(folder.path / name, (0, 0))
        folder.sweep()
    assert [file.name for file in folder.path.iterdir()] == ["notes.txt"]
