"""`stars data prepare`: official NTU files, resumption, and what is refused."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from stars_infer.errors import StarsError, UsageError
from stars_infer.synthetic.files import skeleton_text
from stars_infer.train.datasets.journal import JournaledPack
from stars_infer.train.datasets.ntu.actions import NTU_ACTIONS
from stars_infer.train.datasets.ntu.missing import missing_skeletons
from stars_infer.train.datasets.ntu.names import NTU_SETS, SampleName
from stars_infer.train.datasets.ntu.splits import XSUB_TRAIN
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.datasets.prepare import prepare_dataset
from tests.conftest import call_stars
from tests.miniature import BASE, NOVEL, PERFORMERS, write_ntu


@pytest.fixture(scope="module")
def ntu60(tmp_path_factory):
    return write_ntu(tmp_path_factory.mktemp("ntu60") / "raw")


@pytest.fixture(scope="module")
def packed(ntu60, tmp_path_factory):
    """The miniature's pack, made in this process in one go: (folder, failures)."""
    out = tmp_path_factory.mktemp("packed") / "ntu60"
    failures = []
    prepare(ntu60.root, out, skip=failures.append)
    return out, failures


@pytest.fixture
def few(ntu60, tmp_path):
    """A folder with a dozen of the miniature's files."""
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ntu60.clips[::9] + ["S001C001P008R001A023"]:
        shutil.copy(ntu60.root / f"{name}.skeleton", folder)
    return folder


def prepare(raw, out, dataset="ntu60", **options):
    options = {"workers": 1, "skip": lambda error: None, "watch": lambda *_: None} | options
    return prepare_dataset(dataset, raw=raw, out=out, **options)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_facts_of_the_sets():
    assert len(missing_skeletons()) == 535
    of_60 = [n for n in missing_skeletons() if SampleName.parse(n) in NTU_SETS["ntu60"]]
    assert len(of_60) == 302
    assert all(SampleName.parse(name) for name in missing_skeletons())
    assert len(XSUB_TRAIN) == 53
    assert sum(performer <= 40 for performer in XSUB_TRAIN) == 20
    assert len(set(NTU_ACTIONS)) == 120
    assert NTU_ACTIONS[57] == "handshaking"
    assert NTU_ACTIONS[60] == "put on headphone"


@pytest.mark.parametrize(
    "name",
    ["S001C001P001R001A001.skeleton", "S033C001P001R001A001", "S001C004P001R001A001"]
    + ["S001C001P107R001A001", "S001C001P001R003A001", "S001C001P001R001A121", "clip"],
)
def test_what_is_no_sample_name(name):
    assert SampleName.parse(name) is None


def test_miniature_ntu60_becomes_a_pack(ntu60, packed):
    out, failures = packed
    pack = Pack.open(out)
    assert [clip.source for clip in pack.clips] == ntu60.clips
    assert pack.facts["dataset"] == "ntu60"
    left_out = pack.facts["left_out"]
    assert {reason: len(names) for reason, names in left_out.items()} == ntu60.left_out
    assert left_out["of another set"] == ["S019C001P046R001A075.skeleton"]
    assert left_out["cannot be used"][0].startswith("S001C001P008R001A023.skeleton: cut short")
    assert pack.facts["not_found"] == 56_880 - len(ntu60.clips) - 4
    assert len(failures) == 1
    assert str(ntu60.root / "S001C001P008R001A023.skeleton") in str(failures[0])
    for clip in pack.clips:
        name = SampleName.parse(clip.source)
        assert clip.label == NTU_ACTIONS[name.action - 1]
        assert clip.subject == f"P{name.performer:03}"
        assert clip.bodies == (2 if name.action == 58 else 1)
        assert 25 <= clip.frames <= 60
        first = pack.joints[clip.start]
        np.testing.assert_allclose(first[1], 0, atol=1e-6)


def test_splits_are_the_official_ones(packed, tmp_path):
    pack = Pack.open(packed[0])
    assert set(pack.splits) == {"xsub", "xview"}
    for split, field, trained in (("xsub", "performer", {1, 2, 4}), ("xview", "camera", {2, 3})):
        for part in ("train", "test"):
            clips = pack.part(split, part).clips
            got = {getattr(SampleName.parse(clip.source), field) for clip in clips}
            assert got == (trained if part == "train" else ({3, 6, 7} if split == "xsub" else {1}))
            for action in BASE:
                label = NTU_ACTIONS[action - 1]
                assert sum(clip.label == label for clip in clips) >= 6
    raw = write_ntu(tmp_path / "raw", dataset="ntu120")
    made = prepare(raw.root, tmp_path / "pack", "ntu120")
    assert {reason: len(names) for reason, names in made.left_out.items()} == raw.left_out
    assert made.not_found == 114_480 - len(raw.clips) - 5
    pack = Pack.open(tmp_path / "pack")
    assert set(pack.splits) == {"xsub", "xset", "base", "novel"}
    assert {SampleName.parse(clip.source).setup for clip in pack.part("xset", "train").clips} == {
        2,
        18,
    }
    for name, classes in (("base", BASE), ("novel", NOVEL)):
        for part, performers in (
            ("train", PERFORMERS[name][:3]),
            ("test", PERFORMERS[name][3:]),
        ):
            names = [SampleName.parse(clip.source) for clip in pack.part(name, part).clips]
            assert {sample.action for sample in names} == set(classes)
            assert {sample.performer for sample in names} == set(performers)
    halves = {*pack.splits["base"]["train"], *pack.splits["novel"]["train"]}
    assert halves == set(pack.splits["xsub"]["train"])


