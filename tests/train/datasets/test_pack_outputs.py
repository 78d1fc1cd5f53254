"""A pack that is there is not lost by a command that makes another."""

import json
import re

import pytest

from stars_infer.errors import StarsError, UsageError
from stars_infer.train.datasets.journal import JournaledPack
from stars_infer.train.datasets.pack import Pack
from tests.conftest import call_stars


@pytest.fixture
def pack(recordings, tmp_path):
    folder = tmp_path / "pack"
    assert call_stars("data", "pack", recordings / "wave", "--out", folder)[0] == 0
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_pack_is_replaced_when_asked_and_done(pack, recordings, tmp_path):
    before = contents(pack)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/cut.skeleton").write_text("90\n1\n", encoding="utf-8")
    for source, force in (
        (recordings / "squat", ()),
        (tmp_path / "typo", ()),
        (tmp_path / "typo", ("--force",)),
        (tmp_path / "empty", ("--force",)),
        (tmp_path / "bad", ("--force",)),
    ):
        code, _, err = call_stars("data", "pack", source, "--out", pack, *force)
        assert code in (1, 2), err
        assert contents(pack) == before
    assert call_stars("data", "pack", recordings / "squat", "--out", pack, "--force")[0] == 0
    assert {clip.label for clip in Pack.open(pack).clips} == {"squat"}
    (joints, _) = sorted(contents(pack))  # another file, so that a kill leaves the old pack whole
    assert re.fullmatch(r"joints-[0-9a-f]{16}\.f32", joints)
    assert call_stars("data", "pack", recordings / "wave", "--out", pack, "--force")[0] == 0
    assert {clip.label for clip in Pack.open(pack).clips} == {"wave"}
    assert joints not in contents(pack)
    assert len(contents(pack)) == 2


@pytest.mark.parametrize("name", ["../joints.f32", "joints-0.f32", 3, None])
def test_a_pack_names_no_file_elsewhere(pack, name):
    facts = json.loads((pack / "pack.json").read_text(encoding="utf-8"))
    (pack / "pack.json").write_text(json.dumps({**facts, "joints": name}), encoding="utf-8")
    with pytest.raises(StarsError, match="names a file of joints that is none"):
        Pack.open(pack)


def test_a_file_is_no_folder_of_a_pack(recordings, tmp_path):
    path = tmp_path / "mocap.npz"
    path.write_text("precious", encoding="utf-8")
    code, _, err = call_stars("data", "pack", recordings / "wave", "--out", path)
    assert (code, "is a file; name a folder" in " ".join(err.split())) == (2, True)
    assert path.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["unfinished.jsonl", "joints.f32"])
def test_the_beginning_of_a_pack_is_left(recordings, tmp_path, name):
    (tmp_path / name).write_text("begun", encoding="utf-8")
    code, _, err = call_stars("data", "pack", recordings / "wave", "--out", tmp_path)
    assert (code, "beginning of one" in " ".join(err.split())) == (2, True)
    assert contents(tmp_path) == {name: b"begun"}


def test_prepare_leaves_joints_that_it_did_not_begin(tmp_path):
    (tmp_path / "joints.f32").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match="of no pack that was begun: --force"):
        JournaledPack(tmp_path, run={}, units=[])
    assert contents(tmp_path) == {"joints.f32": b"precious"}
