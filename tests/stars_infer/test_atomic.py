import os
import subprocess
import sys
import time

import pytest

from stars_infer.atomic import (
    STALE,
    check_output,
    exchange,
    folder_beside,
    new_beside,
    refuse_inputs,
    sweep,
    write_text,
    written_beside,
)
from stars_infer.errors import UsageError


def test_a_file_appears_when_all_went_well(tmp_path):
    path = tmp_path / "page.html"
    with written_beside(path) as beside:
        assert beside.suffix == ".html"
        beside.write_text("new", encoding="utf-8")
        assert not path.exists()
        with written_beside(path) as other:  # no process can foretell the name
            assert other != beside
            other.write_text("first", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "first"
    assert path.read_text(encoding="utf-8") == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(KeyError), written_beside(path) as beside:
        beside.write_text("half", encoding="utf-8")
        raise KeyError
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.skipif(os.name == "nt", reason="whether a process runs is not asked there")
def test_what_killed_runs_leave_is_swept_and_nothing_else(tmp_path):
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, pathlib, sys; from stars_infer.atomic import written_beside as w\n"
            "with w(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)",
            tmp_path / "page.html",
        ],
        check=False,
    )
    assert killed.returncode == -9
    (left,) = tmp_path.iterdir()
    mine, old = new_beside(tmp_path / "a.npz"), new_beside(tmp_path / "b.npz")
    os.utime(old, (time.time() - 2 * STALE,) * 2)
    others = [tmp_path / name for name in (".stars-x.npz", ".page.1.html", f"x{left.name}")]
    for other in others:
        other.write_text("")
    folder = tmp_path / left.name.replace(".html", ".d")
    folder.mkdir()
    write_text(tmp_path / "page.html", "")  # sweeps
    assert sorted(tmp_path.iterdir()) == sorted([mine, folder, *others, tmp_path / "page.html"])
    assert sweep(tmp_path / "nowhere") == 0


@pytest.mark.skipif(os.name == "nt", reason="no modes and links as here")
@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="folders cannot be exchanged")
def test_folders_trade_places_in_one_step(tmp_path):
    out = tmp_path / "model"
    out.mkdir()
    (out / "old").touch()
    with folder_beside(out) as made:
        (made / "new").touch()
        assert exchange(made, out)
        assert [file.name for file in made.iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert [file.name for file in out.iterdir()] == ["new"]
    assert not exchange(made, out)  # it is gone


def test_folders_of_killed_runs_are_swept(tmp_path):
    code = "import sys; from pathlib import Path; from stars_infer.atomic import folder_beside\n"
    code += "with folder_beside(Path(sys.argv[1])) as made: import os; os._exit(9)"
    subprocess.run([sys.executable, "-c", code, tmp_path / "model"], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with folder_beside(tmp_path / "model") as made:
        assert list(tmp_path.iterdir()) == [made]


def test_mode_and_links_stay(tmp_path):
    path, link = tmp_path / "page.html", tmp_path / "link.html"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    link.symlink_to(path.name)
    write_text(link, "ü")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "ü"
    assert path.stat().st_mode & 0o777 == 0o640
    write_text(tmp_path / "null.html", "")
    device = tmp_path / "device"
    device.symlink_to("/dev/null")
    write_text(device, "goes nowhere")
    assert os.path.samefile(device, "/dev/null")


def test_outputs_are_checked(tmp_path):
    clip = tmp_path / "clip.svg"
    clip.write_text("", encoding="utf-8")
    (tmp_path / "other.svg").hardlink_to(clip)
    (tmp_path / "folder.svg").mkdir()
    check_output(None, "--svg", endings=(".svg",))
    check_output(tmp_path / "NEW.SVG", "--svg", endings=(".svg",), inputs=[clip])
    for name, told in (
        ("clip.npy", "ending .svg or .png"),
        ("folder.svg", "is a folder"),
        ("none/clip.svg", "there is no folder"),
        ("clip.svg", "what the command reads"),
        ("other.svg", "what the command reads"),
    ):
        with pytest.raises(UsageError, match=told):
            check_output(tmp_path / name, "--svg", endings=(".svg", ".png"), inputs=[clip])
    with pytest.raises(UsageError, match="--out .*what the command reads"):
        refuse_inputs(clip, "--out", [tmp_path / "clip.svg#one of many"])
    marked = tmp_path / "clip #2.svg"
    marked.touch()
    for named in ("clip #2.svg", "clip #2.svg#one of many"):
        with pytest.raises(UsageError, match="is what the command reads"):
            refuse_inputs(marked, "--out", [tmp_path / named])
