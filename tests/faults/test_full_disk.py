"""A full disk: it is named, what was there stays, and all goes on when there is room again."""

import os
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from stars_infer import ExemplarIndex
from stars_infer.atomic import write_text
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.full_disk import reason_of
from tests.conftest import call_stars
from tests.faults import file_kills
from tests.faults.damaged_index import _large_at
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing

FULL = "the disk is full: free some space"


class Disk:
    """A disk of its own, in memory."""

    def __init__(self, path):
        self.path = path
        self._filler = path / "filler"

    def fill(self, *, leave=0):
        """Write until nothing fits, and then give some bytes back."""
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while file.write(bytes(4096)) == 4096:
                pass
        os.truncate(self._filler, max(0, self._filler.stat().st_size - leave))

    def free(self):
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], capture_output=True, check=False
    ) if hasattr(os, "geteuid") and os.geteuid() == 0 else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("mounting a small disk takes root")
    yield Disk(path)
    subprocess.run(["umount", "--lazy", path], check=True)  # whatever is open there still


@pytest.mark.parametrize("leave", [0, 16384])
def test_an_index_cannot_be_made(disk, leave):
    disk.fill(leave=leave)
    with pytest.raises(ExemplarIndexError, match=FULL):
        ExemplarIndex.open(disk.path / "stars.db", SEQUENCES)
    disk.free()
    with ExemplarIndex.open(disk.path / "stars.db", SEQUENCES) as index:
        index.add([new("one", moving(1), "1")])


@pytest.mark.parametrize("leave", [0, 40960])
@pytest.mark.parametrize("opened", ["before", "afterwards"])
def test_an_index_answers_and_keeps_all(disk, leave, opened):
    path = disk.path / "stars.db"
    many = [new("one", moving(1, noise=0.1, seed=seed), f"n{seed}") for seed in range(200)]
    with ExemplarIndex.open(path, SEQUENCES) as index:
        index.add([new("one", moving(1), "1"), new("two", moving(2), "2")])
        if opened == "afterwards":
            index.close()
        disk.fill(leave=leave)
        if opened == "afterwards":
            index = ExemplarIndex.open(path, SEQUENCES)
        assert index.classify([moving(2)])[0].label == "two"
        with pytest.raises(ExemplarIndexError, match=f"{FULL}.*nothing was added"):
            index.add(many)
        with pytest.raises(ExemplarIndexError, match=FULL):
            index.save(disk.path / "copy.db")
        assert not (disk.path / "copy.db").exists()
        assert index.classify([moving(2)])[0].label == "two"
        index.close()
    disk.free()
    with ExemplarIndex.open(path, SEQUENCES) as index:
        assert len(index) == 2
        index.add(many)
        assert len(index) == 202


def test_a_large_index_is_searched_without_its_cache(disk):
    path = disk.path / "stars.db"
    with _large_at(20), ExemplarIndex.open(path, VECTORS) as index:
        index.add([new(f"action {one % 8}", pointing(one), f"{one}") for one in range(60)])
        disk.fill(leave=4096)
        assert index.classify([pointing(3)])[0].label == "action 3"
        disk.free()
        index.prepare()
        assert index.classify([pointing(3)])[0].label == "action 3"


@pytest.mark.parametrize("kind", ["checkpoint", "pack", "export"])
def test_what_is_replaced_stays(disk, kind):
    work = file_kills.WORKS[kind]
    work.write(disk.path, 1)
    before = sorted(file.name for file in disk.path.rglob("*"))
    disk.fill(leave=8192)
    with pytest.raises(Exception, match=r"No space left|os error 28|space"):
        work.write(disk.path, 2)
    disk.free()
    assert work.read(disk.path) == 1
    assert sorted(file.name for file in disk.path.rglob("*")) == before
    work.write(disk.path, 3)
    assert work.read(disk.path) == 3


def test_a_page_that_is_replaced_stays(disk):
    page = disk.path / "page.html"
    write_text(page, "old")
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        write_text(page, "new" * 10_000)
    assert page.read_text(encoding="utf-8") == "old"


def test_a_command_says_so(disk, recordings):
    disk.fill(leave=4096)
    code, _, err = call_stars("embed", recordings / "wave", "--out", disk.path / "v.npz")
    assert (code, "v.npz: the disk is full: free some space" in " ".join(err.split())) == (
        1,
        True,
    ), err
    assert not (disk.path / "v.npz").exists()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY_DBMOVED])
@pytest.mark.parametrize(("free", "names"), [(0, 9), (1 << 30, 0), (1 << 30, 9)])
def test_a_full_disk_shows_in_several_errors(tmp_path, monkeypatch, code, free, names):
    disk = SimpleNamespace(f_blocks=9, f_bavail=free, f_frsize=1, f_files=9, f_favail=names)
    monkeypatch.setattr(os, "statvfs", lambda path: disk, raising=False)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    full = not (free and names)
    assert reason_of(error, tmp_path / "stars.db") == (FULL if full else "disk I/O error")
    assert reason_of(error, None) == "disk I/O error"
    assert reason_of(OSError("other"), Path("x")) == "other"
