"""What cannot be written is refused in one sentence, before any work, whatever option names it."""

import errno
import os
from pathlib import Path

import pytest
import typer

from stars_infer.atomic import check_folder, check_output, written_beside
from stars_infer.cli import app
from stars_infer.errors import in_words
from tests.conftest import call_stars

FILES = {
    ("data inspect", "--html"): ("data", "inspect", "CLIP", "--html", "OUT.html"),
    ("embed", "--out"): ("embed", "CLIP", "--out", "OUT.npz"),
    ("fewshot eval", "--plot"): ("fewshot", "eval", ".", "--unknown", 20, "--plot", "OUT.svg"),
    ("fewshot repair", "--out"): ("fewshot", "repair", "--index", "CLIP", "--out", "OUT.db"),
    ("pose", "--out"): ("pose", "CLIP", "--out", "OUT.json"),
    ("report", "--out"): ("report", "CLIP", "--out", "OUT.html"),
    ("segment", "--svg"): ("segment", "CLIP", "--svg", "OUT.svg"),
    ("segment", "--html"): ("segment", "CLIP", "--html", "OUT.html"),
    ("view", "--out"): ("view", "CLIP", "--out", "OUT.html"),
    ("export", "--timing-cache"): ("export", "x", "--int8", "--timing-cache", "OUT.cache"),
}
FOLDERS = {
    ("classify", "--out"): ("classify", "CLIP", "--engine", "ray", "--out", "OUT"),
    ("demo", "--out"): ("demo", "--out", "OUT"),
    ("model fuse", "--out"): ("model", "fuse", "a", "b", "--out", "OUT"),
    ("model import", "--out"): ("model", "import", "CLIP", "--out", "OUT"),
    ("teach", "--save"): ("teach", "wave", "CLIP", "--save", "OUT"),
    ("tour", "--out"): ("tour", "--fast", "--out", "OUT"),
    ("data pack", "--out"): ("data", "pack", ".", "--out", "OUT"),
    ("data prepare", "--out"): ("data", "prepare", "ntu60", "--raw", ".", "--out", "OUT"),
    ("export", "--out"): ("export", "x", "--onnx", "--out", "OUT"),
    ("export", "--triton"): ("export", "x", "--triton", "OUT"),
    ("train pretrain", "--out"): ("train", "pretrain", ".", "--out", "OUT"),
    ("train tune", "--out"): ("train", "tune", ".", "--from", "x", "--out", "OUT"),
    ("train pool", "--out"): ("train", "pool", ".", "--out", "OUT"),
    ("train reproduce", "--out"): (
        "train", "reproduce", "--table", "stars-6", "--data", ".", "--out", "OUT",
    ),
    ("train eval fuse", "--out"): ("train", "eval", "fuse", "a", "b", "--out", "OUT"),
    ("train eval fuse", "--plots"): ("train", "eval", "fuse", "a", "b", "--plots", "OUT"),
    **{
        (f"train eval {protocol}", option): (
            *("train", "eval", protocol, "run"), *extra, option, "OUT",
        )
        for protocol, extra in (
            ("knn", ()), ("linear", ()), ("finetune", ()), ("semi", ()), ("fewshot", ()),
            ("transfer", ("--data", ".")),
        )
        for option in ("--out", "--plots")
    },
}  # fmt: skip
READ = {
    "--camera-files", "--data", "--from", "--in", "--index", "--like", "--notes", "--raw",
    "--read-keys", "--run", "--ssl-certfile", "--ssl-keyfile", "--weigh-on", "--write-keys",
}  # fmt: skip
"""Options that name what is read; of `--index`, see below."""
OTHER = {("watch", "--unix"), ("train tables", "--out")}
"""A socket, see below, and a folder that is only looked at."""


def options(command, name=()):
    """The options of all commands that take a path, with the names of their commands."""
    for sub, below in getattr(command, "commands", {}).items():
        yield from options(below, (*name, sub))
    for one in command.params:
        path = "Path" in str(one.type_descriptor.annotation) or one.name == "out"
        if one.param_type_name == "option" and path:
            yield " ".join(name), next(flag for flag in one.opts if flag.startswith("--"))


def test_every_option_that_takes_a_path_is_known_here():
    pytest.importorskip("torch", reason="the extras [train,export] are not installed")
    from stars_infer.exporters.cli import app as export
    from stars_infer.train.cli import app as train
    from stars_infer.train.datasets.cli import app as data

    found = {
        one
        for each, name in ((app, ()), (train, ("train",)), (export, ("export",)), (data, ("data",)))
        for one in options(typer.main.get_command(each), name)
        if one[1] not in READ
    }
    assert found == FILES.keys() | FOLDERS.keys() | OTHER


