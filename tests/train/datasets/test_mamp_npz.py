"""Archives of the public MAMP code."""

import numpy as np
import pytest

from stars_infer.errors import StarsError, UsageError
from stars_infer.train.datasets.ntu.actions import NTU_ACTIONS
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.datasets.pku.actions import PKU_ACTIONS
from tests.conftest import call_stars
from tests.miniature import write_mamp_npz
from tests.train.datasets.test_prepare import prepare


@pytest.mark.parametrize(
    ("dataset", "split"),
    [
        ("ntu60", "xview"),
        ("ntu120", "xsub"),
        ("ntu120", "xset"),
        ("pku1", "xsub"),
        ("pku2", "xsub"),
    ],
)
def test_miniature_becomes_a_pack(tmp_path, dataset, split):
    raw = write_mamp_npz(tmp_path / "mini.npz", dataset=dataset)
    made = prepare(raw.root, tmp_path / "pack", dataset, split=split)
    assert {reason: len(names) for reason, names in made.left_out.items()} == raw.left_out
    assert made.not_found is None
    pack = Pack.open(tmp_path / "pack")
    assert [clip.source for clip in pack.clips] == raw.clips
    assert set(pack.splits) == {split} | (
        {"base", "novel"} if (dataset, split) == ("ntu120", "xsub") else set()
    )
    with np.load(raw.root) as arrays:
        for part in ("train", "test"):
            clips = pack.part(split, part).clips
            labels = arrays[f"y_{part}"].argmax(1)
            names = PKU_ACTIONS if dataset.startswith("pku") else NTU_ACTIONS
            assert [c.label for c in clips] == [names[n] for n in labels[: len(clips)]]
        # Where the one body fills both places, it is kept once.
        assert pack.clips[0].bodies == 1
        assert pack.clips[-1].bodies == (1 if dataset.startswith("pku") else 2)
        rows = arrays["x_test"][0].reshape(300, 2, 25, 3)[: pack.clips[0].frames, 0]
        np.testing.assert_array_equal(pack.joints[: len(rows)], rows - rows[0, 1])


def test_the_split_is_named_by_the_user(tmp_path):
    path = write_mamp_npz(tmp_path / "mini.npz").root
    with pytest.raises(UsageError, match="name it with --split, one of xsub, xview for ntu60$"):
        prepare(path, tmp_path / "pack")
    with pytest.raises(UsageError, match="one of xsub, xset for ntu120, not 'xview'"):
        prepare(path, tmp_path / "pack", "ntu120", split="xview")
    code, out, _ = call_stars(
        "data", "prepare", "ntu60", "--raw", path, "--out", tmp_path / "pack",
        "--split", "xsub", "--quiet",
    )  # fmt: skip
    assert code == 0
    assert "xsub train\t30" in out
    assert "not found" not in out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.pop("y_test"), "not an archive of x_train, y_train, x_test and y_test"),
        (lambda a: a.update(y_test=a["y_test"][:, :51]), "over the 60 classes of ntu60, got"),
        (lambda a: a.update(y_test=a["y_test"][:3]), "30 clips in x_test, but 3 labels in y_test"),
        (lambda a: a.update(x_train=a["x_train"][..., :75]), r"expected x_train of \(N, T, 150\)"),
        (lambda a: a.update(x_test=np.array([{}])), "expected x_test"),
        (lambda a: a.update(y_test=np.array([{}])), "not an archive"),
    ],
)
def test_what_is_no_such_archive(tmp_path, change, says):
    path = write_mamp_npz(tmp_path / "mini.npz").root
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    np.savez_compressed(path, **arrays)
    with pytest.raises(StarsError, match=says):
        prepare(path, tmp_path / "pack", split="xsub")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StarsError, match="not an archive of x_train"):
        prepare(path, tmp_path / "pack", split="xsub")


def test_single_clips_are_left_out(tmp_path):
    path = write_mamp_npz(tmp_path / "mini.npz").root
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["y_test"][0] = 0
    arrays["x_train"][2, :, :72] = np.nan  # all joints of the first body but one
    np.savez_compressed(path, **arrays)
    failures = []
    made = prepare(path, tmp_path / "pack", split="xsub", skip=failures.append)
    assert made.clips == 58
    assert f"{path}:test_000000: its label names 0 classes" in str(failures[0])
    assert f"{path}:train_000002: 24 of 25 joints (" in str(failures[1])


def test_damage_within_an_archive_is_named(tmp_path):
    path = write_mamp_npz(tmp_path / "mini.npz").root
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 255
    path.write_bytes(content)
    failures = []
    made = prepare(path, tmp_path / "pack", split="xsub", skip=failures.append)
    assert made.clips < 60
    assert "cannot be read" in str(failures[0])
