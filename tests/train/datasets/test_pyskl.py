"""PYSKL pickles, and the unpickler that runs nothing."""

import pickle

import numpy as np
import pytest

from stars_infer.errors import StarsError, UsageError
from stars_infer.readers.restricted_pickle import PickledArray, load_plain
from stars_infer.train.datasets.pack import Pack
from tests.miniature import write_pyskl
from tests.train.datasets.test_prepare import content, prepare


@pytest.mark.parametrize("dataset", ["ntu60", "ntu120"])
def test_miniature_becomes_a_pack(tmp_path, dataset):
    raw = write_pyskl(tmp_path / "anno.pkl", dataset=dataset)
    made = prepare(raw.root, tmp_path / "pack", dataset)
    assert {reason: len(names) for reason, names in made.left_out.items()} == raw.left_out
    pack = Pack.open(tmp_path / "pack")
    assert [clip.source for clip in pack.clips] == raw.clips
    splits = {"ntu60": {"xsub", "xview"}, "ntu120": {"xsub", "xset", "base", "novel"}}
    assert set(pack.splits) == splits[dataset]
    written = pickle.loads(raw.root.read_bytes())
    for split in ("xsub_train", "xsub_val"):
        part = pack.part("xsub", "train" if "train" in split else "test")
        assert {clip.source for clip in part.clips} == set(written["split"][split])
    keypoint = written["annotations"][0]["keypoint"].astype(np.float32)
    clip = next(c for c in pack.clips if c.source == written["annotations"][0]["frame_dir"])
    assert (clip.label, clip.subject) == ("clapping", "P001")
    got = pack.joints[clip.start : clip.start + clip.frames]
    np.testing.assert_array_equal(got, keypoint[0] - keypoint[0, 0, 1])


def altered(tmp_path, change):
    """A miniature pickle with something changed."""
    path = write_pyskl(tmp_path / "anno.pkl").root
    content = pickle.loads(path.read_bytes())
    change(content)
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("split"), "no PYSKL annotations"),
        (lambda c: c["annotations"][3].pop("label"), "annotation 3 has no frame_dir, label and"),
        (lambda c: c["annotations"][3].update(label=-1), "annotation 3: expected a frame_dir"),
        (lambda c: c["annotations"][3].update(keypoint=[1.0]), "annotation 3: the keypoint is no"),
        (lambda c: c["annotations"][3].update(label=60), "is of class 61, but ntu60 has 60"),
        (lambda c: c["split"].update(everything=[]), "a list 'everything', expected one such as"),
    ],
)
def test_what_is_no_pyskl_file(tmp_path, change, says):
    with pytest.raises(StarsError, match=says):
        prepare(altered(tmp_path, change), tmp_path / "pack")


def test_single_annotations_are_left_out(tmp_path):
    def change(content):
        one, two = content["annotations"][2:4]
        one["keypoint"] = one["keypoint"][:, :, :17]
        two["keypoint"] = two["keypoint"][:, :1]
        content["annotations"].append(content["annotations"][0])

    failures = []
    path = altered(tmp_path, change)
    made = prepare(path, tmp_path / "pack", skip=failures.append)
    assert made.clips == 88
    assert len(made.left_out["found twice"]) == 1
    told = sorted(map(str, failures))
    assert f"{path}:S002C001P002R001A010: 1 frame(s)" in told[0]
    assert f"{path}:S002C003P001R001A010: expected keypoints (1 or 2, T, 25, 3)" in told[1]


def test_pyskl_knows_ntu_only(tmp_path):
    path = write_pyskl(tmp_path / "anno.pkl").root
    with pytest.raises(UsageError, match=r"PYSKL has no pku1"):
        prepare(path, tmp_path / "pack", "pku1")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol_are_read(tmp_path, protocol):
    arrays = [
        np.arange(24, dtype=kind).reshape(2, 3, 4) for kind in ("<f2", "<f4", ">f8", "i8", "u1")
    ] + [np.asfortranarray(np.random.default_rng(0).normal(size=(3, 5))), np.ones((1, 3)) > 0]
    path = tmp_path / "x.pkl"
    plain = {"a": [1, 2.5, None, True, "ä"], "b": (b"x", [3]), "n": np.int64(7), "x": np.float32(2)}
    path.write_bytes(pickle.dumps({**plain, "arrays": arrays}, protocol=protocol))
    got = load_plain(path)
    for made, expected in zip(got.pop("arrays"), arrays, strict=True):
        np.testing.assert_array_equal(made.array(), expected)
        assert made.array().dtype == expected.dtype
    assert got == plain


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_nothing_else_is_run(tmp_path):
    import os

    path, proof = tmp_path / "evil.pkl", tmp_path / "proof"
    evils = {
        "posix.system": Call(os.system, f"touch {proof}"),
        "builtins.eval": Call(eval, f"open({str(proof)!r}, 'w')"),
        "numpy.load": Call(np.load, str(path)),
        "pathlib.": tmp_path,
    }
    for name, evil in evils.items():
        path.write_bytes(pickle.dumps({"split": {}, "annotations": [evil]}))
        with pytest.raises(StarsError, match=f"asks for {name}.* was not run: do not trust") as no:
            prepare(path, tmp_path / "pack")
        assert str(path) in str(no.value)
    assert not proof.exists()
    assert not (tmp_path / "pack").exists() or not content(tmp_path / "pack")


def test_arrays_that_lie_are_refused(tmp_path):
    path = tmp_path / "x.pkl"
    good = pickle.dumps(np.zeros(64, np.float64), protocol=2)
    for spoilt in (
        good[:-20],
        good.replace(b"K@\x85", b"K\xff\x85"),
        good.replace(b"f8", b"O8"),
        pickle.dumps(np.array([{}], dtype=object), protocol=2),
        pickle.dumps(np.array(["text"])),
        b"cnumpy\nndarray\n(lp0\nI1\natb.",
        b"cnumpy\nndarray\n}(S'__doc__'\nS'x'\nub.",
        b"cnumpy\ndtype\n(S'f4'\ntR}(S'name'\nS'O'\nub.",
        b"c_codecs\nencode\n(S'x'\nS'zlib'\ntR.",
        b"cnumpy.core.numeric\n_frombuffer\n(I100000000000\ncnumpy\ndtype\n(S'f4'\ntR(I1\ntS'C'\ntR.",
        b"",
        b"no pickle at all",
    ):
        path.write_bytes(spoilt)
        with pytest.raises(StarsError, match=r"x\.pkl: not a readable pickle"):
            load_plain(path)
    path.write_bytes(b"S'elsewhere'\nQ.")
    with pytest.raises(StarsError, match="refers to an object outside"):
        load_plain(path)
    assert PickledArray().__slots__  # nothing can be attached to it