def test_true_files_give_the_golden_numbers(shared, tmp_path):
    made = prepare(shared / "data/ntu-samples", tmp_path / "pack")
    golden = np.load(shared / "golden/ntu_prepared.npz")
    pack = Pack.open(tmp_path / "pack")
    assert [clip.source for clip in pack.clips] == sorted(golden.files)
    for clip in pack.clips:
        rows = pack.joints[clip.start : clip.start + clip.bodies * clip.frames]
        actors = rows.reshape(clip.bodies, clip.frames, 25, 3)
        expected = np.moveaxis(golden[clip.source], 1, 0)
        np.testing.assert_array_equal(actors, expected)
    tested = {clip.source for clip in pack.part("xsub", "test").clips}
    assert tested == {name for name in golden.files if int(name[9:12]) in (3, 20)}
    tested = {clip.source for clip in pack.part("xview", "test").clips}
    assert tested == {name for name in golden.files if "C001" in name}
    assert made.not_found == 56_880 - 8


def test_at_most_300_frames_and_no_file_twice(tmp_path, waving):
    raw = tmp_path / "raw"
    (raw / "again").mkdir(parents=True)
    long = np.concatenate([waving] * 6, axis=1)[:, :400]
    late = np.zeros_like(long)
    late[:, 310:] = long[:, 310:] + np.float32(1)
    text = skeleton_text(np.concatenate([long, late]))
    (raw / "S001C001P001R001A023.skeleton").write_text(text)
    (raw / "again/S001C001P001R001A023.SKELETON").write_text(text)
    made = prepare(raw, tmp_path / "pack")
    assert made.left_out == {"found twice": ["again/S001C001P001R001A023.SKELETON"]}
    (clip,) = Pack.open(tmp_path / "pack").clips
    assert (clip.frames, clip.bodies) == (300, 1)


