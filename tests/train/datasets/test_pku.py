"""PKU-MMD: recordings cut into labeled clips, official lists."""

import shutil

import numpy as np
import pytest

from stars_infer.errors import StarsError
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.datasets.pku.actions import PKU_ACTIONS
from tests.miniature import PKU, write_pku
from tests.train.datasets.test_prepare import prepare


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pku")
    return {part: write_pku(folder / f"v{part}", part=part) for part in (1, 2)}


@pytest.fixture
def raw(parts, tmp_path):
    """A copy of part I to spoil."""
    return shutil.copytree(parts[1].root, tmp_path / "raw")


@pytest.mark.parametrize("part", [1, 2])
def test_miniature_becomes_a_pack(parts, part, tmp_path):
    raw = parts[part]
    # Both parts may lie in one folder.
    made = prepare(raw.root.parent, tmp_path / "pack", f"pku{part}")
    assert {reason: len(names) for reason, names in made.left_out.items()} == raw.left_out
    assert made.not_found == 1
    pack = Pack.open(tmp_path / "pack")
    assert [clip.source for clip in pack.clips] == raw.clips
    assert {clip.label for clip in pack.clips} == {PKU_ACTIONS[n - 1] for n in PKU}
    for split in ("xsub", "xview"):
        train = {clip.source.split("_")[0] for clip in pack.part(split, "train").clips}
        test = {clip.source.split("_")[0] for clip in pack.part(split, "test").clips}
        assert not train & test
        assert len(train | test) == 18
    assert all("-L" in clip.source for clip in pack.part("xview", "test").clips)
    broken = pack.facts["left_out"]["broken interval"]
    assert "frames 90 to 80 of" in broken[0]
    for clip in pack.clips:
        assert clip.bodies == (2 if clip.label == "handshaking" else 1)
        np.testing.assert_allclose(pack.joints[clip.start][1], 0, atol=1e-5)


def test_an_interval_is_the_frames_of_the_file(raw, tmp_path):
    prepare(raw, tmp_path / "pack", "pku1")
    pack = Pack.open(tmp_path / "pack")
    clip = next(clip for clip in pack.clips if clip.label == "handshaking")
    recording, number = clip.source.split("_")
    label = (raw / f"Train_Label_PKU_final/{recording}.txt").read_text().splitlines()[int(number)]
    _, start, end, _ = map(int, label.split(","))
    rows = np.loadtxt(raw / f"PKU_Skeleton_Renew/{recording}.txt")[start:end]
    bodies = np.moveaxis(rows.reshape(-1, 2, 25, 3), 1, 0)
    got = pack.joints[clip.start : clip.start + 2 * clip.frames].reshape(2, -1, 25, 3)
    np.testing.assert_allclose(got, bodies - bodies[0, 0, 1], atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: p.write_text(""), "the file is empty: unpack it again"),
        (lambda p: p.write_text("1 2 x\n"), "no rows of 150 numbers"),
        (lambda p: p.write_text("1 2 3\n"), "expected rows of 150 values, found 3"),
    ],
)
def test_unreadable_recordings_are_named(raw, tmp_path, spoil, says):
    spoil(raw / "PKU_Skeleton_Renew/0002-M.txt")
    failures = []
    made = prepare(raw, tmp_path / "pack", "pku1", skip=failures.append)
    assert made.clips == 85
    (error,) = failures
    assert str(error).startswith(str(raw / "PKU_Skeleton_Renew/0002-M.txt") + ": ")
    assert says in str(error)


def test_unreadable_labels_are_named(raw, tmp_path):
    labels = raw / "Train_Label_PKU_final"
    (labels / "0002-M.txt").write_text("\n6,one,two,1\n")
    (labels / "0003-M.txt").unlink()
    failures = []
    made = prepare(raw, tmp_path / "pack", "pku1", skip=failures.append)
    assert "0002-M.txt: line 2: expected class,start,end,confidence" in str(failures[0])
    assert made.left_out["no label file"] == ["PKU_Skeleton_Renew/0003-M.txt"]
    assert made.clips == 80


def test_what_is_missing_is_named_with_its_place(raw, tmp_path):
    out = tmp_path / "pack"
    split = raw / "Split/cross-view.txt"
    split.rename(raw / "cross_view.txt")  # as some copies spell it
    assert prepare(raw, out, "pku1").clips == 90
    shutil.copy(raw / "cross_view.txt", split)
    with pytest.raises(StarsError, match=r"once; it is in .*cross-view.txt and .*cross_view.txt"):
        prepare(raw, out, "pku1", force=True)
    split.write_text("Training videos:\n0001-L, 0001-M\n")
    (raw / "cross_view.txt").unlink()
    with pytest.raises(StarsError, match=r"cross-view.txt: lists no recording to test"):
        prepare(raw, out, "pku1", force=True)
    split.unlink()
    with pytest.raises(StarsError, match="xview of pku1 is listed in cross-view.txt.*not there"):
        prepare(raw, out, "pku1", force=True)
    with pytest.raises(StarsError, match=r"no labels of pku2 here; expected .*A01N01-L.txt"):
        prepare(raw, out, "pku2")
    shutil.rmtree(raw / "PKU_Skeleton_Renew")
    with pytest.raises(StarsError, match=r"no skeletons of pku1 here; expected .*0002-L.txt"):
        prepare(raw, out, "pku1", force=True)


def test_actions():
    assert len(set(PKU_ACTIONS)) == 51
