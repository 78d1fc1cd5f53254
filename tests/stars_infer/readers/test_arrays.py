"""NumPy arrays and archives."""

import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import read_clip
from stars_infer.layouts import NTU25_JOINTS, get_layout
from stars_infer.readers.arrays import read_npz
from tests.bodies import in_layout
from tests.stars_infer.readers.test_files import read_or_refuse, refusal


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "objects.npy"
    np.save(path, np.array([Bomb()], dtype=object), allow_pickle=True)
    assert "never unpickled" in refusal(path)
    path.write_bytes(pickle.dumps(Bomb()))
    assert "pickled data is never loaded" in refusal(path)
    archive = tmp_path / "objects.npz"
    np.savez(archive, joints=np.array([Bomb()], dtype=object))
    assert "never unpickled" in refusal(archive)


def test_a_clip_does_not_change_with_its_file(tmp_path, waving):
    path = tmp_path / "c.npy"
    np.save(path, waving)
    clip = read_clip(path)
    np.save(path, waving + 1)
    np.testing.assert_array_equal(clip.bodies, waving)


def test_truncated_npy(tmp_path, waving):
    path = tmp_path / "c.npy"
    np.save(path, waving)
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged or cut short" in refusal(path)


def test_npy_header_that_promises_a_terabyte_fails_at_once(tmp_path):
    path = tmp_path / "c.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 32, 25, 3)}
        )
        file.write(b"x" * 100)
    began = time.process_time()
    assert "damaged or cut short" in refusal(path)
    assert time.process_time() - began < 5


def test_damaged_npy_header(tmp_path, waving):
    path = tmp_path / "c.npy"
    np.save(path, waving)
    path.write_bytes(path.read_bytes().replace(b"}", b"{"))
    assert "damaged or cut short" in refusal(path)


def test_npz(tmp_path, waving):
    path = tmp_path / "c.npz"
    np.savez(path, waving)
    np.testing.assert_array_equal(read_clip(path).bodies, waving)
    np.savez(path, joints=waving[:, :, :20], layout="kinect20", fps=15.0)
    clip = read_clip(path)
    assert (clip.layout, clip.fps, clip.bodies.shape[2]) == ("kinect20", 15, 20)
    np.savez(path, joints=waving, fps="fast")
    assert "fps in the file is not a number" in refusal(path)
    for rates in (np.ones(3), np.ones(0)):
        np.savez(path, joints=waving, fps=rates)
        assert "fps in the file is not a number" in refusal(path)
    np.savez(path, joints=waving, layout="squid8")
    assert "in the file: there is no layout 'squid8'" in refusal(path)
    np.savez(path, a=waving, b=waving)
    assert "expected an array 'joints', found ['a', 'b']" in refusal(path)
    path.write_bytes(path.read_bytes()[:200])
    assert "not a readable .npz" in refusal(path)


@pytest.mark.parametrize("ending", [".npy", ".npz"])
@pytest.mark.parametrize("extra", [{}, {"joint_names": NTU25_JOINTS}, {"confidence": np.ones(3)}])
@pytest.mark.parametrize("shape", [(), (25,), (40, 25), (2, 2, 40, 25, 3), (0,)])
def test_arrays_of_other_dimensions_are_one_error(tmp_path, ending, extra, shape):
    path = tmp_path / f"c{ending}"
    if ending == ".npy":
        np.save(path, np.ones(shape))
    else:
        np.savez(path, joints=np.ones(shape), **extra)
    assert str(shape) in refusal(path)
    assert str(shape) in refusal(path, layout="ntu25")


ORDERS = ["TVC", "MTVC", "CTVM", "TMVC", "VTC", "TVMC", "VMTC", "CVT"]


@pytest.mark.parametrize("order", [*ORDERS, "rows", "rows of joints"])
@pytest.mark.parametrize("named", ["ntu25", "mediapipe33", "nothing known"])
def test_named_joints_and_confidence_may_have_their_axes_in_any_order(
    tmp_path, waving, order, named
):
    layout = get_layout("ntu25" if named == "nothing known" else named)
    bodies = waving if layout.name == "ntu25" else in_layout(waving, layout.name)
    names = [f"p{number}" for number in range(25)] if named == "nothing known" else layout.joints
    count = 2 if "M" in order else 1
    bodies = np.concatenate([bodies, bodies + [1, 0, 0]])[:count]
    confidence = np.random.default_rng(0).uniform(0.6, 1, bodies.shape[:3])
    path, extra = tmp_path / "c.npz", {"joint_names": names, "confidence": confidence}
    np.savez(path, joints=bodies, **extra)
    (wanted,) = read_npz(path)
    assert not wanted.notes
    if order == "rows":
        array = bodies[0].reshape(bodies.shape[1], -1)
    elif order == "rows of joints":
        array = bodies[0].reshape(-1, 3)
    else:
        whole = bodies if "M" in order else bodies[0]
        axes = "MTVC" if "M" in order else "TVC"
        array = np.transpose(whole, [axes.index(axis) for axis in order])
        if "M" in order:
            extra["confidence"] = np.transpose(
                confidence, ["MTV".index(axis) for axis in order.replace("C", "")]
            )
    np.savez(path, joints=array, **extra)
    (found,) = read_npz(path)
    np.testing.assert_allclose(found.joints, wanted.joints)
    np.testing.assert_allclose(found.confidence, wanted.confidence)
    assert found.joint_names == wanted.joint_names
    assert bool(found.notes) == (order not in ("TVC", "MTVC", "CTVM"))


def test_joints_that_the_names_do_not_fit_are_refused(tmp_path, waving):
    path = tmp_path / "c.npz"
    for names in (NTU25_JOINTS[:20], [], np.array("one"), [NTU25_JOINTS]):
        np.savez(path, joints=waving, joint_names=names)
        assert "c.npz" in refusal(path)
    for confidence in (np.array(1.0), np.ones(0), np.ones((2, 7))):
        np.savez(path, joints=waving, confidence=confidence)
        assert "c.npz" in refusal(path)


def test_twenty_joints_need_their_layout_named(tmp_path, waving):
    path = tmp_path / "c.npy"
    np.save(path, waving[0, :, :20])
    assert "pass --layout kinect20" in refusal(path)
    assert read_clip(path, layout="kinect20").layout == "kinect20"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_to_an_array_file_escapes_the_known_errors(tmp_path_factory, data):
    ending = data.draw(st.sampled_from([".npy", ".npz"]))
    path = tmp_path_factory.mktemp("good") / f"c{ending}"
    joints = np.random.default_rng(0).normal(size=(4, 25, 3)).astype(np.float32)
    if ending == ".npy":
        np.save(path, joints)
    else:
        np.savez(path, joints=joints)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, 300)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    read_or_refuse(tmp_path_factory.mktemp("fuzz"), ending, bytes(content))