def test_any_number_of_workers_gives_the_same_pack(ntu60, packed, tmp_path):
    failures, seen = [], []
    prepare(
        ntu60.root, tmp_path / "pack", workers=2, skip=failures.append,
        watch=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert content(tmp_path / "pack") == content(packed[0])
    assert [str(error) for error in failures] == [str(error) for error in packed[1]]
    assert seen == [(done, 92) for done in range(93)]


def size_of(file):
    """Bytes; -1 where there is none, perhaps because it was finished just now."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(ntu60, packed, tmp_path):
    out = tmp_path / "pack"
    journal = out / "unfinished.jsonl"
    command = [sys.executable, "-m", "stars_infer", "data", "prepare", "ntu60", "--quiet"]
    command += ["--raw", ntu60.root, "--out", out, "--workers"]
    chance = random.Random(0)
    killed = 0
    for workers in ("1", "2", "1", "2", "1"):
        wanted = journal.stat().st_size if journal.exists() else 0
        wanted += chance.randrange(200, 4000)
        run = subprocess.Popen(
            [*command, workers], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while run.poll() is None and size_of(journal) <= wanted:
            time.sleep(0.0005)
        if run.poll() is None:
            os.kill(run.pid, signal.SIGKILL)
            killed += 1
        run.wait()
        if not journal.exists():  # it was done before it could be killed
            shutil.rmtree(out)
        elif killed >= 2:
            break
    assert killed
    begun = journal.exists()
    assert (prepare(ntu60.root, out).resumed > 0) == begun
    assert content(out) == content(packed[0])


@pytest.fixture
def torn(few, tmp_path, monkeypatch):
    """A pack of which everything but the end was done, and the bytes it should become."""
    prepare(few, tmp_path / "whole")
    folder = tmp_path / "torn"
    with monkeypatch.context() as patch:

        def kill(*_):
            raise KeyboardInterrupt

        patch.setattr(JournaledPack, "finish", kill)
        with pytest.raises(KeyboardInterrupt):
            prepare(few, folder)
    return folder, content(tmp_path / "whole")


def test_torn_tails_are_cut(torn, few, tmp_path):
    folder, whole = torn
    journal = (folder / "unfinished.jsonl").read_bytes()
    assert journal.count(b"\n") == 12
    for end in (0, 10, journal.index(b"\n") + 1, *range(150, len(journal), 377), len(journal)):
        again = tmp_path / f"cut{end}"
        shutil.copytree(folder, again)
        (again / "unfinished.jsonl").write_bytes(journal[:end])
        failures = []
        made = prepare(few, again, skip=failures.append)
        assert made.resumed == max(0, journal[:end].count(b"\n") - 1)
        assert content(again) == whole
        assert len(failures) == 1
    short = tmp_path / "short"
    shutil.copytree(folder, short)
    (short / "joints.f32").write_bytes((folder / "joints.f32").read_bytes()[:-1])
    with pytest.raises(StarsError, match="fewer than unfinished.jsonl vouches for: --force"):
        prepare(few, short)
    (short / "unfinished.jsonl").write_bytes(journal.replace(b'"unit"', b'"spam"'))
    with pytest.raises(StarsError, match=r"unfinished.jsonl: damaged .*--force"):
        prepare(few, short)
    prepare(few, short, force=True)
    assert content(short) == whole


def test_what_changed_since_is_refused_by_name(torn, few):
    folder, whole = torn
    with pytest.raises(StarsError, match="this pack is not finished: run `stars data prepare`"):
        Pack.open(folder)
    with pytest.raises(UsageError, match="beginning of ntu60 official, not of ntu120 official"):
        prepare(few, folder, "ntu120")
    names = sorted(few.glob("*.skeleton"))
    grown = names[3].read_bytes()
    names[3].write_bytes(grown + b"\n")
    with pytest.raises(UsageError, match=rf"changed since.* {names[3].stem} \({len(grown)} bytes"):
        prepare(few, folder)
    names[3].write_bytes(grown)
    last = names[-1].read_bytes()
    names[-1].unlink()
    with pytest.raises(UsageError, match=rf"where {names[-1].stem} .* now is nothing"):
        prepare(few, folder)
    names[-1].write_bytes(last)
    prepare(few, folder)
    assert content(folder) == whole


def test_a_finished_pack_is_not_made_again_unasked(few, tmp_path):
    prepare(few, tmp_path / "pack")
    before = content(tmp_path / "pack")
    (tmp_path / "pack/unfinished.jsonl").write_text("killed between the last two steps\n")
    with pytest.raises(UsageError, match="finished pack here: --force starts anew, another --out"):
        prepare(few, tmp_path / "pack")
    assert content(tmp_path / "pack") == before
    next(few.iterdir()).unlink()
    assert prepare(few, tmp_path / "pack", force=True).clips == 9
    assert content(tmp_path / "pack") != before


def test_two_processes_do_not_make_one_pack(few, tmp_path):
    run = {"dataset": "ntu60", "kind": "official", "split": None}
    pack = tmp_path / "pack"
    locked = pytest.raises(UsageError, match="another process is making this pack")
    with JournaledPack(pack, run=run, units=()), locked:
        prepare(few, pack, force=True)
    assert prepare(few, pack).clips == 10


def test_what_cannot_be_prepared(few, tmp_path):
    out = tmp_path / "pack"
    for arguments, says in (
        ((tmp_path / "missing", out), "no such file or folder"),
        ((few, out, "ntu61"), "unknown data set 'ntu61'; known: ntu60, ntu120, pku1, pku2"),
        ((few / next(few.iterdir()).name, out), "expected the folder of the official files"),
        ((few, next(few.iterdir())), "is a file; --out names the folder"),
    ):
        with pytest.raises(UsageError, match=says):
            prepare(*arguments)
    with pytest.raises(UsageError, match="--split is for an .npz only"):
        prepare(few, out, split="xsub")
    with pytest.raises(UsageError, match="--workers must be at least 1, got 0"):
        prepare(few, out, workers=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StarsError, match="no .skeleton file in this folder; --raw is where"):
        prepare(tmp_path / "empty", out)
    (tmp_path / "empty/S001C001P001R001A001.skeleton").write_text("2\n0\n0\n")
    with pytest.raises(StarsError, match=r"nothing of ntu60 here can be packed \(1 no body\)"):
        prepare(tmp_path / "empty", out)
    assert content(out) == {}


def test_a_file_that_goes_away_is_named(few, tmp_path):
    gone = few / "S001C001P001R001A027.skeleton"
    gone.symlink_to(tmp_path)  # a folder: listed, but not to be read
    failures = []
    made = prepare(few, tmp_path / "pack", skip=failures.append)
    assert f"{gone}: is a directory, not a clip: name the files in it" in map(str, failures)
    assert len(made.left_out["cannot be used"]) == 2


def test_command(few, tmp_path):
    arguments = ["data", "prepare", "ntu60", "--raw", few, "--workers", "1", "--out"]
    code, out, err = call_stars(*arguments, tmp_path / "a", "--json")
    assert code == 1
    told = json.loads(out)
    assert (told["dataset"], told["clips"], told["labels"]) == ("ntu60", 10, 5)
    assert told["splits"]["xview"]["test"] + told["splits"]["xview"]["train"] == 10
    assert told["left_out"] == {"cannot be used": 1}
    assert told["not_found"] == 56_880 - 11
    assert "cut short" in json.loads(err)["error"]
    (few / "S001C001P008R001A023.skeleton").unlink()
    code, out, err = call_stars(*arguments, tmp_path / "b", "--quiet")
    assert (code, err) == (0, "")
    assert ["xsub train", "6"] in [line.split("\t") for line in out.splitlines()]
    code, out, err = call_stars(*arguments, tmp_path / "c")
    assert code == 0
    assert "official, not found" in out
    code, out, err = call_stars(*arguments, tmp_path / "c")
    assert (code, "finished pack here" in err) == (2, True)
