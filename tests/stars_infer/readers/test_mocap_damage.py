"""Whatever is done to a file of motion capture, it is read, or refused in one clear line."""

import io
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stars_infer.readers.smpl import MODEL
from tests.stars_infer.readers.mocap_files import (
    KINECT,
    amass,
    amc,
    asf,
    c3d_file,
    ctrgcn,
    deeplabcut,
    moving,
    mvnx,
    sleap,
    trc,
    turning,
    z_up,
)
from tests.stars_infer.readers.test_damage import MOCAP, PIECES
from tests.stars_infer.readers.test_files import read_or_refuse

NEEDS = {".c3d": "c3d", ".h5": "h5py", ".mat": "scipy", ".fbx": "scipy", ".glb": "scipy",
         ".gltf": "scipy"}  # fmt: skip


@lru_cache
def content(kind):
    """A small good file."""
    points = moving(frames=4)
    match kind:
        case ".trc":
            return trc(KINECT, points).encode()
        case ".c3d":
            return c3d_file(KINECT, points, units="m", screen="+Y")
        case ".mvnx":
            return mvnx([z_up(moving("xsens23", frames=4))]).encode()
        case ".amc":
            return amc(turning(np.random.default_rng(0), frames=3)).encode()
        case ".h5 sleap":
            return sleap(points[:, None])
        case ".h5 deeplabcut":
            columns = [("DLC", name, axis) for name in KINECT for axis in "xyz"]
            return deeplabcut(columns, points.reshape(4, -1))
        case ".h5 fixed":
            columns = [("DLC", name, axis) for name in KINECT for axis in "xyz"]
            return deeplabcut(columns, points.reshape(4, -1), fixed=True)
        case ".npz amass":
            return amass(np.random.default_rng(0).normal(size=(4, 156)))
        case ".npz ctrgcn":
            return ctrgcn([moving("ntu25", frames=4)[None]], [0], frames=6)
    from tests.stars_infer.readers.scene_files import fbx_of, gltf_of, motion

    match kind:
        case ".glb":
            return gltf_of(motion(frames=4), motion(frames=5)).binary()
        case ".gltf":
            return gltf_of(motion(frames=4)).text()
        case ".fbx binary":
            return fbx_of(motion(frames=4), motion(frames=5)).binary()
        case ".fbx text":
            return fbx_of(motion(frames=4)).text()
        case ".mat":
            from scipy.io import savemat

            written = io.BytesIO()
            names = np.array(KINECT, object)
            savemat(written, {"take": {"xyz": points, "names": names, "fps": 30.0}})
            return written.getvalue()
    raise KeyError(kind)


KINDS = [".trc", ".c3d", ".mvnx", ".amc", ".h5 sleap", ".h5 deeplabcut", ".h5 fixed",
         ".npz amass", ".npz ctrgcn", ".mat", ".glb", ".gltf", ".fbx binary",
         ".fbx text"]  # fmt: skip


def test_every_format_is_here():
    assert {kind.split()[0] for kind in KINDS} == {*MOCAP, ".npz"}


@st.composite
def damage(draw):
    """A change to bytes: some are cut, put in, flipped, or change places, or the end is lost."""
    kind = draw(st.sampled_from(["splice", "flip", "swap", "end"]))
    at, other = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    length, piece = draw(st.sampled_from([0, 1, 2, 8, 200])), draw(PIECES)
    bit = draw(st.integers(0, 7))

    def change(spoilt):
        one, two = sorted((int(at * len(spoilt)), int(other * len(spoilt))))
        if kind == "splice":
            spoilt[one : one + length] = piece
        elif kind == "flip" and one < len(spoilt):
            spoilt[one] ^= 1 << bit
        elif kind == "swap":
            span = min(8, two - one, len(spoilt) - two)
            first, second = spoilt[one : one + span], spoilt[two : two + span]
            spoilt[one : one + span], spoilt[two : two + span] = second, first
        elif kind == "end":
            del spoilt[one:]

    return change


CHANGES = st.lists(damage(), min_size=1, max_size=4)


def spoil(good, changes):
    spoilt = bytearray(good)
    for change in changes:
        change(spoilt)
    return bytes(spoilt)


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.delenv(MODEL, raising=False)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(changes=CHANGES)
def test_no_damage_escapes_the_known_errors(tmp_path_factory, kind, changes):
    ending = kind.split()[0]
    if ending in NEEDS:
        pytest.importorskip(NEEDS[ending], reason="pip install 'stars-infer[mocap]'")
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "c.asf").write_text(asf())
    read_or_refuse(folder, ending, spoil(content(kind), changes))


def read_with_skeleton(folder, skeleton):
    """Read a good motion with a skeleton that may be damaged; the message names either file."""
    (folder / "c.asf").write_bytes(skeleton)
    path = folder / "c.amc"
    path.write_bytes(content(".amc"))
    from stars_infer.errors import StarsError
    from stars_infer.readers.files import read_clips

    try:
        for clip in read_clips(path):
            assert np.isfinite(clip.bodies).all()
    except StarsError as error:
        assert "c.asf" in str(error) or "c.amc" in str(error)
        assert "\n" not in str(error)


@settings(max_examples=100, deadline=None)
@given(changes=CHANGES)
@example(changes=[])
def test_no_damage_to_a_skeleton_escapes_them(tmp_path_factory, changes):
    read_with_skeleton(tmp_path_factory.mktemp("fuzz"), spoil(asf().encode(), changes))


WORDS = st.sampled_from(
    [b"begin", b"end", b":root", b":units", b":bonedata", b":hierarchy", b"nan", b"name", b"length",
     b"dof", b"rx", b"root", b"lfemur", b"1e400", b"0"]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_words_of_a_skeleton_in_other_places(tmp_path_factory, data):
    words = asf().encode().split(b" ")
    for _ in range(data.draw(st.integers(1, 5))):
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(WORDS)
    read_with_skeleton(tmp_path_factory.mktemp("fuzz"), b" ".join(words))


def test_archives_of_empty_arrays_are_refused(tmp_path):
    for poses in (np.zeros((0, 156)), np.zeros((1, 156)), np.zeros((4, 0))):
        read_or_refuse(tmp_path, ".npz", amass(poses))
    written = io.BytesIO()
    np.savez(written, pose_body=np.zeros(()), root_orient=np.zeros(()))
    read_or_refuse(tmp_path, ".npz", written.getvalue())
