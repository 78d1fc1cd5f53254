import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import read_clip
from stars_infer.errors import ClipError, StarsError
from stars_infer.synthetic.files import skeleton_text

BODY = 27  # lines of a body: its values, the joint count, 25 joints


def write(path, lines, end="\n"):
    path.write_bytes(end.join(lines).encode() + end.encode())
    return path


def refusal(path, **options):
    with pytest.raises(ClipError) as caught:
        read_clip(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_skeleton_keeps_what_was_written(tmp_path, waving, skeleton_lines, end):
    clip = read_clip(write(tmp_path / "c.skeleton", skeleton_lines, end))
    np.testing.assert_allclose(clip.bodies, waving, atol=1e-6)
    assert clip.layout == "ntu25"
    assert clip.fps == 30


def test_skeleton_with_bodies_that_come_and_go(tmp_path):
    bodies = np.random.default_rng(0).normal(size=(2, 30, 25, 3)).astype(np.float32)
    bodies[0, 20:] = 0
    bodies[1, :5] = 0
    bodies[:, 12] = 0
    path = tmp_path / "two.skeleton"
    path.write_text(skeleton_text(bodies))
    clip = read_clip(path)
    np.testing.assert_allclose(clip.bodies, bodies, rtol=1e-6)
    np.testing.assert_array_equal(clip.presence, bodies.any(axis=(2, 3)))


def test_true_ntu_files_are_read(shared):
    files = sorted((shared / "data/ntu-samples").glob("*.skeleton"))
    assert files
    for path in files:
        clip = read_clip(path)
        assert clip.frames == int(path.open().readline())
        assert 0.2 < np.abs(np.diff(clip.bodies[0, :, [0, 3]], axis=0)).max() < 1.2


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: x[:-30], "cut short: the file ends at line"),
        (lambda x: x[:1], "cut short: the file ends at line 1, within the number of bodies"),
        (lambda x: [str(int(x[0]) + 1), *x[1:]], "cut short"),
        (lambda x: [str(int(x[0]) - 1), *x[1:]], "goes on after its"),
        (lambda x: ["many", *x[1:]], "line 1: expected the number of frames, found 'many'"),
        (lambda x: ["-3", *x[1:]], "line 1: -3 cannot be"),
        (lambda x: ["3000000", *x[1:]], "3,000,000 frames"),
        (lambda x: ["1", *x[1 : 2 + BODY]], "1 frame(s)"),
        (lambda x: [x[0], "2", *x[2:]], "expected the 10 values of a body"),
        (lambda x: [x[0], "999999", *x[2:]], "999999 cannot be the number of bodies"),
        (lambda x: [*x[:2], "1 2 3", *x[3:]], "line 3: expected the 10 values of a body, found 3"),
        (lambda x: [*x[:3], "20", *x[4:]], "line 4: expected 25 joints, the file says 20"),
        (lambda x: [*x[:4], "a b c " + x[4], *x[5:]], "line 5: expected the 12 values"),
        (lambda x: [*x[:4], x[4].replace("256.0", "lots"), *x[5:]], "line 5: 'lots' is not a numb"),
        (lambda x: [*x[:6], "", *x[7:]], "line 7: expected the 12 values of a joint, found 0"),
        (lambda x: ["2", "0", "0"], "no body in any frame"),
    ],
)
def test_spoilt_skeleton_files_say_where(tmp_path, skeleton_lines, spoil, says):
    assert says in refusal(write(tmp_path / "c.skeleton", spoil(skeleton_lines)))


def test_all_zero_skeleton_file(tmp_path, skeleton_lines):
    lines = [
        "0 0 0 " + " ".join(line.split()[3:]) if len(line.split()) == 12 else line
        for line in skeleton_lines
    ]
    assert "no body in any frame" in refusal(write(tmp_path / "c.skeleton", lines))


@pytest.mark.parametrize("hole", ["nan", "inf", "-inf"])
def test_nan_in_a_skeleton_file(tmp_path, skeleton_lines, waving, hole):
    def with_holes(frames):
        lines = list(skeleton_lines)
        for frame in frames:
            at = 1 + frame * (1 + BODY) + 3 + 11
            lines[at] = " ".join([hole, *lines[at].split()[1:]])
        return write(tmp_path / "c.skeleton", lines)

    mended = read_clip(with_holes([10, 11])).bodies
    np.testing.assert_allclose(mended[0, 12:], waving[0, 12:], atol=1e-6)
    assert np.isfinite(mended).all()
    held = read_clip(with_holes(range(10, 30)))
    assert np.isfinite(held.bodies).all()
    assert held.notes == (
        "right hand of body 0 is missing for 20 frames from frame 10: carried by the right wrist",
    )


def test_skeleton_file_has_one_layout(tmp_path, skeleton_lines):
    path = write(tmp_path / "c.skeleton", skeleton_lines)
    assert "has the layout 'ntu25'" in refusal(path, layout="kinect20")


@pytest.mark.parametrize("ending", [".skeleton", ".npy", ".npz"])
def test_empty_file(tmp_path, ending):
    path = tmp_path / f"empty{ending}"
    path.touch()
    assert "the file is empty" in refusal(path)


def test_what_is_no_clip_file(tmp_path):
    assert "is a directory" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "missing.npy")
    (tmp_path / "clip.mp4").write_bytes(b"x")
    assert "unknown file ending '.mp4'" in refusal(tmp_path / "clip.mp4")


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
    began = time.monotonic()
    assert "damaged or cut short" in refusal(path)
    assert time.monotonic() - began < 5


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
    np.savez(path, joints=waving, layout="squid8")
    assert "in the file: there is no layout 'squid8'" in refusal(path)
    np.savez(path, a=waving, b=waving)
    assert "expected an array 'joints', found ['a', 'b']" in refusal(path)
    path.write_bytes(path.read_bytes()[:200])
    assert "not a readable .npz" in refusal(path)


def test_twenty_joints_need_their_layout_named(tmp_path, waving):
    path = tmp_path / "c.npy"
    np.save(path, waving[0, :, :20])
    assert "pass --layout kinect20" in refusal(path)
    assert read_clip(path, layout="kinect20").layout == "kinect20"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_to_a_skeleton_file_escapes_the_known_errors(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "c.skeleton"
    bodies = np.random.default_rng(0).normal(size=(2, 3, 25, 3)).astype(np.float32)
    content = bytearray(skeleton_text(bodies).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path.write_bytes(content)
    try:
        clip = read_clip(path)
    except StarsError as error:
        assert str(path) in str(error)
    else:
        assert np.isfinite(clip.bodies).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_to_an_array_file_escapes_the_known_errors(tmp_path_factory, data):
    ending = data.draw(st.sampled_from([".npy", ".npz"]))
    path = tmp_path_factory.mktemp("fuzz") / f"c{ending}"
    joints = np.random.default_rng(0).normal(size=(4, 25, 3)).astype(np.float32)
    if ending == ".npy":
        np.save(path, joints)
    else:
        np.savez(path, joints=joints)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, 300)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path.write_bytes(content)
    try:
        clip = read_clip(path)
    except StarsError as error:
        assert str(path) in str(error)
    else:
        assert np.isfinite(clip.bodies).all()