CASES = [
    *((command, target) for command in FILES.values() for target in ("below", "proc", "folder")),
    *((command, target) for command in FOLDERS.values() for target in ("below", "proc", "file")),
]


@pytest.mark.parametrize(
    ("command", "target"), CASES, ids=[f"{'-'.join(map(str, c))}-{t}" for c, t in CASES]
)
def test_what_cannot_be_written_is_refused_in_one_sentence(tmp_path, monkeypatch, command, target):
    if command[0] in ("train", "export", "model") or command[1] in ("pack", "prepare"):
        pytest.importorskip("torch", reason="the extras [train,export] are not installed")
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("precious")
    Path("clip.csv").write_text("1,2,3\n")
    ending = Path(command[-1]).suffix
    if target == "proc" and not Path("/proc/self").exists():
        pytest.skip("no folder here in which nobody can write")
    place = {
        "below": f"taken/there{ending}",
        "proc": f"/proc/there{ending}",
        "folder": f"folder{ending}",
        "file": "taken",
    }[target]
    if target == "folder":
        Path(place).mkdir()
    before = sorted(tmp_path.rglob("*"))
    words = [
        place if str(word).startswith("OUT") else "clip.csv" if word == "CLIP" else word
        for word in command
    ]
    code, out, err = call_stars(*words)
    told = " ".join(err.split())
    assert (code, out) in ((2, ""), (1, "")), told
    assert told.startswith("error: "), told
    assert told.count("error: ") == 1
    assert place in told, told
    assert any(word in told for word in (" name ", "is there already")), told
    assert not any(word in told for word in ("Errno", "Traceback", "unexpected")), told
    assert sorted(tmp_path.rglob("*")) == before
    assert Path("taken").read_text() == "precious"


@pytest.mark.parametrize("place", ["taken/stars.db", "/proc/stars.db", "folder"])
@pytest.mark.parametrize(
    "command", [("fewshot", "add-class", "CLIPS", "--index"), ("fewshot", "copy", "own.db")]
)
def test_an_index_that_cannot_be_made(stars, recordings, place, command):
    Path("taken").write_text("precious")
    Path("folder").mkdir()
    assert stars("fewshot", "add-class", recordings / "wave", "--index", "own.db")[0] == 0
    words = [recordings / "wave" if word == "CLIPS" else word for word in command]
    code, _, err = stars(*words, place)
    told = " ".join(err.split())
    assert code in (1, 2), told
    assert place in told.rpartition("error: ")[2], told
    assert "name " in told.rpartition("error: ")[2], told
    assert not any(word in told for word in ("Errno", "unable to", "Traceback", "unexpected"))


@pytest.mark.skipif(os.name == "nt", reason="no unix sockets here")
@pytest.mark.parametrize("place", ["taken/s", "/proc/s", "folder"])
def test_a_socket_that_cannot_be_made(taught, place):
    Path("taken").write_text("precious")
    Path("folder").mkdir()
    code, _, err = taught("watch", "--unix", place, "--layout", "ntu25")
    told = " ".join(err.split()).rpartition("error: ")[2]
    assert (code in (1, 2), place in told, "name " in told) == (True, True, True), told
    assert "Errno" not in told


def test_what_the_system_refuses_meanwhile_is_told_in_words(tmp_path):
    path = tmp_path / "page.html"
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        with pytest.raises(OSError, match="page.html") as raised, written_beside(path):
            raise OSError(number, os.strerror(number))  # as `write` does, without a name
        assert str(path) in in_words(raised.value)
        assert "Errno" not in in_words(raised.value)
        assert ": " in in_words(raised.value)
    with (
        pytest.raises(OSError, match="nowhere.html") as raised,
        written_beside(tmp_path / "nowhere.html") as beside,
    ):
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(beside))
    assert in_words(raised.value).endswith("is a folder: name a file in it")
    assert in_words(OSError("a sentence of our own")) == "a sentence of our own"
    assert not list(tmp_path.iterdir())


def test_what_can_be_written_is_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (".", "..", "new", "new/below"):
        check_folder(Path(folder), "--out")
    check_output(tmp_path / "a.svg", "--svg", endings=(".svg",))
    check_output(Path(os.devnull), "--out")
    link = tmp_path / "link.svg"
    link.symlink_to(tmp_path / "a.svg")
    check_output(link, "--svg", endings=(".svg",))
    assert [one.name for one in tmp_path.iterdir()] == ["link.svg"]
